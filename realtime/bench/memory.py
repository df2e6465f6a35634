"""Resident memory of this process, and whether it grows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_STATUS = Path("/proc/self/status")
LEAST_FRAMES = 10_000
"""A slope needs so many: before, caches and allocators are still settling."""
_PIECES = 32


def resident_mb() -> float | None:
    """Resident memory now, MB (2^20 bytes); None where this system does not tell."""
    if _STATUS.exists():
        return _status_mb("VmRSS")
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.Process().memory_info().rss / 2**20)


def peak_mb() -> float | None:
    """Largest resident memory since the process started, MB; None where this system does not tell."""
    if _STATUS.exists():
        return _status_mb("VmHWM")
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _status_mb(key: str) -> float | None:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024.0
    return None


def slope(frames: Sequence[float], resident: Sequence[float]) -> dict[str, Any] | None:
    """Growth in MB per 1000 frames, robustly (Theil 1950, Sen 1968), with its 95 % interval.

    Over the second half, because caches and allocators settle in the first, and over medians of 32 pieces,
    because neighbouring readings are alike. None where less than `LEAST_FRAMES` were measured, or memory
    is unknown. `is_zero` says whether zero lies in the interval.
    """
    from scipy.stats import theilslopes

    if not frames or frames[-1] < LEAST_FRAMES or not all(resident):
        return None
    half = len(frames) // 2
    x, y = (
        [float(np.median(piece)) for piece in np.array_split(values[half:], _PIECES) if len(piece)]
        for values in (frames, resident)
    )
    middle, _, low, high = (float(value) for value in theilslopes(y, np.asarray(x) / 1000.0))
    return {"mb_per_1000_frames": middle, "low": low, "high": high, "is_zero": low <= 0.0 <= high}
