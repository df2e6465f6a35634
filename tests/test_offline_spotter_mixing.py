"""Events lifted off one living face and laid onto another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from offline.spotter_corpus import Event, Seen, draw_motion_plan
from offline.spotter_mixing import TWINS, _backwards, _faster, mirrored, responses, superposed
from offline.synthesis.living import LivingStream
from offline.synthesis.living_motion import living_motions
from realtime.geometry import LIDS, REGIONS
from realtime.types import F64, Motion

EVENT = Event(2.0, 2.1, 2.3, 0.6)
BROW = [region.name for region in REGIONS].index("brow_inner_left")


@pytest.fixture(scope="module")
def host() -> Seen:
    plan = replace(draw_motion_plan(5, seconds=12.0), fps=30.0, events_per_minute=0.0)
    return Seen(tuple(living_motions(LivingStream(plan))), ())


def planted(host: Seen) -> Seen:
    """The host with its left inner brow raised."""

    def more(motion: Motion) -> Motion:
        level = float(np.interp(motion.time_s, EVENT[:3], [0.0, 1.0, 0.0]))
        regions = motion.regions.copy()
        regions[BROW, 1] -= level
        return replace(motion, regions=regions)

    return Seen(tuple(more(motion) for motion in host.motions), [EVENT])


def test_an_event_is_lifted_off_its_host(host: Seen) -> None:
    (found,) = responses(host, planted(host))
    assert found.moved.shape[1:] == (19, 2)
    assert found.event.apex_s - found.event.onset_s == pytest.approx(0.1)
    assert 0.0 <= found.event.onset_s < 0.11, "the lag's worth before the onset belongs to it"
    assert found.moved[:, BROW, 1].min() == pytest.approx(-1.0, abs=0.35)
    others = np.delete(found.moved, BROW, axis=1)
    assert np.abs(others).max() < 1e-5


def test_an_event_with_a_hole_in_it_is_left(host: Seen) -> None:
    there = planted(host)
    holey = Seen([m for m in there.motions if not 2.05 < m.time_s < 2.15], there.events)
    assert not responses(host, holey)
    assert not responses(holey, there)
    assert not responses(Seen((), ()), there)


def test_events_are_laid_onto_another_host(host: Seen) -> None:
    pool = responses(host, planted(host))
    other = superposed(host, pool, (1, 2))
    assert len(other.events) >= 3
    again = superposed(host, pool, (1, 2))
    assert again.events == other.events
    assert [e.onset_s for e in superposed(host, pool, (1, 3)).events] != [e.onset_s for e in other.events]
    for before, after in zip(other.events, other.events[1:], strict=False):
        assert after.onset_s > before.offset_s
    assert all(0.2 < event.percent < 1.7 for event in other.events)


def test_on_a_still_face_the_events_alone_move(host: Seen) -> None:
    still = [replace(m, regions=0.0 * m.regions, lids=0.0 * m.lids, residual=0.0) for m in host.motions]
    other = superposed(Seen(still, ()), responses(host, planted(host)), (4,))
    brows = [BROW, TWINS[BROW]]
    for event in other.events:
        moved = [np.abs(m.regions[brows]).max() for m in other.motions if abs(m.time_s - event.apex_s) < 0.04]
        assert max(moved) == pytest.approx(event.percent / EVENT.percent, rel=0.6)
    rest = [
        np.abs(m.regions).max()
        for m in other.motions
        if all(not e.onset_s - 0.1 < m.time_s < e.offset_s + 0.3 for e in other.events)
    ]
    assert max(rest) < 0.5, "the noise of a camera"


def test_backwards_is_what_the_reversed_displacement_would_show() -> None:
    """Of displacements d, the motion over a lag of four frames is d(t) − d(t − 4)."""
    rng = np.random.default_rng(3)
    course = rng.normal(size=(60, 17, 2)).cumsum(axis=0)
    forth, back = _moving(course), _moving(course[::-1])
    found = _backwards(forth)
    assert len(found) == len(back) - 4
    assert [m.time_s for m in found] == [m.time_s for m in back[4:]]
    for a, b in zip(found, back[:-4], strict=True):
        assert np.allclose(a.regions, b.regions, atol=1e-4)


def test_faster_is_what_a_faster_displacement_would_show() -> None:
    times = np.arange(90) / 30.0
    wave = np.sin(2.0 * np.pi * 0.7 * times)[:, None, None] * np.ones((1, 17, 2))
    fast = np.sin(2.0 * np.pi * 0.7 * 1.2 * times)[:, None, None] * np.ones((1, 17, 2))
    found, wanted = _faster(_moving(wave), 1.2), _moving(fast)
    size = max(np.abs(m.regions).max() for m in wanted)
    assert len(found) == pytest.approx(len(wanted) / 1.2, abs=2)
    courses = np.array([[a.regions[0, 0] for a in found], [b.regions[0, 0] for b in wanted[: len(found)]]])
    assert np.abs(courses[0]).max() == pytest.approx(size, rel=0.05)


def _moving(course: F64) -> list[Motion]:
    return [
        Motion(
            index=k, time_s=k / 30.0, lag_s=4 / 30.0, regions=(course[k] - course[k - 4]).astype(np.float32),
            lids=np.zeros((2, 2), np.float32), rigid=0.0, residual=0.0, brightness=120.0,
            brightness_change=0.0, aperture=0.3,
        )
        for k in range(4, len(course))
    ]  # fmt: skip


def test_a_host_without_motion_and_one_with_holes_are_borne(host: Seen) -> None:
    pool = responses(host, planted(host))
    assert not superposed(Seen((), ()), pool, (1,)).events
    sparse = Seen(host.motions[::7], ())
    assert not superposed(sparse, pool, (1,)).events, "no event fits between its holes"


def test_a_mirrored_motion_is_mirrored_back() -> None:
    moved = np.random.default_rng(0).normal(size=(4, 19, 2))
    once = mirrored(moved)
    assert not np.allclose(once, moved)
    assert np.array_equal(mirrored(once), moved)
    names = [region.name for region in (*REGIONS, *LIDS)]
    assert names[TWINS[BROW]] == "brow_inner_right"
