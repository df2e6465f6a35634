"""Stream time of each frame, also where the container's timestamps cannot be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from realtime.sources.common import DEFAULT_FPS, MAX_FPS, MIN_FPS, is_sane_fps

MAX_GAP_S = 10.0
"""A longer step from one frame to the next is taken as a fault of the container."""
_FPS_TOLERANCE = 1.5
_TICKS_PER_S = 1000.0
"""What FFmpeg gives as frame rate where a container that counts milliseconds states none."""


def measure_fps(times_s: Sequence[float]) -> float | None:
    """Frame rate that timestamps show, or None where they do not show one.

    Mean of the intervals within half of their median: robust against gaps, and finer than the
    median where stamps are rounded to milliseconds.
    """
    steps = np.diff(np.asarray(times_s, dtype=np.float64))
    steps = steps[np.isfinite(steps) & (steps > 0) & (steps <= MAX_GAP_S)]
    if steps.size == 0:
        return None
    middle = float(np.median(steps))
    usual = steps[np.abs(steps - middle) <= 0.5 * middle]
    if usual.size == 0:
        return None  # of an even number, the middle lies between two that are far apart
    fps = round(1.0 / float(np.mean(usual)), 3)
    return fps if is_sane_fps(fps) else None


def settle_fps(stated: float, times_s: Sequence[float]) -> tuple[float, str | None]:
    """Nominal frame rate from what the container states and what its first timestamps show.

    Returns the rate and, where it is not the stated one, a note that says why.
    """
    shown = measure_fps(times_s)
    if is_sane_fps(stated) and not (shown is None and stated == _TICKS_PER_S):
        if shown is None or 1 / _FPS_TOLERANCE <= shown / stated <= _FPS_TOLERANCE:
            return stated, None
        return shown, f"the container states {stated:g} frames per second, its timestamps show {shown:g}"
    claim = f"the container states {_plain(stated)} frames per second"
    if shown is None:
        return DEFAULT_FPS, f"{claim} and has no usable timestamps; {DEFAULT_FPS:g} assumed"
    return shown, f"{claim}; {shown:g} measured from its timestamps"


def _plain(fps: float) -> str:
    if not math.isfinite(fps) or fps < 0:
        return "no valid number of"
    return f"{fps:g}" if fps < MIN_FPS or fps > MAX_FPS else f"{fps:.3f}"


class StreamClock:
    """Turns a container's timestamps into strictly increasing stream time.

    A stamp is believed when it lies after the last frame and at most `MAX_GAP_S` later. A single bad
    stamp is bridged by half a frame, so that the next good one fits again; a second in a row, and any
    leap forward, starts a new count from there at the nominal frame rate.
    """

    def __init__(self, fps: float, *, nominal: bool = False) -> None:
        """`fps`: nominal frames per second. `nominal`: ignore all stamps, time = frame number / fps."""
        self._fps = fps
        self._nominal = nominal
        self.repaired = 0
        """How many stamps were replaced."""
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the same as a new clock."""
        self._last: tuple[int, float] | None = None
        self._shift_s = 0.0
        self._bad_in_a_row = 0
        self.repaired = 0

    def stamp(self, index: int, stamp_s: float) -> float:
        """Stream time in seconds of frame `index`, whose container stamp is `stamp_s` (may be NaN)."""
        if self._nominal:
            return index / self._fps
        time_s = stamp_s + self._shift_s
        if self._last is None:
            time_s = time_s if math.isfinite(time_s) and abs(time_s) <= MAX_GAP_S else index / self._fps
        elif not 0.0 < time_s - self._last[1] <= MAX_GAP_S:
            time_s = self._bridge(index, stamp_s)
        else:
            self._bad_in_a_row = 0
        self._last = (index, time_s)
        return time_s

    def _bridge(self, index: int, stamp_s: float) -> float:
        assert self._last is not None
        last_index, last_s = self._last
        self.repaired += 1
        self._bad_in_a_row += 1
        step_s = (index - last_index) / self._fps
        leap = stamp_s + self._shift_s - last_s > MAX_GAP_S
        if self._bad_in_a_row == 1 and not leap:
            return last_s + step_s - 0.5 / self._fps
        if math.isfinite(stamp_s):
            self._shift_s = last_s + step_s - stamp_s
        return last_s + step_s
