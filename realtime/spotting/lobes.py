"""Lobes: what one movement leaves in a signal that is measured against a lagged reference.

A face that moves out and comes back gives two of them, one per way, pointing opposite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.spotting.config import SpotterConfig
from realtime.types import F64


@dataclass(frozen=True, slots=True)
class Lobe:
    """One movement in one direction."""

    start_s: float
    peak_s: float
    end_s: float
    vector: F64
    """(34,) motion at the peak: u and v of 17 regions, percent of the eye distance."""
    whitened: F64
    """(34,) the same over the noise of each region."""

    @property
    def size(self) -> float:
        return float(np.linalg.norm(self.whitened))

    def cosine(self, other: Lobe) -> float:
        return float(self.whitened @ other.whitened) / max(self.size * other.size, 1e-12)

    def returns_from(self, first: Lobe, config: SpotterConfig) -> bool:
        """Whether this lobe takes back what the first one did."""
        ratio = min(self.size, first.size) / max(self.size, first.size, 1e-12)
        return self.cosine(first) < config.opposite and ratio > config.balance


class LobeTracker:
    """`push` gives a lobe when one has just ended."""

    def __init__(self, config: SpotterConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        self._start_s: float | None = None
        self._peak: tuple[float, F64, F64] | None = None
        self._last: Lobe | None = None
        self._valley = 0.0

    @property
    def is_open(self) -> bool:
        return self._start_s is not None

    @property
    def direction(self) -> F64 | None:
        """Whitened motion at the peak of the open lobe."""
        return self._peak[2] if self._peak else None

    def push(self, time_s: float, vector: F64, sigma: F64) -> Lobe | None:
        """`vector` (34,) is the motion now, `sigma` (17,) the noise of each region."""
        whitened = vector / np.repeat(sigma, 2)
        if self._start_s is None:
            if self._opens(vector, whitened, sigma):
                self._start_s = time_s
                self._peak = (time_s, vector, whitened)
            return None
        assert self._peak is not None
        size, peak_size = np.linalg.norm(whitened), np.linalg.norm(self._peak[2])
        if size > peak_size and float(whitened @ self._peak[2]) > 0:
            self._peak = (time_s, vector, whitened)
            return None
        if size < self._config.close_ratio * peak_size or float(whitened @ self._peak[2]) < 0:
            return self._close(time_s, float(size))
        return None

    def finish(self, time_s: float) -> Lobe | None:
        """End the open lobe, if there is one, because the signal ends."""
        return self._close(time_s, 0.0) if self.is_open else None

    def _opens(self, vector: F64, whitened: F64, sigma: F64) -> bool:
        moved = np.linalg.norm(vector.reshape(-1, 2), axis=1)
        size = float(np.linalg.norm(whitened))
        self._valley = min(self._valley, size)
        strong = (moved > self._config.threshold * sigma) & (moved > self._config.min_motion)
        if not strong.any():
            return False
        if self._last is None or float(whitened @ self._last.whitened) < 0:
            return True
        # the tail of the last lobe is not a new one: it has to rise again
        return size > 1.3 * self._valley

    def _close(self, time_s: float, size: float) -> Lobe:
        assert self._start_s is not None
        assert self._peak is not None
        peak_s, vector, whitened = self._peak
        self._last = Lobe(self._start_s, peak_s, time_s, vector, whitened)
        self._start_s, self._peak, self._valley = None, None, size
        return self._last
