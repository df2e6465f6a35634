"""Seeded changes of a face's geometry: landmark groups move, the skin between follows smoothly.

The warp is a thin-plate spline through the moved landmarks (Bookstein, "Principal warps", 1989).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from realtime.types import F32, F64
from realtime.view.contours import BROWS, INNER_LIPS, LOWER_LIDS, OUTER_LIPS, OVAL, UPPER_LIDS

_GROUPS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "oval": OVAL,
        "eye_left": (*UPPER_LIDS["left"], *LOWER_LIDS["left"][1:-1]),
        "eye_right": (*UPPER_LIDS["right"], *LOWER_LIDS["right"][1:-1]),
        "brow_left": BROWS["left"],
        "brow_right": BROWS["right"],
        "nose": (1, 2, 4, 5, 6, 168, 98, 327, 64, 294),
        "lips_outer": OUTER_LIPS,
        "lips_inner": INNER_LIPS,
    }
)

_CONTROL = tuple(dict.fromkeys(index for group in _GROUPS.values() for index in group))
_RING_RADIUS = 2.45
_GRID_STEP_PX = 16


@dataclass(frozen=True, slots=True)
class FaceShape:
    """How one face differs from the portrait; lengths in face units, ratios near 1."""

    mirrored: bool
    jaw_width: float
    chin_length: float
    cheek_width: float
    forehead_height: float
    eye_spacing: float
    eye_size: float
    eye_tilt: float
    brow_height: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    mouth_width: float
    mouth_height: float
    lip_thickness: float
    mouth_opening: float
    smile: float

    def move(self, points: F64) -> F64:
        """Move the portrait's landmarks (468, 2) to this face; only the control points are meaningful."""
        moved = points.copy()
        self._move_outline(moved)
        self._move_eyes(moved)
        self._move_nose(moved)
        self._move_mouth(moved)
        return moved

    def _move_outline(self, points: F64) -> None:
        oval = list(OVAL)
        x, y = points[oval, 0], points[oval, 1]
        low = np.clip((y - 0.3) / 1.0, 0.0, 1.0)
        points[oval, 0] = x * (self.cheek_width + (self.jaw_width - 1.0) * low)
        points[oval, 1] = y + self.chin_length * low**2 + self.forehead_height * np.clip(-y / 0.7, 0.0, 1.0)

    def _move_eyes(self, points: F64) -> None:
        for side, sign in (("left", 1.0), ("right", -1.0)):
            eye, brow = list(_GROUPS[f"eye_{side}"]), list(_GROUPS[f"brow_{side}"])
            centre = points[eye].mean(axis=0)
            points[eye] = centre + _turn((points[eye] - centre) * self.eye_size, -sign * self.eye_tilt)
            points[eye, 0] += sign * self.eye_spacing
            middle = points[brow].mean(axis=0)
            points[brow] = middle + _turn(points[brow] - middle, -sign * self.brow_tilt)
            points[brow] += (sign * self.eye_spacing, -self.brow_height)

    def _move_nose(self, points: F64) -> None:
        nose = list(_GROUPS["nose"])
        share = np.clip(points[nose, 1] / 0.7, 0.0, 1.0)
        points[nose, 0] *= 1.0 + (self.nose_width - 1.0) * share
        points[nose, 1] += self.nose_length * share

    def _move_mouth(self, points: F64) -> None:
        outer, inner = list(_GROUPS["lips_outer"]), list(_GROUPS["lips_inner"])
        middle = points[inner].mean(axis=0)
        gap = points[inner, 1] - middle[1]
        corners = points[[61, 291], 0]
        half = float(corners.max() - corners.min()) / 2.0
        for group in (outer, inner):
            across = (points[group, 0] - middle[0]) / half
            lifted = self.smile * (across**2 - 0.4)
            closed = (
                gap * (self.mouth_opening - 1.0) if group is inner else self._lip_shift(points, outer, middle)
            )
            points[group, 1] += closed - lifted + self.mouth_height
            points[group, 0] = middle[0] + (points[group, 0] - middle[0]) * self.mouth_width

    def _lip_shift(self, points: F64, outer: list[int], middle: F64) -> F64:
        """Vertical shift of the outer lip line: it follows the inner one and sets the lips' thickness."""
        height = points[outer, 1] - middle[1]
        reach = np.clip(height / 0.2, -1.0, 1.0)
        return np.asarray(
            0.1 * reach * (self.mouth_opening - 1.0) + 0.12 * reach * (self.lip_thickness - 1.0)
        )


NEUTRAL = FaceShape(
    mirrored=False,
    jaw_width=1.0,
    chin_length=0.0,
    cheek_width=1.0,
    forehead_height=0.0,
    eye_spacing=0.0,
    eye_size=1.0,
    eye_tilt=0.0,
    brow_height=0.0,
    brow_tilt=0.0,
    nose_width=1.0,
    nose_length=0.0,
    mouth_width=1.0,
    mouth_height=0.0,
    lip_thickness=1.0,
    mouth_opening=1.0,
    smile=0.0,
)
"""The shape that changes nothing."""


def draw_shape(rng: np.random.Generator) -> FaceShape:
    """Draw the shape of a plausible face."""
    uniform = rng.uniform
    return FaceShape(
        mirrored=bool(rng.random() < 0.5),
        jaw_width=uniform(0.86, 1.16),
        chin_length=uniform(-0.12, 0.16),
        cheek_width=uniform(0.94, 1.10),
        forehead_height=uniform(-0.12, 0.06),
        eye_spacing=uniform(-0.045, 0.045),
        eye_size=uniform(0.86, 1.18),
        eye_tilt=uniform(-0.12, 0.12),
        brow_height=uniform(-0.03, 0.08),
        brow_tilt=uniform(-0.12, 0.12),
        nose_width=uniform(0.82, 1.30),
        nose_length=uniform(-0.07, 0.08),
        mouth_width=uniform(0.76, 1.0),
        mouth_height=uniform(-0.03, 0.08),
        lip_thickness=uniform(0.8, 1.5),
        mouth_opening=uniform(0.15, 0.8),
        smile=uniform(-0.16, 0.0),
    )


@dataclass(frozen=True, slots=True, eq=False)
class ShapeWarp:
    """A drawn shape, ready to be sampled from the portrait."""

    map_x: F32
    """(h, w): pixel of the portrait for each pixel of the new face."""
    map_y: F32
    landmarks: F64
    """(468, 2): face units of the new face, exact at the control points only."""


def warp_shape(
    shape: FaceShape, landmarks: F64, size: tuple[int, int], origin: F64, unit_px: float
) -> ShapeWarp:
    """The backward map from a new face to the portrait it is made of.

    `landmarks` (468, 2) are the portrait's in face units; `size` (width, height), `origin` (x, y) and
    `unit_px` describe both pictures. The new face's eyes are level and one unit apart again.
    """
    control = list(_CONTROL)
    moved, turn = _normalise(shape.move(landmarks))
    ring = _ring()
    spline = RBFInterpolator(
        np.vstack([moved[control], ring @ turn[:, :2].T + turn[:, 2]]),
        np.vstack([landmarks[control], ring]),
        kernel="thin_plate_spline",
        smoothing=1e-4,
    )
    width, height = size
    columns, rows = (
        np.arange(0, extent + _GRID_STEP_PX, _GRID_STEP_PX, dtype=np.float64) for extent in (width, height)
    )
    grid = (np.stack(np.meshgrid(columns, rows), axis=-1) - origin) / unit_px
    source = spline(grid.reshape(-1, 2)).reshape(grid.shape) * unit_px + origin
    return _enlarge(source, size, shape.mirrored, float(origin[0]), moved)


def _enlarge(source: F64, size: tuple[int, int], mirrored: bool, middle: float, moved: F64) -> ShapeWarp:
    width, height = size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    if mirrored:
        x = 2.0 * middle - x
        moved = moved * (-1.0, 1.0)
    near_x, near_y = (x / _GRID_STEP_PX).astype(np.float32), (y / _GRID_STEP_PX).astype(np.float32)
    map_x, map_y = (
        cv2.remap(part.astype(np.float32), near_x, near_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for part in (source[..., 0], source[..., 1])
    )
    return ShapeWarp(np.asarray(map_x, np.float32), np.asarray(map_y, np.float32), moved)


def _normalise(points: F64) -> tuple[F64, F64]:
    """Level the eyes and set them one unit apart; returns the points and the similarity (2, 3)."""
    left, right = (
        points[[UPPER_LIDS[side][0], UPPER_LIDS[side][-1]]].mean(axis=0) for side in ("left", "right")
    )
    along = (left - right) / np.hypot(*(left - right)) ** 2
    linear = np.array([[along[0], along[1]], [-along[1], along[0]]])
    similarity = np.column_stack([linear, -linear @ ((left + right) / 2.0)])
    return points @ similarity[:, :2].T + similarity[:, 2], similarity


def _ring() -> F64:
    """Fixed points around the head and in the corners of the picture."""
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    near = np.column_stack([np.cos(angle), np.sin(angle)]) * _RING_RADIUS + (0.0, 0.3)
    return np.vstack([near, near * 2.2])


def _turn(points: F64, angle: float) -> F64:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))
