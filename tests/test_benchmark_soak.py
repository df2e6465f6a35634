"""The long run: what it reads off, and that rounds of one stream give the same events."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import soak


def test_two_rounds_give_what_a_short_run_gives() -> None:
    record = soak.soak(300, fps=30.0, seconds=2.5, model="none")
    assert record["rounds"] == 2
    assert record["frames"] >= 300
    assert record["events"] == 2 * record["events_per_round"]
    assert (record["rounds_unlike_the_short_run"], record["largest_relative_difference"]) == (0, 0.0)
    assert min(record["threads"] + record["files"]) > 0
    assert record["resident_mb"]["mb_per_100k_frames"] is None, "too short for a slope"
    shown = soak.table(record)
    assert "unlike" in shown
    assert "open files" in shown


def test_a_difference_is_seen() -> None:
    event = soak.Seen("micro_expression", 0, "surprise", 10, 14, 20, 25, 8.0, (0.9, 0.1))
    stronger, later = replace(event, strength=8.8), replace(event, apex_frame=15)
    assert event.differs(event) == 0.0
    assert 0.05 < event.differs(stronger) < 0.15
    assert event.differs(later) == float("inf")
