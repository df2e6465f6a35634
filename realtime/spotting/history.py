"""The recent past of the motion signal, bounded in time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime.types import F64


@dataclass(frozen=True, slots=True)
class Sample:
    """The motion of one frame, smoothed."""

    index: int
    time_s: float
    lag_s: float
    delay_s: float
    """How much older the smoothed vector is than the frame: half the boxcar."""
    vector: F64
    """(34,) u and v of 17 regions, percent of the eye distance."""
    lids: float
    """Larger motion of the two lids, same unit."""
    aperture: float
    """Opening of the eyes, height over width."""
    rigid: float
    residual: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the history as arrays over n frames."""

    index: F64
    time_s: F64
    lag_s: F64
    delay_s: F64
    vectors: F64
    """(n, 34)"""
    lids: F64
    aperture: F64
    rigid: F64
    residual: F64


class History:
    """The last `keep_s` seconds of samples."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._samples: deque[Sample] = deque()

    def reset(self) -> None:
        self._samples.clear()

    def push(self, sample: Sample) -> None:
        self._samples.append(sample)
        while sample.time_s - self._samples[0].time_s > self._keep_s:
            self._samples.popleft()

    def since(self, time_s: float) -> Stretch:
        """Everything from `time_s` on, oldest first."""
        kept = []
        for sample in reversed(self._samples):
            if sample.time_s < time_s:
                break
            kept.append(sample)
        kept.reverse()
        return Stretch(
            index=np.array([s.index for s in kept], dtype=np.float64),
            time_s=np.array([s.time_s for s in kept]),
            lag_s=np.array([s.lag_s for s in kept]),
            delay_s=np.array([s.delay_s for s in kept]),
            vectors=np.array([s.vector for s in kept]).reshape(len(kept), -1),
            lids=np.array([s.lids for s in kept]),
            aperture=np.array([s.aperture for s in kept]),
            rigid=np.array([s.rigid for s in kept]),
            residual=np.array([s.residual for s in kept]),
        )
