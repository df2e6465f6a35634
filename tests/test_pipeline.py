from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from zlib import crc32

import numpy as np
import pytest
from conftest import Film, Run, run_route

from offline.metrics import score_spotting
from realtime.errors import ConfigError
from realtime.face_route import LEAD_S
from realtime.faces import FaceAligner
from realtime.faces.ring import FaceRing
from realtime.flow import FlowMeter
from realtime.pipeline import Pipeline
from realtime.quality import FaceGate
from realtime.types import AlignedFace, Face, FacialEvent, Frame, KeyFrameEvidence, Recognition, Unreadable


def intervals(events: Iterable[FacialEvent]) -> list[tuple[float, float]]:
    return [(event.key_frames.onset_s, event.key_frames.offset_s) for event in events]


def assert_finds(film: Film, events: Iterable[FacialEvent]) -> None:
    """Every micro-expression of the film at an IoU of a half, and nothing else."""
    found = tuple(events)
    score = score_spotting([(t.onset_s, t.offset_s) for t in film.truth.events], intervals(found))
    assert (score.true_positives, score.false_positives, score.false_negatives) == (2, 0, 0)
    assert [event.kind for event in found] == ["micro_expression", "micro_expression"]


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """Used by many tests, each of which resets it first."""
    with Pipeline() as shared:
        yield shared


def test_the_film_is_what_the_tests_take_it_for(film: Film) -> None:
    assert [event.kind for event in film.truth.events] == ["micro_expression"] * 2
    assert film.truth.events[0].offset_s + 0.2 < film.truth.events[1].onset_s


def test_finds_every_micro_expression_and_nothing_else(film: Film, film_run: Run) -> None:
    assert_finds(film, film_run.events)
    assert film_run.counts == {"frames": 360, "face_frames": 360, "events": 2}
    assert film_run.skipped == {}


def test_events_are_whole_and_consistent(film: Film, film_run: Run) -> None:
    for event, true in zip(film_run.events, film.truth.events, strict=True):
        keys = event.key_frames
        assert keys.onset_s < keys.apex_s < keys.offset_s <= keys.decided_s
        assert keys.onset_frame < keys.apex_frame < keys.offset_frame
        for time_s, index in (
            (keys.onset_s, keys.onset_frame),
            (keys.apex_s, keys.apex_frame),
            (keys.offset_s, keys.offset_frame),
        ):
            assert film.frames[index].time_s == time_s
        assert abs(keys.apex_s - true.apex_s) < 0.05
        assert max(keys.regions.values()) == 1.0
        assert min(keys.regions.values()) >= 0.0
        assert keys.strength > 3.5
        assert (event.label, event.recognition) == (None, None)
        assert 100.0 <= event.duration_ms <= 530.0
    assert len({event.id for event in film_run.events}) == 2


def test_events_come_from_the_push_of_the_frame_that_decides_them(film: Film, film_run: Run) -> None:
    for event, position in zip(film_run.events, film_run.decided_at, strict=True):
        assert position < len(film.frames), "decided by the flush only"
        assert film.frames[position].time_s == event.key_frames.decided_s


def test_what_follows_a_decision_does_not_change_it(film: Film, film_run: Run, pipeline: Pipeline) -> None:
    seen = film.frames[: film_run.decided_at[0] + 1]
    pipeline.reset()
    first = run_route(pipeline, seen)
    assert [event.key_frames for event in first.events] == [film_run.events[0].key_frames]
    assert_same_rows(first, film_run)
    assert pipeline.flush() == ()
    # the rest of the film is missing but for its last second: time has a hole
    hole_s = seen[-1].time_s
    late = film.frames[-60:]
    assert late[0].time_s - hole_s > pipeline.config.max_gap_s
    events = [event for frame in late for event in pipeline.push(frame)] + list(pipeline.flush())
    assert not [event for event in events if event.key_frames.onset_s <= hole_s]


def assert_same_rows(short: Run, long: Run) -> None:
    """Two runs measured the same, bit by bit, as far as the shorter one goes."""
    for one, other in zip(short.rows, long.rows, strict=False):
        assert one is not None
        assert other is not None
        assert (one.index, one.time_s, one.skipped, one.pose) == (
            other.index,
            other.time_s,
            other.skipped,
            other.pose,
        )
        assert (one.motion is None) == (other.motion is None)
        if one.motion is not None and other.motion is not None:
            np.testing.assert_array_equal(one.motion.regions, other.motion.regions)
            np.testing.assert_array_equal(one.motion.lids, other.motion.lids)


def test_reset_equals_new_and_runs_repeat(film: Film, film_run: Run, pipeline: Pipeline) -> None:
    digests = [crc32(frame.image.data) for frame in film.frames]
    pipeline.push(Unreadable(0, "undecodable"))
    pipeline.reset()
    assert pipeline.counts == {"frames": 0, "face_frames": 0, "events": 0}
    assert (pipeline.skipped, pipeline.observation) == ({}, None)
    again = run_route(pipeline, film.frames, watch=lambda: assert_bounded(pipeline, film.truth.fps))
    assert [event.key_frames for event in again.events] == [event.key_frames for event in film_run.events]
    assert again.events == film_run.events
    assert (again.decided_at, again.counts, again.skipped) == (
        film_run.decided_at,
        film_run.counts,
        film_run.skipped,
    )
    assert_same_rows(again, film_run)
    assert digests == [crc32(frame.image.data) for frame in film.frames]
    assert pipeline.flush() == ()
    assert pipeline.counts == film_run.counts


def assert_bounded(pipeline: Pipeline, fps: float) -> None:
    """No stage keeps more frames than its time allows."""
    config = pipeline.config
    for route in vars(pipeline)["_routes"].values():
        stages = vars(route)
        assert _held(stages["_ring"]) <= config.keep_s * fps + 1
        assert _held(stages["_flow"]) <= 1.6 * config.flow.lag_s * fps + 1


def test_half_the_frames_show_the_same(film: Film, pipeline: Pipeline) -> None:
    pipeline.reset()
    assert_finds(film, run_route(pipeline, film.frames[::2]).events)


def test_a_hole_inside_an_expression_gives_no_event_across_it(film: Film, pipeline: Pipeline) -> None:
    true = film.truth.events[0]
    hole = (true.onset_frame + 5, true.offset_frame + 40)
    kept = tuple(frame for frame in film.frames[: hole[1] + 40] if not hole[0] <= frame.index < hole[1])
    pipeline.reset()
    run = run_route(pipeline, kept)
    from_s, to_s = film.frames[hole[0] - 1].time_s, film.frames[hole[1]].time_s
    across = [
        event
        for event in run.events
        if event.key_frames.onset_s <= from_s < to_s <= event.key_frames.offset_s
    ]
    assert not across
    assert run.rows[hole[0]] is not None
    assert run.rows[hole[0]].motion is None, "the reference must lie on this side of the hole"  # type: ignore[union-attr]


def test_a_face_that_cannot_be_measured_for_long_is_a_hole_too(
    film: Film, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks away at the apex, for longer than a gap; what the face does then is not known."""
    apex = film.truth.events[0].apex_frame
    away = round(1.5 * pipeline.config.max_gap_s * film.truth.fps)
    images = [frame.image for frame in film.frames]
    shown = [*images[:apex], *(images[apex - n % 3] for n in range(away)), *images[apex : apex + 60]]
    look = FaceGate.push
    looks_away = range(apex, apex + away)
    monkeypatch.setattr(
        FaceGate,
        "push",
        lambda gate, face: "turned_away" if face.index in looks_away else look(gate, face),
    )
    pipeline.reset()
    run = run_route(pipeline, tuple(Frame(i, i / film.truth.fps, image) for i, image in enumerate(shown)))
    assert run.skipped == {"turned_away": away}
    assert run.events == ()
    back = run.rows[looks_away.stop]
    assert back is not None
    assert (back.skipped, back.motion, back.face_id) == (None, None, run.rows[0].face_id)  # type: ignore[union-attr]


def test_frames_without_a_face_are_counted_and_end_what_was_going_on(film: Film, pipeline: Pipeline) -> None:
    room = np.random.default_rng(0).integers(0, 255, film.frames[0].image.shape, dtype=np.uint8)
    true = film.truth.events[0]
    start = true.onset_frame - 60
    shown, empty = film.frames[start : true.apex_frame], film.frames[true.apex_frame : true.apex_frame + 12]
    pipeline.reset()
    for frame in shown:
        assert pipeline.push(frame) == ()
    for position, frame in enumerate(empty):
        room[0, 0] = position
        assert pipeline.push(Frame(frame.index, frame.time_s, room.copy())) == ()
    missed = pipeline.skipped["no_face"]
    assert 4 <= missed <= 12, "the mesh looks again within its interval, and is heard half of one later"
    assert pipeline.observation is not None
    assert (pipeline.observation.skipped, pipeline.observation.motion) == ("no_face", None)
    assert pipeline.counts["face_frames"] + sum(pipeline.skipped.values()) == pipeline.counts["frames"]
    back = film.frames[true.offset_frame + 5 : true.offset_frame + 30]
    events = [event for frame in back for event in pipeline.push(frame)] + list(pipeline.flush())
    assert events == []
    assert pipeline.observation.face_id not in (None, 0), "a face that comes back is a new one"


def test_bad_frames_are_counted_by_cause(film: Film, pipeline: Pipeline) -> None:
    pipeline.reset()
    black = np.zeros_like(film.frames[0].image)
    assert pipeline.push(film.frames[0]) == ()
    assert pipeline.push(Unreadable(1, "undecodable")) == ()
    assert pipeline.push(Unreadable(2, "size")) == ()
    assert pipeline.push(Unreadable(3, "size")) == ()
    assert pipeline.observation is not None
    assert (pipeline.observation.index, pipeline.observation.time_s) == (3, None)
    assert pipeline.push(Frame(4, 0.04, black)) == ()
    assert pipeline.skipped == {"undecodable": 1, "size": 2, "black": 1}
    assert pipeline.counts == {"frames": 5, "face_frames": 1, "events": 0}


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 300, 3), (300, 1, 3), (16, 16, 3)])
def test_pictures_of_any_size_are_survived(pipeline: Pipeline, shape: tuple[int, int, int]) -> None:
    pipeline.reset()
    rng = np.random.default_rng(1)
    for index in range(3):
        image = rng.integers(0, 255, shape, dtype=np.uint8)
        assert pipeline.push(Frame(index, index / 25, image)) == ()
    assert sum(pipeline.skipped.values()) == 3


class Labels:
    """A recogniser that keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[KeyFrameEvidence] = []

    def recognize(self, evidence: KeyFrameEvidence) -> Recognition:
        self.seen.append(evidence)
        return Recognition("surprise", {"surprise": 0.75, "disgust": 0.25})


def test_the_recogniser_sees_the_key_frames(film: Film, film_run: Run) -> None:
    labels = Labels()
    frames = film.frames[: film_run.decided_at[0] + 1]
    with Pipeline(recognizer=labels) as pipeline:
        (event,) = run_route(pipeline, frames).events
    assert (event.label, event.key_frames) == ("surprise", film_run.events[0].key_frames)
    (evidence,) = labels.seen
    assert evidence.frames is not None
    assert (evidence.frames.shape, evidence.flows.shape) == ((3, 64, 64, 3), (3, 2, 64, 64))
    assert np.isfinite(evidence.flows).all()
    assert np.abs(evidence.flows[0]).max() > 0.05
    assert not np.array_equal(evidence.frames[0], evidence.frames[1])


def aligned_faces(count: int, fps: float) -> Iterator[AlignedFace]:
    """One still face, over and over."""
    landmarks = np.random.default_rng(3).uniform(20, 80, (468, 3)).astype(np.float32)
    image = np.random.default_rng(4).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    aligner = FaceAligner()
    for index in range(count):
        face = Face(0, landmarks, measured=index % 5 == 0)
        yield aligner.push(Frame(index, index / fps, image), face)


@pytest.mark.parametrize("fps", [25.0, 200.0])
def test_memory_is_bounded_by_time(fps: float) -> None:
    ring, meter = FaceRing(0.3), FlowMeter()
    longest_ring = longest_meter = 0
    for face in aligned_faces(int(fps), fps):
        ring.push(face)
        meter.push(face)
        longest_ring = max(longest_ring, _held(ring))
        longest_meter = max(longest_meter, _held(meter))
    assert 0.3 * fps <= longest_ring <= 0.3 * fps + 2
    assert longest_meter <= 1.6 * meter.config.lag_s * fps + 2
    ring.reset()
    meter.reset()
    assert _held(ring) == _held(meter) == 0


def _held(stage: object) -> int:
    """Length of the longest deque that an object keeps."""
    return max(len(value) for value in vars(stage).values() if isinstance(value, deque))


def test_footage_of_an_event_is_there_with_the_event_and_gone_after_it(film: Film) -> None:
    shown = {}
    with Pipeline() as pipeline:
        for frame in film.frames:
            events = pipeline.push(frame)
            assert set(pipeline.footage) == {event.id for event in events}
            assert [face.id for face in pipeline.faces] == [row.face_id for row in pipeline.observations]
            shown |= {event.id: (event.key_frames, pipeline.footage[event.id]) for event in events}
        shown |= {event.id: (event.key_frames, pipeline.footage[event.id]) for event in pipeline.flush()}
        pipeline.flush()
        assert not pipeline.footage
    assert len(shown) == 2
    for keys, footage in shown.values():
        indices = [face.index for face in footage]
        assert indices == list(range(indices[0], indices[-1] + 1))
        assert film.frames[indices[0]].time_s == pytest.approx(keys.onset_s - LEAD_S, abs=0.011)
        assert indices[-1] >= keys.offset_frame


def test_another_confidence_holds_from_the_next_decision_on(film: Film, film_run: Run) -> None:
    assert film_run.events[0].kind == "micro_expression"
    with Pipeline() as pipeline:
        pipeline.push(film.frames[0])
        pipeline.set_confidence(1.0 - 1e-9)
        run = run_route(pipeline, film.frames[1:])
        assert all(event.kind != "micro_expression" for event in run.events)
        with pytest.raises(ConfigError, match="confidence"):
            pipeline.set_confidence(1.5)
