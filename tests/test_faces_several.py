"""Two faces in one picture: each has its own number and its own route."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import Film, run_route

from offline.metrics import score_spotting
from realtime.config import PipelineConfig
from realtime.errors import ConfigError
from realtime.faces import FaceTracker, TrackerConfig
from realtime.pipeline import Pipeline
from realtime.types import U8, FacialEvent, Frame, readonly

LATER = 20
"""The right face does what the left one did this many frames before."""
STEP = 2
"""Every other frame of the film: 50 a second."""


@pytest.fixture(scope="module")
def pair(film: Film) -> tuple[Frame, ...]:
    images = [frame.image for frame in film.frames[::STEP]]
    fps = film.truth.fps / STEP
    right = [images[0]] * LATER + images
    return tuple(
        Frame(index, index / fps, readonly(np.hstack([image, right[index]])))
        for index, image in enumerate(images)
    )


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    shared = FaceTracker(TrackerConfig(max_faces=3))
    yield shared
    shared.close()


def found(events: tuple[FacialEvent, ...], face: int) -> list[tuple[float, float]]:
    return [(e.key_frames.onset_s, e.key_frames.offset_s) for e in events if e.face == face]


def test_each_face_has_its_own_events(film: Film, pair: tuple[Frame, ...]) -> None:
    with Pipeline(PipelineConfig(tracker=TrackerConfig(max_faces=2))) as pipeline:
        run = run_route(pipeline, pair)
        assert len(pipeline.observations) == 2
        assert [row.face_id for row in pipeline.observations] == [0, 1]
    left = next(r.pose.x_px for r in run.rows if r is not None and r.pose is not None)
    late_s = dict.fromkeys((0, 1), LATER * STEP / film.truth.fps)
    late_s[0 if left < pair[0].image.shape[1] / 2 else 1] = 0.0
    for face in (0, 1):
        true = [(t.onset_s + late_s[face], t.offset_s + late_s[face]) for t in film.truth.events]
        score = score_spotting([t for t in true if t[1] < pair[-1].time_s - 0.3], found(run.events, face))
        assert (score.false_positives, score.false_negatives) == (0, 0)
        assert score.true_positives >= 1
    assert len({event.id for event in run.events}) == len(run.events) == run.counts["events"]
    assert run.counts["face_frames"] == len(pair)


def test_one_face_is_the_default(pair: tuple[Frame, ...]) -> None:
    with Pipeline() as pipeline:
        for frame in pair[:5]:
            pipeline.push(frame)
            assert len(pipeline.observations) == 1


def hidden(frame: Frame, room: U8) -> Frame:
    image = frame.image.copy()
    image[:, image.shape[1] // 2 :] = room
    return Frame(frame.index, frame.time_s, readonly(image))


def test_a_face_keeps_its_number_while_it_is_hidden_for_a_moment(
    pair: tuple[Frame, ...], tracker: FaceTracker
) -> None:
    tracker.reset()
    height, width = pair[0].image.shape[:2]
    room = np.random.default_rng(0).integers(0, 255, (height, width // 2, 3), dtype=np.uint8)
    gone, back = 20, 50
    for frame in pair[:80]:
        faces = tracker.push(hidden(frame, room) if gone <= frame.index < back else frame)
        sides = {face.id: bool(face.landmarks_px[:, 0].mean() > width / 2) for face in faces}
        if frame.index == gone - 1:
            before = sides
            assert sorted(before) == [0, 1]
        if frame.index == back - 1:
            assert list(sides.values()) == [False]
    assert sides == before, "the numbers, and who has which"


def test_a_face_that_is_gone_for_long_comes_back_as_a_new_one(pair: tuple[Frame, ...]) -> None:
    tracker = FaceTracker(TrackerConfig(max_faces=2, remember_s=0.1, search_s=0.1))
    try:
        height, width = pair[0].image.shape[:2]
        room = np.zeros((height, width // 2, 3), dtype=np.uint8)
        for frame in pair[:70]:
            faces = tracker.push(hidden(frame, room) if 10 <= frame.index < 40 else frame)
        assert len(faces) == 2
        assert max(face.id for face in faces) == 2
    finally:
        tracker.close()


def test_reset_equals_new(pair: tuple[Frame, ...], tracker: FaceTracker) -> None:
    runs = []
    for _ in range(2):
        tracker.reset()
        runs.append([[(f.id, f.measured) for f in tracker.push(frame)] for frame in pair[:12]])
    assert runs[0] == runs[1]
    assert runs[0][0] == [(0, True), (1, True)]


def test_a_face_is_not_followed_twice(film: Film, tracker: FaceTracker) -> None:
    tracker.reset()
    for frame in film.frames[:40]:
        assert len(tracker.push(frame)) == 1


@pytest.mark.parametrize(
    "setting", [{"max_faces": 0}, {"max_faces": 17}, {"search_s": 0.0}, {"remember_s": -1.0}]
)
def test_settings_have_limits(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        TrackerConfig(**setting)  # type: ignore[arg-type]
