"""The signal that the spotter's network reads: motions of any rate on one even grid of time, scaled."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from realtime.types import F64, Motion

STEP_S = 1.0 / 60.0
"""Distance of two rows, s."""
REGION_CHANNELS = 34
CHANNELS = 38
"""u and v of the 17 regions and of the two lids, percent of the eye distance."""
INPUTS = 2 * CHANNELS + 4
"""Numbers in a row: every channel twice – by its absolute size and over its own noise –, then the motion of
the whole face, of the head, how far the eyes have closed, and the change of light."""
_SCALE = 0.1
"""Percent of the eye distance: about where motion stands out from a camera's noise."""
_NOISE_S = 1.5
_GUARD_ROWS = 36
"""The noise stays behind by this, so that no movement counts as noise while it is judged: .6 s."""
_FLOOR = 0.03
"""Least noise of a channel, percent of the eye distance."""
_USUAL_S = 3.0
"""Time constant of the eyes' usual opening, s."""


class Row(NamedTuple):
    """One row of the network's input."""

    time_s: float
    values: F64
    """(INPUTS,)"""


class Signal:
    """`push` gives the rows that a motion completes: linear interpolation between the motions around them.

    The noise of every channel is its running mean square some time ago, clipped, so that an event moves it
    little. Where frames come closer together than `STEP_S`, those of one step are averaged first.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._variance = np.full(CHANNELS, (2.0 * _FLOOR) ** 2)
        self._seen = 0
        self._usual: float | None = None
        self.interrupt()

    def interrupt(self) -> None:
        """There is a hole in the motion: nothing is drawn across it. The noise stays known."""
        self._last: tuple[float, F64] | None = None
        self._next = 0
        self._bin: list[tuple[float, F64]] = []
        self._waiting: deque[F64] = deque()

    @property
    def noise(self) -> F64:
        """(17,) standard deviation of each region's motion, the larger of u and v, percent."""
        regions = np.sqrt(np.maximum(self._variance[:REGION_CHANNELS], _FLOOR**2))
        return np.asarray(regions.reshape(-1, 2).max(axis=1))

    def push(self, motion: Motion) -> list[Row]:
        """The rows up to this motion that are not told yet; its regions are without what follows the lids."""
        if self._usual is None:
            self._usual = max(motion.aperture, 1e-3)
        state = [motion.residual, motion.rigid, motion.aperture, abs(motion.brightness_change)]
        values = np.concatenate([motion.regions.ravel(), motion.lids.ravel(), state])
        self._bin.append((motion.time_s - motion.delay_s, values.astype(np.float64)))
        if self._last is not None and self._bin[-1][0] - self._last[0] < STEP_S - 5e-4:
            return []
        time_s = sum(t for t, _ in self._bin) / len(self._bin)
        mean = np.mean([v for _, v in self._bin], axis=0)
        self._bin = []
        last, self._last = self._last, (time_s, mean)
        if last is None:
            self._next = int(np.ceil(time_s / STEP_S - 1e-6))
            return []
        return self._rows(last, (time_s, mean))

    def _rows(self, last: tuple[float, F64], now: tuple[float, F64]) -> list[Row]:
        rows = []
        while self._next * STEP_S <= now[0] + 1e-6:
            at_s = self._next * STEP_S
            share = (at_s - last[0]) / max(now[0] - last[0], 1e-9)
            rows.append(Row(at_s, self._row(last[1] + share * (now[1] - last[1]))))
            self._next += 1
        return rows

    def _row(self, values: F64) -> F64:
        channels, (residual, rigid, aperture, light) = values[:CHANNELS], values[CHANNELS:]
        assert self._usual is not None
        closing = 1.0 - aperture / self._usual
        self._usual += STEP_S / _USUAL_S * (aperture - self._usual)
        noise = np.sqrt(np.maximum(self._variance, _FLOOR**2))
        state = [np.log(residual + 0.01) + 2.0, np.log(rigid + 0.01), 5.0 * closing, 20.0 * min(light, 0.1)]
        self._waiting.append(channels)
        if len(self._waiting) > _GUARD_ROWS:
            self._learn(self._waiting.popleft())
        return np.concatenate([np.arcsinh(channels / _SCALE), np.arcsinh(channels / noise), state])

    def _learn(self, old: F64) -> None:
        self._seen += 1
        share = 1.0 - np.exp(-STEP_S / min(max(self._seen * STEP_S, 0.1), _NOISE_S))
        limit = 9.0 * np.maximum(self._variance, _FLOOR**2)
        self._variance += share * (np.minimum(old**2, limit) - self._variance)
