"""One stream, one result: in one go, frame by frame, again, cut in two, and at half its rate."""

from __future__ import annotations

import copy
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Clip, Film, Run, run_route

from offline.spot_streams import run_source
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from realtime.config import PipelineConfig
from realtime.pipeline import Pipeline
from realtime.process import process
from realtime.sinks import JsonLinesSink
from realtime.sinks.records import event_record, notice_record, to_line
from realtime.spotting import Spotter
from realtime.types import FacialEvent, Frame, FrameSource, KeyFrames, Notice, StreamInfo, readonly

APEX_ERROR_S = 0.012
"""Median apex error that is asked for at 200 frames a second."""


class Memory:
    """Frames in memory as a source."""

    def __init__(self, frames: Sequence[Frame], fps: float) -> None:
        self._frames = frames
        height, width = frames[0].image.shape[:2]
        self.info = StreamInfo("memory", width, height, fps, len(frames))

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def lines(pipeline: Pipeline, source: FrameSource) -> bytes:
    out = io.BytesIO()
    process(source, pipeline, JsonLinesSink("-", stdout=out))
    return out.getvalue()


def said(pipeline: Pipeline, *sources: FrameSource) -> list[FacialEvent | Notice]:
    """All that one pipeline says over sources that follow each other, pushed frame by frame."""
    told: list[FacialEvent | Notice] = []
    for source in sources:
        for frame in source:
            events = pipeline.push(frame)
            told += (*pipeline.notices, *events)
    events = pipeline.flush()
    return [*told, *pipeline.notices, *events]


def test_in_one_go_frame_by_frame_and_cut_in_two(film: Film, film_run: Run) -> None:
    """The cut lies within the first expression; the pipeline is what is handed on."""
    keys = film_run.events[0].key_frames
    frames = film.frames[: film_run.decided_at[0] + 30]
    parts = (Memory(frames[: keys.apex_frame], 100.0), Memory(frames[keys.apex_frame :], 100.0))
    with Pipeline(PipelineConfig(provisional=True)) as pipeline:
        whole = lines(pipeline, Memory(frames, 100.0))
        pipeline.reset()
        uncut = said(pipeline, Memory(frames, 100.0))
        pipeline.reset()
        assert said(pipeline, *parts) == uncut
    assert [item.key_frames for item in uncut if isinstance(item, FacialEvent)] == [keys]
    written = [event_record(i) if isinstance(i, FacialEvent) else notice_record(i) for i in uncut]
    assert whole.splitlines(keepends=True)[1:-1] == [to_line(record) for record in written]


def test_a_spotters_state_can_be_handed_on(film_run: Run) -> None:
    """A copy taken between any two frames goes on as the original would have."""
    motions = [row.motion for row in film_run.rows if row is not None and row.motion is not None]

    def rest(spotter: Spotter, start: int) -> list[KeyFrames]:
        found = [keys for motion in motions[start:] for keys in spotter.push(motion)]
        return [*found, *spotter.flush()]

    spotter = Spotter()
    found: list[KeyFrames] = []
    for start in range(0, len(motions), 37):
        assert found + rest(copy.deepcopy(spotter), start) == [e.key_frames for e in film_run.events]
        for motion in motions[start : start + 37]:
            found += spotter.push(motion)


@pytest.mark.parametrize("later_s", [7 / 30, 12345.678901, 1e6 / 3])
def test_the_time_at_which_a_stream_begins_does_not_matter(film: Film, film_run: Run, later_s: float) -> None:
    """Bit by bit, although the last bits of the times' differences are others."""
    frames = tuple(replace(frame, time_s=frame.time_s + later_s) for frame in film.frames[:200])
    with Pipeline() as pipeline:
        later = run_route(pipeline, frames)
    assert later.events
    for event, first in zip(later.events, film_run.events, strict=False):
        keys, shift_s = event.key_frames, round(later_s, 6)
        times = [round(t - shift_s, 5) for t in (keys.onset_s, keys.apex_s, keys.offset_s, keys.decided_s)]
        same = dict(zip(("onset_s", "apex_s", "offset_s", "decided_s"), times, strict=True))
        assert replace(keys, **same) == first.key_frames
    for row, before in zip(later.rows, film_run.rows, strict=False):
        assert row is not None
        assert before is not None
        assert (row.motion is None) == (before.motion is None)
        if row.motion is not None and before.motion is not None:
            assert row.motion.regions.tobytes() == before.motion.regions.tobytes()
            assert (row.motion.lag_s, row.motion.delay_s) == (before.motion.lag_s, before.motion.delay_s)


def test_the_number_of_threads_does_not_matter(clip: Clip, tiny_bundle: Path, tmp_path: Path) -> None:
    """OpenMP's and OpenCV's threads."""
    results = []
    for threads in (1, 2):
        events, table = tmp_path / f"{threads}.jsonl", tmp_path / f"{threads}.csv"
        start = "from realtime.cli import main; raise SystemExit(main())"
        code = f"import cv2; cv2.setNumThreads({threads}); {start}"
        words = ["process", clip.video, "--model", tiny_bundle, "--out", events, "--csv", table, "--explain"]
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            env={**os.environ, **dict.fromkeys(names, str(threads))},
            cwd=Path(__file__).parent.parent,
            check=True,
            timeout=300,
        )
        results.append((events.read_bytes(), table.read_bytes()))
    assert b"micro_expression" in results[0][0]
    assert results[0] == results[1]


def test_200_frames_a_second_and_every_second_of_them_agree() -> None:
    plan = StreamPlan(
        make_identity(2), seconds=2.3, fps=200.0, width=240, height=200, face_width_px=130.0, seed=8,
        events=1, amplitude_percent=(1.0, 1.5), confounders=CALM,
    )  # fmt: skip
    stream = SyntheticStream(plan)
    (event,) = stream.truth.events
    frames = [
        Frame(i, i / 200.0, readonly(image))
        for i, image in enumerate(stream.frames())
        if i / 200.0 <= event.offset_s + 0.4
    ]
    runs = [
        run_source("x", Memory(part, fps), stream.truth).spotted
        for part, fps in ((frames, 200.0), (frames[::2], 100.0))
    ]
    assert [len(spotted) for spotted in runs] == [1, 1]
    apexes = np.array([spotted[0].key_frames.apex_s for spotted in runs])
    assert abs(apexes[0] - apexes[1]) <= APEX_ERROR_S
    assert apexes == pytest.approx(event.apex_s, abs=0.04)
