from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.sources.clock import StreamClock, measure_fps, settle_fps


def stamps(clock: StreamClock, times_s: list[float]) -> list[float]:
    return [clock.stamp(index, time_s) for index, time_s in enumerate(times_s)]


def test_good_stamps_are_kept() -> None:
    times_s = [0.0, 0.033, 0.1, 0.105, 0.3]
    clock = StreamClock(30.0)
    assert stamps(clock, times_s) == times_s
    assert clock.repaired == 0


def test_one_bad_stamp_is_bridged_and_the_rest_stays() -> None:
    clock = StreamClock(10.0)
    assert stamps(clock, [0.0, 0.1, 0.05, 0.3, 0.4]) == pytest.approx([0.0, 0.1, 0.15, 0.3, 0.4])
    assert clock.repaired == 1


def test_a_leap_forward_is_one_nominal_step() -> None:
    clock = StreamClock(10.0)
    assert stamps(clock, [0.0, 0.1, 40.1, 40.2]) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert clock.repaired == 1


def test_a_count_that_starts_again_is_joined() -> None:
    times_s = stamps(StreamClock(10.0), [5.0, 5.1, 5.2, 0.0, 0.1, 0.2, 0.3])
    assert times_s == pytest.approx([5.0, 5.1, 5.2, 5.25, 5.35, 5.45, 5.55])


def test_missing_stamps_fall_back_to_the_frame_rate() -> None:
    times_s = stamps(StreamClock(10.0), [0.0, 0.1, math.nan, math.nan, math.nan])
    assert times_s == pytest.approx([0.0, 0.1, 0.15, 0.25, 0.35])


def test_frames_passed_over_count_in_a_bridge() -> None:
    clock = StreamClock(10.0)
    clock.stamp(0, 0.0)
    assert clock.stamp(4, 0.0) == pytest.approx(0.35)


def test_nominal_clock_ignores_stamps() -> None:
    assert stamps(StreamClock(4.0, nominal=True), [9.0, math.nan, -1.0]) == [0.0, 0.25, 0.5]


def test_reset_equals_new() -> None:
    clock = StreamClock(10.0)
    first = stamps(clock, [0.0, 0.1, 50.0, 0.2])
    clock.reset()
    assert clock.repaired == 0
    assert stamps(clock, [0.0, 0.1, 50.0, 0.2]) == first


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1, 20), max_size=40),
    st.floats(1, 1000),
)
def test_times_always_increase(times_s: list[float], fps: float) -> None:
    out = stamps(StreamClock(fps), times_s)
    assert all(math.isfinite(time_s) for time_s in out)
    assert all(b > a for a, b in pairwise(out))


def test_measure_fps_is_finer_than_millisecond_stamps() -> None:
    times_s = [round(index / 30, 3) for index in range(32)]
    assert measure_fps(times_s) == pytest.approx(30.0, abs=0.05)


def test_measure_fps_survives_gaps() -> None:
    assert measure_fps([0.0, 0.01, 0.02, 0.5, 0.51, 0.52, 9.0, 9.01]) == pytest.approx(100.0)


@pytest.mark.parametrize(
    "times_s", [[], [0.0], [0.0, 0.0, 0.0], [math.nan, math.nan], [0.0, 0.1, 5.1, 0.0, 9.0, 0.2]]
)
def test_measure_fps_says_when_it_cannot(times_s: list[float]) -> None:
    assert measure_fps(times_s) is None


@pytest.mark.parametrize("stated", [0.0, math.nan, math.inf, -5.0, 1_000_000.0])
def test_absurd_rates_are_measured_or_assumed_with_a_note(stated: float) -> None:
    fps, note = settle_fps(stated, [index / 200 for index in range(20)])
    assert fps == pytest.approx(200.0)
    assert note is not None
    assert "200" in note
    fps, note = settle_fps(stated, [0.0])
    assert fps == 30.0
    assert note is not None
    assert "assumed" in note


def test_a_sane_rate_is_kept_unless_the_stamps_contradict_it() -> None:
    times_s = [index / 30 for index in range(20)]
    assert settle_fps(29.97, times_s) == (29.97, None)
    fps, note = settle_fps(240.0, times_s)
    assert fps == pytest.approx(30.0)
    assert note == "the container states 240 frames per second, its timestamps show 30"


def test_a_rate_of_one_tick_per_millisecond_needs_proof() -> None:
    assert settle_fps(1000.0, [0.0, 0.0])[0] == 30.0
    assert settle_fps(1000.0, [0.0, 0.001, 0.002]) == (1000.0, None)
