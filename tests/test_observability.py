"""Stretches that could not be observed: merged, never a flood, and every second of them accounted for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from realtime.errors import ConfigError
from realtime.observability import Observability, ObservabilityConfig, cause_of
from realtime.types import FacialEvent, FrameRow, KeyFrames, Unobservable

FPS = 100.0


def row(index: int, cause: str | None, face: int | None = 0) -> FrameRow:
    return FrameRow(index, index / FPS, face, unobservable=cause)


def told(cause_at: Callable[[float], str | None], seconds: float, **settings: float) -> list[Unobservable]:
    observability = Observability(ObservabilityConfig(**settings))
    found: list[Unobservable] = []
    for index in range(round(seconds * FPS)):
        found += observability.push([row(index, cause_at(index / FPS))], ())
    return [*found, *observability.flush(), *observability.flush()]


def spans(stretches: list[Unobservable]) -> list[tuple[float, float, str]]:
    return [(round(s.from_s, 3), round(s.to_s, 3), s.cause) for s in stretches]


def test_a_stretch_runs_from_the_last_good_frame_to_the_last_bad_one() -> None:
    assert spans(told(lambda t: "motion" if 1.0 <= t <= 2.0 else None, 3.0)) == [(0.99, 2.0, "motion")]


def test_what_is_close_together_is_one_stretch() -> None:
    def cause(t: float) -> str | None:
        return "motion" if 1.0 <= t <= 1.3 or 1.6 <= t <= 1.9 or 2.5 <= t <= 2.8 else None

    assert spans(told(cause, 4.0)) == [(0.99, 1.9, "motion"), (2.49, 2.8, "motion")]


def test_what_is_short_is_not_told() -> None:
    assert told(lambda t: "blur" if 1.0 <= t <= 1.05 else None, 2.0) == []
    assert told(lambda t: "motion" if round(t * FPS) % 50 == 0 else None, 10.0) == []


def test_causes_are_told_apart_where_each_lasts() -> None:
    def cause(t: float) -> str | None:
        return (
            "motion"
            if 1.0 <= t < 1.5
            else "blur"
            if t < 1.52 and t > 1
            else "no_face"
            if 1.52 <= t <= 2
            else None
        )

    assert spans(told(cause, 3.0)) == [(0.99, 1.51, "motion"), (1.51, 2.0, "no_face")]


def test_a_long_one_comes_in_parts() -> None:
    parts = told(lambda t: "no_face", 25.0)
    assert [round(p.to_s - p.from_s, 2) for p in parts] == [10.0, 10.0, 4.99]
    assert all(a.to_s == b.from_s for a, b in pairwise(parts))


def test_it_is_told_when_it_is_over() -> None:
    observability = Observability()
    when = [
        index / FPS
        for index in range(400)
        if observability.push([row(index, "light" if 100 <= index <= 150 else None)], ())
    ]
    assert when == pytest.approx([1.9])


def test_too_few_frames_a_second_are_a_cause() -> None:
    observability = Observability()
    found: list[Unobservable] = []
    for index in range(60):
        found += observability.push([FrameRow(index, index / 15.0, 0)], ())
    found += observability.flush()
    assert {s.cause for s in found} == {"frame_rate"}
    assert sum(s.to_s - s.from_s for s in found) == pytest.approx(59 / 15.0)
    assert observability.shares == {"frame_rate": pytest.approx(1.0)}


def test_a_micro_expression_that_was_found_hid_nothing() -> None:
    keys = KeyFrames("micro_expression", 1.1, 1.2, 1.3, 110, 120, 130, 9.0, {}, 1.5)
    event = FacialEvent("0-110", 0, keys, None)
    for kind, expected in (("micro_expression", []), ("macro_expression", [(1.09, 1.4, "motion")])):
        observability = Observability()
        found: list[Unobservable] = []
        for index in range(300):
            here = [replace(event, key_frames=replace(keys, kind=kind))] if index == 150 else []
            found += observability.push([row(index, "motion" if 110 <= index <= 140 else None)], here)
        assert spans(found) == expected


def test_shares_are_of_the_time_watched() -> None:
    observability = Observability()
    for index in range(1001):
        observability.push(
            [row(index, "motion" if 200 < index <= 400 else "light" if index > 900 else None)], ()
        )
    observability.flush()
    assert observability.shares == {"light": pytest.approx(0.1), "motion": pytest.approx(0.2)}
    observability.reset()
    assert observability.shares == {}


def test_each_of_several_faces_has_its_own_stretches() -> None:
    observability = Observability(several=True)
    found: list[Unobservable] = []
    for index in range(400):
        faces = [row(index, "motion" if 100 <= index < 200 else None, 0)]
        if index < 250:
            faces.append(row(index, "few_pixels", 1))
        found += observability.push(faces, ())
    found += observability.push([FrameRow(400, 4.0, None, skipped="no_face", unobservable="no_face")], ())
    found += observability.push([FrameRow(500, 5.0, None, skipped="no_face", unobservable="no_face")], ())
    found += observability.flush()
    assert sorted(
        (s.face, *span) for s, span in zip(found, spans(found), strict=True) if s.face is not None
    ) == [
        (0, 0.99, 1.99, "motion"),
        (1, 0.0, 2.49, "few_pixels"),
    ]
    assert spans([s for s in found if s.face is None]) == [(4.0, 5.0, "no_face")]
    assert observability.shares["motion"] == pytest.approx(1.0 / (3.99 + 2.49 + 1.0))


def test_frames_without_a_time_say_nothing() -> None:
    observability = Observability()
    assert observability.push([FrameRow(0, None, skipped="undecodable", unobservable="gap")], ()) == ()
    assert observability.flush() == ()


def test_every_cause_of_a_skipped_frame_has_a_name() -> None:
    assert cause_of("small_face") == "few_pixels"
    assert cause_of("timestamp") == "gap"


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"observability\.merge_s"):
        ObservabilityConfig(merge_s=0.0)
