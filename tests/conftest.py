"""What is costly and shared: one short rendered film, one run of the route over it, one tiny bundle."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from offline.synthesis.video import write_video
from realtime.pipeline import Pipeline
from realtime.types import FacialEvent, Frame, FrameRow, readonly

# a shell that runs its tests in the background has them, and all that they start, ignore interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

PLAN = {"seconds": 3.6, "fps": 100.0, "width": 240, "height": 200, "face_width_px": 130.0, "seed": 6}
CLIP_FRAMES = 165
"""The first micro-expression is over, and decided, by then."""


@dataclass(frozen=True, slots=True)
class Film:
    """Two micro-expressions on a calm face."""

    frames: tuple[Frame, ...] = field(repr=False)
    truth: Truth


@dataclass(frozen=True, slots=True)
class Clip:
    """The beginning of the film as a lossless video, with the truth of the one expression in it."""

    video: Path
    truth: Path
    frames: int


@dataclass(frozen=True, slots=True)
class Run:
    """What the route made of the whole film."""

    events: tuple[FacialEvent, ...]
    decided_at: tuple[int, ...]
    """Position of the frame whose push gave each event; the number of frames for those of the flush."""
    rows: tuple[FrameRow | None, ...] = field(repr=False)
    counts: dict[str, int]
    skipped: dict[str, int]


def run_route(
    pipeline: Pipeline, frames: tuple[Frame, ...], watch: Callable[[], object] = lambda: None
) -> Run:
    """Push every frame, then flush; `watch` is called after every push."""
    events: list[FacialEvent] = []
    decided_at: list[int] = []
    rows: list[FrameRow | None] = []
    for position, frame in enumerate(frames):
        found = pipeline.push(frame)
        events += found
        decided_at += [position] * len(found)
        rows.append(pipeline.observation)
        watch()
    found = pipeline.flush()
    events += found
    decided_at += [len(frames)] * len(found)
    return Run(tuple(events), tuple(decided_at), tuple(rows), dict(pipeline.counts), dict(pipeline.skipped))


@pytest.fixture(scope="session")
def film() -> Film:
    plan = StreamPlan(make_identity(2), events=2, amplitude_percent=(0.8, 1.5), confounders=CALM, **PLAN)  # type: ignore[arg-type]
    stream = SyntheticStream(plan)
    frames = tuple(
        Frame(index, index / plan.fps, readonly(image)) for index, image in enumerate(stream.frames())
    )
    return Film(frames, stream.truth)


@pytest.fixture(scope="session")
def film_run(film: Film) -> Run:
    with Pipeline() as pipeline:
        return run_route(pipeline, film.frames)


@pytest.fixture(scope="session")
def clip(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("clip")
    video = folder / "clip.mkv"
    images = [frame.image for frame in film.frames[:CLIP_FRAMES]]
    write_video(video, images, film.truth.fps, (film.truth.width, film.truth.height))
    film.truth.save(video.with_suffix(".json"))
    return Clip(video, video.with_suffix(".json"), CLIP_FRAMES)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bundle; tests that change it work on a copy."""
    from bundles import write_bundle  # brings onnx and scikit-learn, which few tests need

    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny")
