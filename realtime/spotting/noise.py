"""How much each region moves when nothing happens."""

from __future__ import annotations

import math

import numpy as np

from realtime.types import F64

_MEDIAN_TO_SIGMA = 1.2
_PAUSE_SIGMA = 8.75
_FAST_S = 0.3


class RegionNoise:
    """Running median of each region's motion, followed by its sign alone.

    A median that moves by a fixed ratio per second cannot be dragged up by an expression, which is
    large but short; it is paused altogether where a region moves by more than 8.75 times its noise.
    """

    def __init__(self, regions: int, time_constant_s: float, floor: float) -> None:
        self._regions = regions
        self._time_constant_s = time_constant_s
        self._floor = floor
        self.reset()

    def reset(self) -> None:
        self._median: F64 | None = None
        self._seen_s = 0.0

    @property
    def seen_s(self) -> float:
        """How long the noise has been watched, s."""
        return self._seen_s

    @property
    def sigma(self) -> F64:
        """(regions,) standard deviation of the motion, never below the floor."""
        if self._median is None:
            return np.full(self._regions, self._floor)
        return np.maximum(_MEDIAN_TO_SIGMA * self._median, self._floor)

    def push(self, magnitude: F64, step_s: float) -> None:
        """Take in the motion of every region, (regions,), `step_s` after the last one."""
        if self._median is None:
            self._median = np.maximum(magnitude, self._floor / _MEDIAN_TO_SIGMA)
            return
        fast = self._seen_s < _FAST_S
        self._seen_s += step_s
        ratio = math.exp(min(step_s / (_FAST_S / 3 if fast else self._time_constant_s), 1.0))
        moved = np.where(magnitude > self._median, self._median * ratio, self._median / ratio)
        paused = (magnitude > _PAUSE_SIGMA * self.sigma) & (not fast)
        self._median = np.where(paused, self._median, np.maximum(moved, self._floor / _MEDIAN_TO_SIGMA))
