"""THE normalisation of a flow map: training maps, ready maps and the live route all come through here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.features.strain import optical_strain
from realtime.types import F32

_STILL = 1e-4
"""A map whose RMS is below this (percent of the eye distance) is rounding noise: it becomes zeros."""
_MOST = 1e9
"""Beyond what any flow can be, and still far from where squares overflow."""


def normalise_flow(flow: NDArray[Any]) -> F32:
    """Flow fields → what every feature sees: (u, v, optical strain), free of drift and of amplitude.

    The medians of u and of v are removed (the head's translation), u and v are divided by their joint
    RMS, the strain by its own RMS. A constant map gives zeros; so does a map with a NaN, which stands
    for "not known", or with a number that cannot be motion.

    Args:
        flow: (..., 2, H, W), u and v in any common unit.

    Returns:
        float32 (..., 3, H, W), finite.
    """
    flow = np.asarray(flow, dtype=np.float32)
    known = (np.abs(flow) < _MOST).all(axis=(-3, -2, -1))  # a NaN is not
    flow = np.where(known[..., None, None, None], flow, np.float32(0.0))
    moved = flow - np.median(flow, axis=(-2, -1), keepdims=True)
    out = np.empty((*flow.shape[:-3], 3, *flow.shape[-2:]), dtype=np.float32)
    out[..., :2, :, :] = _unit_rms(moved, (-3, -2, -1))
    out[..., 2, :, :] = _unit_rms(optical_strain(moved), (-2, -1))
    return out


def _unit_rms(values: F32, axes: tuple[int, ...]) -> F32:
    rms = np.sqrt(np.mean(np.square(values), axis=axes, keepdims=True, dtype=np.float64))
    scaled = values / np.where(rms > _STILL, rms, np.inf)
    result: F32 = scaled.astype(np.float32)
    return result
