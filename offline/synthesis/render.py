"""Pictures of a synthetic face: one backward map from high resolution to the camera's pixels.

Head pose, expression, gaze and lids are composed on coordinates, so no pixel is interpolated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from offline.synthesis.fields import Expression
from offline.synthesis.identities import Identity
from offline.synthesis.lids import close_lids, shift_gaze
from offline.synthesis.relief import face_relief
from realtime.types import F32, U8, readonly

FACE_WIDTH_UNITS = 2.2
"""Width of a face between the ears' mesh points, in eye distances."""

DESK_UNITS = 4.3
"""Below this height a desk hides the body: the portrait ends there."""

Displace = Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class FaceState:
    """What a face does at one moment."""

    x: float = 0.0
    """Position of the eyes' midpoint against rest, face units, to the image's right."""
    y: float = 0.0
    """The same downwards."""
    roll: float = 0.0
    """Radians, positive as the image shows it clockwise."""
    scale: float = 1.0
    yaw: float = 0.0
    """Sine of the rotation: points move to the right by yaw times their depth."""
    pitch: float = 0.0
    """Points move down by pitch times their depth."""
    moves: tuple[tuple[Displace, float], ...] = ()
    """Displacement field and its amplitude in face units, for each expression at work."""
    closure: float = 0.0
    """How far the lids are shut, 0..1."""
    gaze: float = 0.0
    """Shift of the irises to the image's right, face units."""
    brightness: float = 1.0


class FieldTable:
    """An expression's displacement, tabulated once for many look-ups."""

    STEP = 0.03
    LOW = (-1.8, -1.4)
    SIZE = (121, 127)

    def __init__(self, expression: Expression) -> None:
        x, y = (low + self.STEP * np.arange(size) for low, size in zip(self.LOW, self.SIZE, strict=True))
        field = np.stack(expression.displacement(*np.meshgrid(x, y)), axis=-1)
        self._field = field.astype(np.float32)

    def __call__(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[F32, F32]:
        """(dx, dy) in face units at points in face units, for amplitude 1; arrays of two axes."""
        columns = ((x - self.LOW[0]) / self.STEP).astype(np.float32)
        rows = ((y - self.LOW[1]) / self.STEP).astype(np.float32)
        found = cv2.remap(self._field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(found[..., 0], np.float32), np.asarray(found[..., 1], np.float32)


def head_weight(x: NDArray[Any], y: NDArray[Any]) -> F32:
    """How much a point follows the head: 1 on face and hair, falling smoothly to 0 around it."""
    radius = np.hypot(x / 0.95, (y - 0.3) / 1.05)
    rise = np.clip((2.8 - radius) / 1.0, 0.0, 1.0)
    return np.asarray(rise * rise * (3.0 - 2.0 * rise), dtype=np.float32)


def source_points(
    x: NDArray[Any], y: NDArray[Any], state: FaceState, relief: NDArray[Any], weight: NDArray[Any]
) -> tuple[F32, F32]:
    """Where the face at rest shows what the moved face shows at (x, y); face units, arrays of two axes.

    `relief` and `weight` are `face_relief` and `head_weight` at the points. Lids and gaze are not in it.
    """
    cos, sin = np.cos(state.roll) / state.scale, np.sin(state.roll) / state.scale
    # A head nods and tilts about the neck: far below the eyes.
    from_x, from_y = x - state.x, y - state.y
    rest_x = cos * from_x + sin * (from_y - 1.6) - state.yaw * relief
    rest_y = cos * (from_y - 1.6) - sin * from_x + 1.6 - state.pitch * relief
    source_x, source_y = rest_x, rest_y
    for displace, amplitude in state.moves:
        dx, dy = displace(rest_x, rest_y)
        source_x = source_x - amplitude * dx
        source_y = source_y - amplitude * dy
    return (x + weight * (source_x - x)).astype(np.float32), (y + weight * (source_y - y)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Identity and background in one picture, at the resolution from which frames are sampled."""

    image: U8
    """(h, w, 3) BGR, read-only."""
    unit_px: float
    origin_px: tuple[float, float]


@lru_cache(maxsize=24)
def identity_scene(identity: Identity, unit_px: float) -> Scene:
    """The whole portrait before its backdrop at `unit_px` pixels per face unit."""
    scale = unit_px / identity.unit_px
    height, width = (round(extent * scale) for extent in identity.person.shape)
    origin = (identity.origin_px[0] * scale, identity.origin_px[1] * scale)
    return compose_scene(identity, unit_px, (width, height), origin)


def compose_scene(
    identity: Identity, unit_px: float, size: tuple[int, int], origin_px: tuple[float, float]
) -> Scene:
    """The portrait before its backdrop in a picture of `size` (width, height), eyes around `origin_px`."""
    scale = unit_px / identity.unit_px
    shrink = max(0.0, 1.0 / scale - 1.0)
    shift_x = origin_px[0] - identity.origin_px[0] * scale
    shift_y = origin_px[1] - identity.origin_px[1] * scale
    matrix = np.array([[scale, 0.0, shift_x], [0.0, scale, shift_y]])
    person = np.dstack([identity.image.astype(np.float32), identity.person])
    if shrink:
        person = cv2.GaussianBlur(person, (0, 0), 0.45 * shrink + 0.1)
    layers = cv2.warpAffine(person, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    cover = np.clip(layers[..., 3:], 0.0, 1.0)
    wall = np.asarray(cv2.resize(identity.backdrop, size, interpolation=cv2.INTER_CUBIC), np.float32)
    desk = max(0, round(origin_px[1] + DESK_UNITS * unit_px))
    wall[desk:] *= 0.5
    cover[desk:] = 0.0
    image = np.clip(layers[..., :3] * cover + wall * (1.0 - cover) + 0.5, 0, 255).astype(np.uint8)
    return Scene(readonly(image), unit_px, origin_px)


class FrameRenderer:
    """Renders frames of one identity at one place of the picture."""

    OVERSAMPLING = 1.5
    REACH = (2.7, 3.3)
    """Half extent of the part of the picture that moves with the head, face units."""

    def __init__(self, identity: Identity, size: tuple[int, int], face_width_px: float) -> None:
        """`size` is (width, height) of the frames in pixels."""
        self._unit_px = face_width_px / FACE_WIDTH_UNITS
        self._origin = (size[0] / 2.0, 0.42 * size[1])
        self._lids = identity.lids
        unit = min(identity.unit_px, self.OVERSAMPLING * self._unit_px)
        factor = unit / self._unit_px
        scene_size = (round(size[0] * factor), round(size[1] * factor))
        self._scene = compose_scene(
            identity, unit, scene_size, (self._origin[0] * factor, self._origin[1] * factor)
        )
        self._step = max(1, round(0.04 * self._unit_px))
        self._lay_grid(size)
        self._rest = self._render_rest(size)

    def render(self, state: FaceState) -> U8:
        """The frame (height, width, 3) BGR uint8 of a moment, without sensor noise."""
        map_x, map_y = self._map(state)
        top, bottom, left, right = self._box
        frame = self._rest.copy()
        moved = cv2.remap(self._scene.image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        frame[top:bottom, left:right] = moved
        if state.brightness != 1.0:
            return np.asarray(cv2.convertScaleAbs(frame, alpha=state.brightness), dtype=np.uint8)
        return frame

    def _lay_grid(self, size: tuple[int, int]) -> None:
        spans = []
        for centre, reach, extent in zip(self._origin, self.REACH, size, strict=True):
            low = max(0, int(centre - reach * self._unit_px))
            high = min(extent, int(centre + reach * self._unit_px))
            spans.append((low, high))
        (left, right), (top, bottom) = spans
        self._box = (top, bottom, left, right)
        columns, rows = -(-(right - left) // self._step), -(-(bottom - top) // self._step)
        across = left + (np.arange(columns) + 0.5) * self._step - 0.5
        down = top + (np.arange(rows) + 0.5) * self._step - 0.5
        x, y = np.meshgrid(*self._to_units(across, down))
        self._grid = x.astype(np.float32), y.astype(np.float32)
        self._relief = face_relief(x, y).astype(np.float32)
        self._weight = head_weight(x, y)
        self._pixels = self._to_units(np.arange(left, right), np.arange(top, bottom))

    def _to_units(self, across: NDArray[Any], down: NDArray[Any]) -> tuple[F32, F32]:
        """Face units at rest of pixel columns and rows of the frame (pixel centres)."""
        x = (across + 0.5 - self._origin[0]) / self._unit_px
        y = (down + 0.5 - self._origin[1]) / self._unit_px
        return x.astype(np.float32), y.astype(np.float32)

    def _map(self, state: FaceState) -> tuple[F32, F32]:
        """Scene pixels for each pixel of the moving part of the frame."""
        x, y = source_points(*self._grid, state, self._relief, self._weight)
        shift = np.dstack([x - self._grid[0], y - self._grid[1]])
        height, width = shift.shape[:2]
        fine = cv2.resize(shift, (width * self._step, height * self._step), interpolation=cv2.INTER_LINEAR)
        across, down = self._pixels
        source_x = fine[: len(down), : len(across), 0] + across
        source_y = fine[: len(down), : len(across), 1] + down[:, None]
        shift_gaze(source_x, source_y, self._lids, state.gaze)
        close_lids(source_x, source_y, self._lids, state.closure)
        unit, (origin_x, origin_y) = self._scene.unit_px, self._scene.origin_px
        return source_x * unit + (origin_x - 0.5), source_y * unit + (origin_y - 0.5)

    def _render_rest(self, size: tuple[int, int]) -> U8:
        across, down = self._to_units(np.arange(size[0]), np.arange(size[1]))
        x, y = np.meshgrid(across, down)
        unit, (origin_x, origin_y) = self._scene.unit_px, self._scene.origin_px
        map_x, map_y = x * unit + (origin_x - 0.5), y * unit + (origin_y - 0.5)
        rest = cv2.remap(self._scene.image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(rest, dtype=np.uint8)
