"""Blinks: what the lids' motion carries into brows and cheeks, learned from this face's own blinks.

The optical flow smears the lids' large motion over what lies beside them, and the skin there is drawn
along. Both follow the lids in proportion, by shares of each face's own: a least-squares regression of the
regions on the lids, over the blinks seen so far, takes most of it out.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from realtime.types import F32, F64, Motion, readonly

_CLOSED = 0.08
"""Eyes that are shut by more than this share of their usual opening blink; the mesh's own jitter is .02."""
_USUAL_S = 3.0
_MESH_S = 0.06
"""How late the mesh may see it, s."""
_GUARD_S = 0.6
"""What is learned stays behind by this, s, so that no movement teaches how to take itself out."""
_MEMORY_S = 3.0
"""Of time spent blinking: eight blinks or so."""
_RIDGE = 0.02
"""Percent² of the eye distance × s; a blink has about .2."""


class LidLeak:
    """`push(motion)` gives the regions' motion without what follows the lids."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._usual: float | None = None
        self._lids = np.zeros((4, 4))
        self._both = np.zeros((4, 34))
        self._shares = np.zeros((4, 34))
        self.interrupt()

    def interrupt(self) -> None:
        """Forget what waits to be learned: there is a hole in the signal."""
        self._waiting: deque[tuple[float, F64, F64]] = deque()
        self._closed: deque[float] = deque()
        self._last_s: float | None = None

    def push(self, motion: Motion) -> F32:
        """(17, 2) motion of the regions, percent of the eye distance; learns from what is old enough."""
        regions, lids = (part.astype(np.float64).ravel() for part in (motion.regions, motion.lids))
        step_s = 0.0 if self._last_s is None else motion.time_s - self._last_s
        self._last_s = motion.time_s
        if self._usual is None:
            self._usual = motion.aperture
        self._usual += min(step_s / _USUAL_S, 1.0) * (motion.aperture - self._usual)
        if motion.aperture < (1.0 - _CLOSED) * self._usual:
            self._closed.append(motion.time_s)
        self._waiting.append((motion.time_s, regions, lids))
        self._learn(motion.time_s, motion.lag_s, step_s)
        return readonly((regions - lids @ self._shares).reshape(-1, 2).astype(np.float32))

    def _learn(self, now_s: float, lag_s: float, step_s: float) -> None:
        changed = False
        while self._waiting[0][0] <= now_s - _GUARD_S:
            at_s, regions, lids = self._waiting.popleft()
            while self._closed and self._closed[0] < at_s - lag_s - _MESH_S:
                self._closed.popleft()
            if not self._closed or self._closed[0] > at_s + _MESH_S:
                continue
            share = min(step_s, 0.1)
            kept = np.exp(-share / _MEMORY_S)
            self._lids = kept * self._lids + share * np.outer(lids, lids)
            self._both = kept * self._both + share * np.outer(lids, regions)
            changed = True
        if changed:
            self._shares = np.linalg.solve(self._lids + _RIDGE * np.eye(4), self._both)
