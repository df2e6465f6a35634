"""Blinks are taken out of the regions beside the lids; what is no blink stays."""

from __future__ import annotations

import numpy as np

from realtime.spotting.lids import LidLeak
from realtime.types import Motion, readonly

FPS = 30.0
SHARES = np.linspace(-0.4, 0.4, 17)
"""How much of the lids' motion each region shows."""


def motion(time_s: float, lid: float, closed: bool, own: float = 0.0) -> Motion:
    regions = np.zeros((17, 2), np.float32)
    regions[:, 1] = SHARES * lid
    regions[9, 1] += own
    return Motion(
        index=round(time_s * FPS),
        time_s=time_s,
        lag_s=0.133,
        regions=readonly(regions),
        lids=readonly(np.array([[0.0, lid], [0.0, lid]], np.float32)),
        rigid=0.1,
        residual=0.1,
        brightness=120.0,
        brightness_change=0.0,
        aperture=0.24 if closed else 0.3,
    )


def blinking(seconds: float, own_at_s: float = -1.0) -> list[Motion]:
    """A blink of .3 s every two seconds; a movement of its own at one time."""
    signal = []
    for index in range(int(seconds * FPS)):
        time_s = index / FPS
        phase = (time_s % 2.0) - 1.0
        lid = 2.0 * float(np.sin(2.0 * np.pi * phase / 0.3)) if 0.0 <= phase < 0.3 else 0.0
        own = 0.8 if abs(time_s - own_at_s) < 0.05 else 0.0
        signal.append(motion(time_s, lid, 0.0 <= phase < 0.15, own))
    return signal


def left(leak: LidLeak, signal: list[Motion], from_s: float) -> float:
    """RMS of what is left of the regions from a time on."""
    cleaned = [(m.time_s, leak.push(m)) for m in signal]
    return float(np.sqrt(np.mean([c**2 for t, c in cleaned if t >= from_s])))


def test_blinks_are_taken_out_once_one_was_seen() -> None:
    signal = blinking(8.0)
    raw = float(np.sqrt(np.mean([m.regions**2 for m in signal if m.time_s >= 2.7])))
    assert left(LidLeak(), signal, 2.7) < 0.25 * raw
    first = [m for m in signal if m.time_s < 1.6]
    assert left(LidLeak(), first, 1.0) > 0.1, "nothing is known of the first one"


def test_a_movement_in_a_blink_stays() -> None:
    leak = LidLeak()
    cleaned = {m.time_s: leak.push(m) for m in blinking(8.0, own_at_s=5.1)}
    at = min(cleaned, key=lambda t: abs(t - 5.1))
    assert abs(float(cleaned[at][9, 1]) - 0.8) < 0.1


def test_open_eyes_teach_nothing() -> None:
    leak = LidLeak()
    for time_s in np.arange(0.0, 6.0, 1.0 / FPS).tolist():
        last = motion(time_s, 2.0 * float(np.sin(9.0 * time_s)), closed=False)
        assert np.array_equal(leak.push(last), last.regions)


def test_the_input_is_not_changed_and_reset_equals_new() -> None:
    signal = blinking(5.0)
    kept = [m.regions.copy() for m in signal]
    leak = LidLeak()
    first = [leak.push(m) for m in signal]
    leak.reset()
    again = [leak.push(m) for m in signal]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(m.regions, k) for m, k in zip(signal, kept, strict=True))
