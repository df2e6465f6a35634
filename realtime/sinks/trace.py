"""Motion over a whole stream, in bounded memory."""

from __future__ import annotations

import math
from array import array

import numpy as np

from realtime.types import F64, FrameRow, readonly

MAX_POINTS = 32_768
"""A trace holds at most this many points: enough for 160 s at 200 fps without any merging."""


class Trace:
    """Largest region motion and head motion per frame, in percent of the eye distance.

    When the trace is full, neighbouring points are merged to their larger values, so that a peak is
    never lost; a point of NaN stands for frames without evidence.
    """

    def __init__(self) -> None:
        self._time_s, self._motion, self._rigid = array("d"), array("d"), array("d")
        self._per_point = 1
        self._pending: list[tuple[float, float, float]] = []

    def push(self, row: FrameRow) -> None:
        """Take a frame; one without a time is left out."""
        if row.time_s is None:
            return
        motion = rigid = math.nan
        if row.motion is not None and row.skipped is None:
            motion = float(np.linalg.norm(row.motion.regions.astype(np.float64), axis=1).max())
            rigid = float(row.motion.rigid)
        self._pending.append((row.time_s, motion, rigid))
        if len(self._pending) == self._per_point:
            self._settle()
        if len(self._time_s) >= MAX_POINTS:
            self._halve()

    @property
    def time_s(self) -> F64:
        """Stream time of each point, s, shape (n,)."""
        return self._column(self._time_s, 0)

    @property
    def motion(self) -> F64:
        """Largest motion of a region, percent of the eye distance, shape (n,); NaN without evidence."""
        return self._column(self._motion, 1)

    @property
    def rigid(self) -> F64:
        """Motion removed as the head's own, percent of the eye distance, shape (n,), NaN likewise."""
        return self._column(self._rigid, 2)

    def _column(self, settled: array[float], index: int) -> F64:
        values = [*settled, *([_merge(self._pending)[index]] if self._pending else [])]
        return readonly(np.array(values, dtype=np.float64))

    def _settle(self) -> None:
        time_s, motion, rigid = _merge(self._pending)
        self._time_s.append(time_s)
        self._motion.append(motion)
        self._rigid.append(rigid)
        self._pending.clear()

    def _halve(self) -> None:
        self._time_s = self._time_s[::2]
        for name in ("_motion", "_rigid"):
            column = np.array(getattr(self, name), dtype=np.float64)
            setattr(self, name, array("d", np.fmax(column[::2], column[1::2]).tolist()))
        self._per_point *= 2


def _merge(points: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    columns = np.array(points, dtype=np.float64)
    return float(columns[0, 0]), float(np.fmax.reduce(columns[:, 1])), float(np.fmax.reduce(columns[:, 2]))
