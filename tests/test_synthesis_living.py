from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from offline.synthesis.living import LivingPlan, LivingStream, draw_plan
from realtime.errors import UsageError

PLAN = LivingPlan(seed=4, seconds=6.0, fps=25.0, face_width_px=48.0, liveliness=0.9)


def test_frames_repeat_and_have_the_plan_s_shape() -> None:
    stream = LivingStream(replace(PLAN, seconds=2.0))
    first, again = (list(stream.frames()) for _ in range(2))
    assert len(first) == 50
    assert first[0][1].shape == (PLAN.size[1], PLAN.size[0], 3)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))


def test_events_keep_their_distance_and_amplitude() -> None:
    stream = LivingStream(replace(PLAN, seconds=30.0, amplitude_percent=(0.3, 0.5)))
    assert len(stream.events) > 5
    assert all(0.3 <= event.strength <= 0.5 for event in stream.events)
    assert all(b.start_s - a.end_s >= 0.7 for a, b in zip(stream.events, stream.events[1:], strict=False))


def test_liveliness_is_seen() -> None:
    still, lively = (LivingStream(replace(PLAN, seconds=30.0, liveliness=level)) for level in (0.0, 1.0))
    assert len(lively.moves) > len(still.moves)
    assert not any(pulse.kind == "talking" for pulse in still.moves)


def test_a_drawn_plan_is_valid_and_repeats() -> None:
    assert draw_plan(7) == draw_plan(7)
    assert draw_plan(7) != draw_plan(8)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seconds", 1.0), ("fps", 10.0), ("face_width_px", 10.0), ("liveliness", 1.5), ("seed", -1)],
)
def test_impossible_plans_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError):
        replace(PLAN, **{name: value})
