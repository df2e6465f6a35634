"""Where time goes, and how much of it is left."""

from __future__ import annotations

import itertools
import time

import pytest

from offline.progress import FoldProgress, seconds_left
from offline.timing import REST, part, timed_parts


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock is a second later than the one before."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))


@pytest.mark.usefixtures("clock")
def test_a_part_within_another_is_charged_by_itself():
    with timed_parts() as seconds, part("outer"), part("inner"):  # 0, 1 and 2
        pass  # 3, 4 and 5
    assert seconds == {REST: 2.0, "outer": 2.0, "inner": 1.0}


def test_parts_that_nobody_times_cost_nothing():
    with part("network"):
        pass


@pytest.mark.usefixtures("clock")
def test_a_part_that_fails_is_closed():
    with timed_parts() as seconds:
        with pytest.raises(ValueError, match="x"), part("network"):
            raise ValueError("x")
        with part("svm"):
            pass
    assert set(seconds) == {REST, "network", "svm"}


@pytest.mark.parametrize(
    ("left", "durations", "at_once", "since_last_s", "expected"),
    [
        (10, [], 1, 5.0, None),
        (10, [6.0, 4.0], 1, 0.0, 50.0),
        (10, [6.0, 4.0], 1, 2.0, 48.0),
        (10, [6.0, 4.0], 4, 0.0, 12.5),
        (1, [5.0], 2, 9.0, 0.0),
        (3, [5.0], 0, 0.0, 15.0),  # a cluster whose workers are all gone for a moment
    ],
)
def test_time_left(left, durations, at_once, since_last_s, expected):
    assert seconds_left(left, durations, at_once, since_last_s) == expected


def test_kept_folds_do_not_make_the_run_look_fast(monkeypatch, capsys):
    """60 of 68 folds are there from before; the eight that are left take 30 s each."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with FoldProgress(68, [5.0] * 60, lambda: 1, terminal=False) as progress:
        now[0] = 30.0
        progress.update(30.0)
        assert capsys.readouterr().err == ""  # not a line for every fold
        now[0] = 60.0
        progress.update(30.0)
    assert "62 of 68 folds, about 03:00 left" in capsys.readouterr().err


def test_a_terminal_gets_a_bar(capsys):
    with FoldProgress(3, [1.0], lambda: 1, terminal=True) as progress:
        progress.update(1.0)
    assert "2/3 folds" in capsys.readouterr().err
