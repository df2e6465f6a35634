"""Strain and flow in eight action-unit regions of the canonical face."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from realtime.features.spec import AU_REGIONS
from realtime.geometry import REGIONS, unit_grid
from realtime.types import F32, F64, readonly


@lru_cache(maxsize=4)
def region_weights(size: int) -> F64:
    """Weight of every pixel in every action-unit region.

    Args:
        size: pixels; width and height of the face.

    Returns:
        float64 (8, size·size), read-only, >= 0; each row sums to 1.
    """
    x, y = unit_grid(size)
    patches = {
        region.name: np.exp(-((x - region.x) ** 2 + (y - region.y) ** 2) / (2.0 * region.sigma**2)).ravel()
        for region in REGIONS
    }
    weights = np.stack([np.sum([patches[name] for name in names], axis=0) for names in AU_REGIONS.values()])
    return readonly(weights / weights.sum(axis=1, keepdims=True))


def action_unit_statistics(field: F32) -> F32:
    """Six weighted statistics of each of the eight action-unit regions.

    Args:
        field: float32 (3, S, S): normalised u, v and optical strain of a square canonical face.

    Returns:
        float32 (48,): per region the mean and deviation of the strain, the mean and deviation of the flow
        magnitude, mean u counted outwards from the midline (so that both halves of a face add up), mean v.
    """
    size = field.shape[-1]
    u, v, strain = (channel.ravel().astype(np.float64) for channel in field)
    outward = u * np.sign(unit_grid(size)[0].ravel())
    magnitude = np.hypot(u, v)
    weights = region_weights(size)
    means = weights @ np.stack([strain, strain**2, magnitude, magnitude**2, outward, v], axis=1)
    means[:, 1] = np.sqrt(np.maximum(means[:, 1] - means[:, 0] ** 2, 0.0))
    means[:, 3] = np.sqrt(np.maximum(means[:, 3] - means[:, 2] ** 2, 0.0))
    return np.asarray(means.ravel(), dtype=np.float32)
