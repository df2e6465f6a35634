"""Key frames of synthetic micro-expressions as a camera and an aligner would deliver them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from offline.synthesis.fields import Expression
from offline.synthesis.identities import Identity
from offline.synthesis.lids import close_lids, shift_gaze
from offline.synthesis.relief import face_relief
from offline.synthesis.render import (
    FACE_WIDTH_UNITS,
    Displace,
    FaceState,
    Scene,
    identity_scene,
    source_points,
)
from realtime.geometry import EYE_DISTANCE, EYE_ROW, FACE_UNIT_Y
from realtime.types import F32, F64, U8

SCENE_UNITS_PX = (120.0, 84.0, 56.0)
"""Resolutions at which a portrait is kept; a sample takes the coarsest that is fine enough."""
ALIGNMENT_JITTER_PX = 0.05
"""How far the alignment of one frame is off, native pixels."""
_GRID_STEP = 0.04
_LOW, _HIGH = (-1.0, -0.64), (1.0, 1.98)
"""The part of the face that is rendered, face units; the canonical face and a border."""


@dataclass(frozen=True, slots=True)
class _Camera:
    """How the three frames of a sample are taken."""

    unit_px: float
    noise: float
    blur: float
    drift: float
    """Relative change of the light from one key frame to the next."""


def render_key_frames(
    rng: np.random.Generator,
    identity: Identity,
    expression: Expression,
    size: int = 128,
    face_width_px: tuple[float, float] = (70.0, 250.0),
    amplitude_percent: tuple[float, float] = (0.4, 1.5),
) -> U8:
    """Onset, apex and offset of an expression on the canonical face: uint8 (3, size, size, 3), RGB.

    The face is rendered at a native width drawn from `face_width_px`, with an amplitude drawn from
    `amplitude_percent` of it, small head motion between the frames, blinks, gaze, noise, blur and
    drifting light, and then cut out as `realtime.geometry` defines, with ±3 % of misalignment.
    """
    camera = _draw_camera(rng, face_width_px)
    states = _draw_states(rng, _tabulate(expression, camera.unit_px), camera, amplitude_percent)
    to_canonical = _draw_alignment(rng, camera.unit_px, size)
    scene = _scene(identity, camera.unit_px)
    frames = []
    pictures = [_render(scene, identity.lids, state, camera.unit_px) for state in states]
    noise = _draw_noise(rng, pictures[0].shape, camera.noise)
    for picture, grain, state in zip(pictures, noise, states, strict=True):
        native = _expose(picture, grain, camera, state.brightness)
        jitter = to_canonical.copy()
        jitter[:, 2] += to_canonical[:, :2] @ rng.normal(0.0, ALIGNMENT_JITTER_PX, 2)
        frames.append(_align(native, jitter, size))
    return np.stack(frames)


def _draw_camera(rng: np.random.Generator, face_width_px: tuple[float, float]) -> _Camera:
    return _Camera(
        unit_px=float(rng.uniform(*face_width_px)) / FACE_WIDTH_UNITS,
        noise=float(rng.uniform(0.4, 3.0)),
        blur=float(rng.uniform(0.0, 0.9)),
        drift=float(rng.normal(0.0, 0.01)),
    )


def _draw_states(
    rng: np.random.Generator, field: Displace, camera: _Camera, amplitude_percent: tuple[float, float]
) -> list[FaceState]:
    """The face at onset, apex and offset."""
    amplitude = float(rng.uniform(*amplitude_percent)) / 100.0 * FACE_WIDTH_UNITS
    levels = (0.0, 1.0, float(rng.uniform(-0.05, 0.2)))
    closures = _draw_closures(rng)
    gaze = np.cumsum(rng.normal(0.0, 0.012, 3) * (rng.random(3) < 0.2))
    light = float(rng.uniform(0.75, 1.12))
    pixel = 0.2 / camera.unit_px
    pose = rng.normal(0.0, 0.02, 2)
    return [
        FaceState(
            x=float(rng.normal(0.0, pixel)),
            y=float(rng.normal(0.0, pixel)),
            roll=float(rng.normal(0.0, 0.7 * pixel)),
            scale=1.0 + float(rng.normal(0.0, 0.5 * pixel)),
            yaw=float(pose[0] + rng.normal(0.0, pixel)),
            pitch=float(pose[1] + rng.normal(0.0, pixel)),
            moves=((field, amplitude * level),),
            closure=closure,
            gaze=float(look),
            brightness=light * (1.0 + index * camera.drift),
        )
        for index, (level, closure, look) in enumerate(zip(levels, closures, gaze, strict=True))
    ]


def _draw_closures(rng: np.random.Generator) -> tuple[float, ...]:
    """Closure of the lids in the three frames: at rest mostly, a blink in a quarter of the samples."""
    rest = rng.uniform(0.0, 0.08)
    closures = np.full(3, rest) + rng.uniform(0.0, 0.03, 3)
    if rng.random() < 0.25:
        closures[int(rng.integers(3))] = rng.uniform(0.15, 1.0)
    return tuple(closures.tolist())


def _draw_alignment(rng: np.random.Generator, unit_px: float, size: int) -> F64:
    """(2, 3): native pixels → pixels of the canonical crop, off by up to about 3 %."""
    stretch = 1.0 + rng.uniform(-0.03, 0.03, 2)
    shift = rng.uniform(-0.02, 0.02, 2)
    scale = np.array([EYE_DISTANCE, FACE_UNIT_Y]) * stretch
    origin = np.array([0.5, EYE_ROW]) + shift * scale
    # A native pixel's index i lies at face unit low + (i + .5) / unit_px; the crop's at (j + .5) / size.
    linear = scale / unit_px * size
    offset = (origin + scale * (np.array(_LOW) + 0.5 / unit_px)) * size - 0.5
    return np.column_stack([np.diag(linear), offset])


def _scene(identity: Identity, unit_px: float) -> Scene:
    enough = [unit for unit in SCENE_UNITS_PX if unit >= 1.3 * unit_px]
    return identity_scene(identity, enough[-1] if enough else SCENE_UNITS_PX[0])


def _native_size(unit_px: float) -> tuple[int, int]:
    width, height = (round((high - low) * unit_px) for low, high in zip(_LOW, _HIGH, strict=True))
    return width, height


def _lay_grid(unit_px: float) -> tuple[F64, F64, int]:
    """Coarse grid over the native picture: x, y in face units and the step in pixels."""
    width, height = _native_size(unit_px)
    step = max(1, round(_GRID_STEP * unit_px))
    across = _LOW[0] + (np.arange(-(-width // step)) + 0.5) * step / unit_px
    down = _LOW[1] + (np.arange(-(-height // step)) + 0.5) * step / unit_px
    x, y = np.meshgrid(across, down)
    return x, y, step


def _tabulate(expression: Expression, unit_px: float) -> Displace:
    """The expression on the grid, once for the three frames: they differ by far less than its bumps."""
    x, y, _ = _lay_grid(unit_px)
    field = expression.displacement(x, y)
    return lambda _x, _y: field


def _render(scene: Scene, lids: F64, state: FaceState, unit_px: float) -> F32:
    """The native picture of the face without noise: float32 (h, w, 3) BGR."""
    width, height = _native_size(unit_px)
    grid_x, grid_y, step = _lay_grid(unit_px)
    rows, columns = grid_x.shape
    moved = source_points(grid_x, grid_y, state, face_relief(grid_x, grid_y), np.ones_like(grid_x))
    shift = np.dstack([moved[0] - grid_x, moved[1] - grid_y]).astype(np.float32)
    fine = cv2.resize(shift, (columns * step, rows * step), interpolation=cv2.INTER_LINEAR)
    x = (fine[:height, :width, 0] + (_LOW[0] + (np.arange(width) + 0.5) / unit_px)).astype(np.float32)
    y = (fine[:height, :width, 1] + (_LOW[1] + (np.arange(height) + 0.5) / unit_px)[:, None]).astype(
        np.float32
    )
    shift_gaze(x, y, lids, state.gaze)
    close_lids(x, y, lids, state.closure)
    map_x, map_y = (
        x * scene.unit_px + (scene.origin_px[0] - 0.5),
        y * scene.unit_px + (scene.origin_px[1] - 0.5),
    )
    sampled = cv2.remap(scene.image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.float32)


def _draw_noise(rng: np.random.Generator, shape: tuple[int, ...], noise: float) -> list[F32]:
    """The grain of three frames: windows of one plane, which is quicker to draw than three."""
    height, width, channels = shape
    plane = rng.standard_normal((height + 24, width + 24, channels), dtype=np.float32) * noise
    return [plane[at : at + height, 24 - at : 24 - at + width] for at in (0, 12, 24)]


def _expose(picture: F32, grain: F32, camera: _Camera, brightness: float) -> U8:
    if camera.blur > 0.25:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), camera.blur), dtype=np.float32)
    return np.clip(picture * brightness + (grain + 0.5), 0, 255).astype(np.uint8)


def _align(native: U8, to_canonical: F64, size: int) -> U8:
    crop = cv2.warpAffine(
        native, to_canonical, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(np.asarray(crop, dtype=np.uint8)[:, :, ::-1])
