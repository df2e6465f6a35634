"""One stream, one result: in one go, frame by frame, again, cut in two, and at half its rate."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from conftest import Film, Run

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
