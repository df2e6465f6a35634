"""The mesh of a plain symmetric face, from what mediapipe finds on the portrait and its mirror image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.optimize import linear_sum_assignment

from offline.synthesis.base_face import ORIGIN_PX, SIZE_PX, UNIT_PX, load_base_face
from offline.synthesis.face_shape import NEUTRAL
from realtime.types import F32, F64, readonly

_STEP_PX = 10
_CLOSED_MOUTH = replace(NEUTRAL, mouth_width=0.84, lip_thickness=1.5, mouth_opening=0.12, smile=-0.05)
"""From the portrait's smile to a mouth at rest."""


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalFace:
    """Landmarks and surface of the symmetric face."""

    landmarks: F64
    """(468, 2), read-only: face units; the mouth is shut."""
    normals: F32
    """(960, 1000, 3), read-only: unit vectors x, y, z of the head's surface, z towards the camera."""


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """Mean of the built-in portrait's mesh and its mirror image. Raises FaceModelError without mediapipe."""
    base = load_base_face()
    points = np.column_stack([base.landmarks, base.depth])
    mirrored = points * (-1.0, 1.0, 1.0)
    distance = ((points[:, None, :2] - mirrored[None, :, :2]) ** 2).sum(axis=-1)
    _, twins = linear_sum_assignment(distance)
    mean = (points + mirrored[twins]) / 2.0
    return CanonicalFace(readonly(_CLOSED_MOUTH.move(mean[:, :2])), readonly(_normals(mean)))


def _normals(points: F64) -> F32:
    """Surface normals of the head: the mesh's depth on the face, an ellipsoid around it."""
    angle = np.linspace(0.0, 2.0 * np.pi, 36, endpoint=False)
    behind = float(points[:, 2].min())
    rings = [
        np.column_stack([rx * np.cos(angle), 0.3 + ry * np.sin(angle), np.full(len(angle), behind - back)])
        for rx, ry, back in ((1.35, 1.75, 0.5), (1.9, 2.3, 1.1), (4.5, 5.5, 1.6))
    ]
    known = np.vstack([points, *rings])
    surface = RBFInterpolator(known[:, :2], known[:, 2], kernel="linear", neighbors=24, smoothing=0.02)
    columns, rows = (np.arange(0, extent, _STEP_PX) for extent in SIZE_PX)
    x, y = np.meshgrid((columns - ORIGIN_PX[0]) / UNIT_PX, (rows - ORIGIN_PX[1]) / UNIT_PX)
    height = surface(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
    height = cv2.GaussianBlur(height, (0, 0), 1.1)
    down, across = np.gradient(height, _STEP_PX / UNIT_PX)
    normals = np.dstack([-across, -down, np.ones_like(height)])
    normals = cv2.resize(normals, SIZE_PX, interpolation=cv2.INTER_CUBIC)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(normals / length, dtype=np.float32)
