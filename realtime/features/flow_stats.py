"""Statistics of one normalised flow field over the whole face."""

from __future__ import annotations

import numpy as np

from realtime.features.spec import DIRECTION_BINS
from realtime.types import F32


def flow_statistics(field: F32) -> F32:
    """Mean, variance and direction histogram of a flow field.

    Args:
        field: float32 (3, H, W) or (2, H, W): normalised u, v (and strain, not used).

    Returns:
        float32 (12,): mean u, mean v, variance u, variance v, then the share of the motion in each of 8
        directions (bin 0 starts at the image's right, bins turn clockwise on the image), weighted by
        magnitude; the bins sum to 1, or are all 0 where nothing moves.
    """
    u, v = field[0].ravel().astype(np.float64), field[1].ravel().astype(np.float64)
    magnitude = np.hypot(u, v)
    turn = np.arctan2(v, u) / (2.0 * np.pi) % 1.0
    bins = np.minimum((turn * DIRECTION_BINS).astype(np.intp), DIRECTION_BINS - 1)
    histogram = np.bincount(bins, weights=magnitude, minlength=DIRECTION_BINS)
    total = histogram.sum()
    shares = histogram / total if total > 0 else histogram
    moments = [u.mean(), v.mean(), u.var(), v.var()]
    return np.asarray(np.concatenate((moments, shares)), dtype=np.float32)
