"""From landmarks to the canonical face: a similarity over all landmarks, steadied in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.errors import ConfigError
from realtime.faces.landmarks import eye_aperture, eye_centres, head_pose
from realtime.geometry import UNIT_TO_CANONICAL, unit_grid
from realtime.types import F32, F64, U8, AlignedFace, Face, Frame, HeadPose, readonly

RELIEF_SIZE = 16
_RELIEF_SIGMA = 0.12
"""How far a landmark counts in the relief, face units."""
_FAR = 1e-9
"""What every landmark counts everywhere: the mean depth is beyond all of them."""


@dataclass(frozen=True, slots=True)
class AlignmentConfig:
    """Settings of the alignment."""

    smoothing_s: float = 0.15
    """Time constant of the transform's smoothing, s."""
    catch_up: float = 0.04
    """A head that is this far (in eye distances, or in radians) from the smoothed pose halves the
    time constant, so that a fast head does not leave its transform behind."""
    shape_s: float = 3.0
    """Time constant of the person's own mean shape, s."""
    margin: float = 0.25
    """What is kept around the canonical square, as a share of its size: room for the reference."""
    max_crop_px: int = 320
    """Crops with a longer side are reduced by a whole factor, pixels."""

    def __post_init__(self) -> None:
        for name in ("smoothing_s", "catch_up", "shape_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"alignment.{name} must be above 0, not {getattr(self, name)}")
        if not 0.0 <= self.margin <= 2.0:
            raise ConfigError(f"alignment.margin must lie in 0..2, not {self.margin}")
        if not 64 <= self.max_crop_px <= 1024:
            raise ConfigError(f"alignment.max_crop_px must lie in 64..1024, not {self.max_crop_px}")


@dataclass(slots=True)
class _Pose:
    """Similarity from face units to frame pixels, in parameters that can be averaged."""

    x: float
    y: float
    angle: float
    log_scale: float

    def matrix(self) -> F64:
        scale = math.exp(self.log_scale)
        c, s = scale * math.cos(self.angle), scale * math.sin(self.angle)
        return np.array([[c, -s, self.x], [s, c, self.y]])

    def distance(self, other: _Pose) -> float:
        """The largest of the differences, in eye distances and radians."""
        shift = math.hypot(self.x - other.x, self.y - other.y) / math.exp(self.log_scale)
        return max(shift, abs(_wrap(self.angle - other.angle)), abs(self.log_scale - other.log_scale))

    def towards(self, other: _Pose, share: float) -> _Pose:
        return _Pose(
            self.x + share * (other.x - self.x),
            self.y + share * (other.y - self.y),
            self.angle + share * _wrap(other.angle - self.angle),
            self.log_scale + share * (other.log_scale - self.log_scale),
        )


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def _fit_pose(shape: F64, points_px: F64) -> _Pose:
    """Least-squares similarity shape → points (Umeyama 1991, in complex numbers)."""
    a = shape[:, 0] + 1j * shape[:, 1]
    b = points_px[:, 0] + 1j * points_px[:, 1]
    a0, b0 = a.mean(), b.mean()
    factor = np.vdot(a - a0, b - b0) / max(float(np.vdot(a - a0, a - a0).real), 1e-12)
    origin = b0 - factor * a0
    scale = max(abs(factor), 1e-6)
    return _Pose(float(origin.real), float(origin.imag), float(np.angle(factor)), math.log(scale))


def _in_face_units(points: F64) -> F64:
    """Points in any similarity frame → face units given by their own eye centres."""
    left, right = eye_centres(points)
    axis = complex(left[0] - right[0], left[1] - right[1])
    centre = (left + right) / 2.0
    z = ((points[:, 0] - centre[0]) + 1j * (points[:, 1] - centre[1])) / (axis or 1.0)
    return np.stack([z.real, z.imag], axis=1)


class FaceAligner:
    """`push(frame, face)` gives the face cut out and the transform to the canonical face.

    The person's own mean shape (in face units) is learned as the stream goes on; each measurement
    is fitted to it with all 468 landmarks, because a similarity from the eye corners alone jitters
    twice as much.
    """

    def __init__(self, config: AlignmentConfig | None = None) -> None:
        self.config = config or AlignmentConfig()
        self.reset()

    def reset(self) -> None:
        self._shape: F64 | None = None
        self._pose: _Pose | None = None
        self._head: HeadPose | None = None
        self._aperture = 0.0
        self._relief: F32 = readonly(np.zeros((RELIEF_SIZE, RELIEF_SIZE), np.float32))
        self._relief_s = -math.inf
        self._updated_s = 0.0

    def push(self, frame: Frame, face: Face) -> AlignedFace:
        if face.measured or self._pose is None:
            self._update(frame.time_s, face.landmarks_px)
            self._head, self._aperture = head_pose(face.landmarks_px), eye_aperture(face.landmarks_px)
        assert self._pose is not None
        assert self._head is not None
        unit_to_frame = self._pose.matrix()
        frame_to_canonical = compose(UNIT_TO_CANONICAL, invert(unit_to_frame))
        crop, frame_to_crop = self._cut(frame.image, invert(frame_to_canonical))
        return AlignedFace(
            index=frame.index,
            time_s=frame.time_s,
            face_id=face.id,
            crop=readonly(crop),
            grey=readonly(np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), dtype=np.uint8)),
            crop_to_canonical=readonly(compose(frame_to_canonical, invert(frame_to_crop))),
            frame_to_crop=readonly(frame_to_crop),
            pose=self._head,
            relief=self._relief,
            aperture=self._aperture,
        )

    def _update(self, time_s: float, landmarks_px: F32) -> None:
        points = landmarks_px[:, :2].astype(np.float64)
        step_s = round(time_s - self._updated_s, 6)
        self._updated_s = time_s
        if self._shape is None or self._pose is None:
            self._shape = _in_face_units(points)
            self._pose = _fit_pose(self._shape, points)
        else:
            seen = _fit_pose(self._shape, points)
            away = self._pose.distance(seen) / self.config.catch_up
            share = 1.0 - math.exp(-step_s * (1.0 + away * away) / self.config.smoothing_s)
            self._pose = self._pose.towards(seen, share)
            slow = 1.0 - math.exp(-step_s / self.config.shape_s)
            self._shape = _in_face_units(self._shape + slow * (_in_face_units(points) - self._shape))
        if time_s - self._relief_s >= 1.0 - 1e-6:
            self._relief_s = time_s
            self._relief = _relief(self._shape, landmarks_px, self._pose)

    def _cut(self, image: U8, canonical_to_frame: F64) -> tuple[U8, F64]:
        low, high = -self.config.margin, 1.0 + self.config.margin
        corners = apply(canonical_to_frame, np.array([[low, low], [high, low], [high, high], [low, high]]))
        (first_x, first_y), (last_x, last_y) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        height, width = image.shape[:2]
        left, right = _span(first_x, last_x, width)
        top, bottom = _span(first_y, last_y, height)
        crop = image[top:bottom, left:right]
        factor = math.ceil(max(crop.shape[:2]) / self.config.max_crop_px)
        if factor > 1:
            size = (max(crop.shape[1] // factor, 1), max(crop.shape[0] // factor, 1))
            whole = crop[: size[1] * factor, : size[0] * factor]
            crop = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        else:
            crop = crop.copy()
        # pixel centres: the middle of a block of `factor` pixels is the centre of the reduced pixel
        offset = (factor - 1) / 2.0
        return crop, np.array(
            [[1 / factor, 0.0, -(left + offset) / factor], [0.0, 1 / factor, -(top + offset) / factor]]
        )


def _span(first: float, last: float, size: int) -> tuple[int, int]:
    """The pixels from `first` to `last`, at least two of them, inside 0..size."""
    start = min(max(math.floor(first), 0), size - 2)
    return start, min(max(math.ceil(last), start + 2), size)


def _relief(shape: F64, landmarks_px: F32, pose: _Pose) -> F32:
    """Depth of the face on a 16×16 grid of the canonical crop, in face units, nearer = larger."""
    depth = -landmarks_px[:, 2].astype(np.float64) / math.exp(pose.log_scale)
    x, y = unit_grid(RELIEF_SIZE)
    across, down = (_nearness(axis, shape[:, i]) for i, axis in enumerate((x[0], y[:, 0])))
    total = down @ across.T + _FAR * len(depth)
    relief = ((down * depth) @ across.T + _FAR * depth.sum()) / total
    return readonly(relief.astype(np.float32))


def _nearness(cells: F64, points: F64) -> F64:
    """Weight of each point for each cell along one axis, (cells, points): that on both is the product."""
    return np.asarray(np.exp(-((cells[:, None] - points) ** 2) / (2 * _RELIEF_SIGMA**2)))


def compose(outer: F64, inner: F64) -> F64:
    """The affine (2, 3) that applies `inner`, then `outer`."""
    (a, b, x), (c, d, y) = outer.tolist()
    (e, f, p), (g, h, q) = inner.tolist()
    return np.array(
        [[a * e + b * g, a * f + b * h, a * p + b * q + x], [c * e + d * g, c * f + d * h, c * p + d * q + y]]
    )


def invert(matrix: F64) -> F64:
    """The inverse of an affine (2, 3)."""
    (a, b, x), (c, d, y) = matrix.tolist()
    scale = 1.0 / (a * d - b * c)
    a, b, c, d = d * scale, -b * scale, -c * scale, a * scale
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def apply(matrix: F64, points: F64) -> F64:
    """An affine (2, 3) applied to points (n, 2)."""
    result: F64 = points @ matrix[:, :2].T + matrix[:, 2]
    return result


def _to_pixels(size: int) -> F64:
    """Canonical coordinates → pixel coordinates (centres at whole numbers) of a size×size image."""
    return np.array([[size, 0.0, -0.5], [0.0, size, -0.5]], dtype=np.float64)


def step_px(face: AlignedFace, size: int) -> float:
    """How many pixels of the crop lie between two pixels of the canonical face at size×size."""
    return 1.0 / (size * max(float(np.hypot(*face.crop_to_canonical[0, :2])), 1e-9))


def warp(face: AlignedFace, size: int, *, like: AlignedFace | None = None, colour: bool = False) -> U8:
    """The canonical face as an image of size×size pixels, uint8: grey, or BGR (size, size, 3).

    With `like`, the transform of that other frame is used instead of the face's own: two frames that
    are compared must share one transform, or the mesh's jitter shows up as motion.
    """
    crop_to_canonical = face.crop_to_canonical
    if like is not None and like is not face:
        frame_to_canonical = compose(like.crop_to_canonical, like.frame_to_crop)
        crop_to_canonical = compose(frame_to_canonical, invert(face.frame_to_crop))
    matrix = compose(_to_pixels(size), crop_to_canonical)
    source = face.crop if colour else face.grey
    warped = cv2.warpAffine(
        source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, dtype=np.uint8)


def warp_together(faces: Sequence[AlignedFace], size: int, *, like: AlignedFace) -> U8:
    """Several frames of one face under one transform: BGR uint8 (n, size, size, 3)."""
    return np.stack([warp(face, size, like=like, colour=True) for face in faces])
