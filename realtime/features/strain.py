"""Optical strain: how much the skin is deformed, whatever way it is carried along."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y
from realtime.types import F32


def optical_strain(flow: NDArray[Any], steps: tuple[float, float] | None = None) -> F32:
    """Magnitude of the infinitesimal strain of flow fields on the canonical face.

    The strain tensor is e = (grad d + grad d^T) / 2 for the displacement d = (u, v); its magnitude is
    sqrt(exx² + eyy² + 2·exy²) (Shreve et al. 2011; Liong et al. 2014), by central differences.

    Args:
        flow: (..., 2, H, W), u and v in a common unit of the face (H, W >= 2).
        steps: distance from one pixel to the next in x and in y. By default in eye distances on the
            canonical face, so that the strain does not depend on the resolution of the map.

    Returns:
        float32 (..., H, W), >= 0; flow unit per unit of `steps`.
    """
    u, v = np.float32(1.0) * flow[..., 0, :, :], np.float32(1.0) * flow[..., 1, :, :]
    on_face = (1.0 / (EYE_DISTANCE * flow.shape[-1]), 1.0 / (FACE_UNIT_Y * flow.shape[-2]))
    step_x, step_y = (np.float32(step) for step in steps or on_face)
    u_y, u_x = np.gradient(u, step_y, step_x, axis=(-2, -1))
    v_y, v_x = np.gradient(v, step_y, step_x, axis=(-2, -1))
    shear = 0.5 * (u_y + v_x)
    strain: F32 = np.sqrt(u_x**2 + v_y**2 + 2.0 * shear**2).astype(np.float32)
    return strain
