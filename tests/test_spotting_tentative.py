"""What is told early is settled once: by its event, or by being withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from conftest import Film, Run

from realtime.config import PipelineConfig
from realtime.pipeline import Pipeline
from realtime.spotting import Tentative, TentativeLog
from realtime.types import FacialEvent, KeyFrames, Notice, Provisional, Unobservable, Withdrawn

KEYS = KeyFrames("micro_expression", 1.0, 1.2, 1.4, 100, 120, 140, 9.0, {}, 1.5)


def tentative(frame: int, apex_s: float) -> Tentative:
    return Tentative(apex_s - 0.1, frame, apex_s, 5.0, apex_s + 0.05)


def test_a_movement_takes_the_name_that_it_was_announced_with() -> None:
    log = TentativeLog(0.7)
    log.announce(tentative(103, 1.19))
    log.announce(tentative(103, 1.19))
    assert [t.onset_frame for t in log.take()] == [103]
    assert log.take() == ()
    assert log.name(KEYS) == 103
    assert log.name(KEYS) == 100
    log.settle(9.0)
    assert log.take() == ()


def test_the_nearest_apex_is_the_movement() -> None:
    log = TentativeLog(0.7)
    log.announce(tentative(90, 1.05))
    log.announce(tentative(105, 1.22))
    log.take()
    assert log.name(KEYS) == 105
    log.settle(1.7)
    assert log.take() == ()
    log.settle(1.8)
    (withdrawn,) = log.take()
    assert (withdrawn.onset_frame, withdrawn.withdrawn, withdrawn.decided_s) == (90, True, 1.8)


def test_all_is_withdrawn_when_the_face_is_lost() -> None:
    log = TentativeLog(0.7)
    log.announce(tentative(90, 1.05))
    log.settle(1.1, over=True)
    assert [t.withdrawn for t in log.take()] == [False, True]


def told(film: Film, config: PipelineConfig) -> Iterator[FacialEvent | Notice]:
    with Pipeline(config) as pipeline:
        for frame in film.frames:
            events = pipeline.push(frame)
            yield from (*pipeline.notices, *events)
        events = pipeline.flush()
        yield from (*pipeline.notices, *events)
        assert pipeline.unobservable.keys() == {"warm_up"}


def test_events_are_told_as_they_peak_and_then_confirmed(film: Film, film_run: Run) -> None:
    """Nothing but the id of an event may change; on a calm face nothing is withdrawn."""
    stream = list(told(film, PipelineConfig(provisional=True)))
    early = [item for item in stream if isinstance(item, Provisional)]
    events = [item for item in stream if isinstance(item, FacialEvent)]
    assert [replace(e, id="") for e in events] == [replace(e, id="") for e in film_run.events]
    confirmed = {e.id for e in events} & {p.id for p in early}
    withdrawn = {w.id for w in stream if isinstance(w, Withdrawn)}
    assert len(confirmed) == len(events) == 2
    assert {p.id for p in early} == confirmed | withdrawn
    assert not confirmed & withdrawn
    for event in events:
        (provisional,) = [p for p in early if p.id == event.id]
        assert stream.index(provisional) < stream.index(event)
        assert provisional.decided_s < event.key_frames.decided_s - 0.1
        assert provisional.apex_s == pytest.approx(event.key_frames.apex_s, abs=0.06)


def test_without_being_asked_nothing_is_told_early(film: Film, film_run: Run) -> None:
    stream = list(told(film, PipelineConfig()))
    assert {type(item) for item in stream} == {FacialEvent, Unobservable}
    assert tuple(item for item in stream if isinstance(item, FacialEvent)) == film_run.events
