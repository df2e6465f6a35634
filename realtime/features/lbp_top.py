"""LBP-TOP: local binary patterns on three orthogonal planes of the key frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.features.spec import LBP_BINS
from realtime.types import F32

_NEIGHBOURS = ((0, 1), (-1, 0), (0, -1), (1, 0))
"""Offsets along the (first, second) axis of a plane, once round the circle."""
PLANES = ((1, 2), (0, 2), (0, 1))
"""Axes of the (time, y, x) volume that span the XY, XT and YT plane."""


def _uniform_bins() -> NDArray[np.intp]:
    """Pattern (4 bits) → bin: number of ones if it has at most two changes round the circle, else 5."""
    bits = (np.arange(16)[:, None] >> np.arange(4)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), LBP_BINS - 1).astype(np.intp)


_BINS = _uniform_bins()


def plane_codes(volume: NDArray[Any], plane: int) -> NDArray[np.intp]:
    """Rotation-invariant uniform code (P = 4, R = 1) of every inner voxel in one plane.

    Args:
        volume: (T, H, W), time, y, x, each at least 3.
        plane: 0 = XY, 1 = XT, 2 = YT.

    Returns:
        (T − 2, H − 2, W − 2), values 0..5 (Ojala et al. 2002).
    """
    return _BINS[plane_patterns(volume, plane, _NEIGHBOURS)]


def plane_patterns(
    volume: NDArray[Any], plane: int, neighbours: Sequence[tuple[int, int]]
) -> NDArray[np.intp]:
    """Which neighbours in one plane are at least as bright as each inner voxel, one bit per neighbour.

    Args:
        volume: (T, H, W), time, y, x, each at least 3.
        plane: 0 = XY, 1 = XT, 2 = YT.
        neighbours: offsets −1..1 along the (first, second) axis of the plane, once round the circle.

    Returns:
        (T − 2, H − 2, W − 2).
    """
    inner = tuple(size - 2 for size in volume.shape)
    centre = volume[1:-1, 1:-1, 1:-1]
    pattern = np.zeros(inner, dtype=np.intp)
    for bit, offsets in enumerate(neighbours):
        start = [1, 1, 1]
        for axis, offset in zip(PLANES[plane], offsets, strict=True):
            start[axis] += offset
        window = tuple(slice(s, s + n) for s, n in zip(start, inner, strict=True))
        pattern |= (volume[window] >= centre).astype(np.intp) << bit
    return pattern


def lbp_top(volume: NDArray[Any]) -> F32:
    """LBP-TOP histograms of the key frames (Zhao & Pietikäinen 2007).

    Args:
        volume: (3, H, W) grey levels: onset, apex, offset.

    Returns:
        float32 (18,): 6 bins each of the XY, XT and YT plane; each plane's bins sum to 1.
    """
    histograms = [
        np.bincount(plane_codes(volume, plane).ravel(), minlength=LBP_BINS) for plane in range(len(PLANES))
    ]
    counts = np.stack(histograms).astype(np.float32)
    return np.asarray((counts / counts.sum(axis=1, keepdims=True)).ravel(), dtype=np.float32)
