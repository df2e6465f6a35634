"""Incremental motion: one small optical flow per new frame, against a reference one lag earlier.

In fast streams several frames share one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import cv2
import numpy as np

from realtime.errors import ConfigError
from realtime.faces.alignment import RELIEF_SIZE, step_px, warp
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y, LIDS, REGIONS, Region, unit_grid
from realtime.grid_flow import FirstLook, Look, first_look, grid_flow, second_look
from realtime.types import F32, F64, U8, AlignedFace, Motion, readonly

GRID = RELIEF_SIZE
"""The flow is measured on GRID×GRID cells."""
_COARSE, _FINE = Look(cells=16, window=5), Look(cells=32, window=5)


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Settings of the motion measurement."""

    size_px: int = 128
    """Side of the canonical face on which the flow is computed."""
    lag_s: float = 0.133
    """Age of the reference frame, s."""
    step_s: float = 0.008
    """Frames closer together than this are averaged, and share one flow, s: 200 a second give 100 flows.
    It is begun with the last of them and finished with the next frame: none bears all of its cost."""

    def __post_init__(self) -> None:
        if not 32 <= self.size_px <= 512:
            raise ConfigError(f"flow.size_px must lie in 32..512, not {self.size_px}")
        if not 0.04 <= self.lag_s <= 0.4:
            raise ConfigError(f"flow.lag_s must lie in 0.04..0.4, not {self.lag_s}")
        if not 0.0 <= self.step_s <= 0.02:
            raise ConfigError(f"flow.step_s must lie in 0..0.02, not {self.step_s}")


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A flow after its first look, and what is known of its frame."""

    looked: FirstLook
    face: AlignedFace
    time_s: float
    lag_s: float
    delay_s: float
    brightness: tuple[float, float]

    def motion(self) -> Motion:
        u, v = _in_percent(second_look(self.looked, GRID, _FINE), len(self.looked.before))
        return motion_from_grid(
            u,
            v,
            self.face.relief,
            index=self.face.index,
            time_s=self.time_s,
            lag_s=self.lag_s,
            brightness=self.brightness,
            aperture=self.face.aperture,
            delay_s=self.delay_s,
            patchy_light=self.looked.patchy,
        )


class FlowMeter:
    """`push(face)` gives the motions since the reference frame that are known now: none until there is a
    reference, and one per frame then. Frames closer together than `step_s` share one, and it comes with the
    frame that follows them: each of two frames bears half of it. What is begun when a stream ends is left.

    Both frames are warped with the transform of the newer one, so the landmarks' jitter cancels. Where
    the canonical face has fewer pixels than the picture, the picture is averaged over that step first: all
    of its light counts then, and the camera's noise is lower by a tenth.
    What the head does as a whole – shift, roll, approach, and the parallax of turning and nodding
    over the face's relief – is fitted robustly and removed. Keeps `lag_s` of faces.

    Time counts from the first face, rounded to a microsecond: the same faces give the same motion at any
    time of a stream, where the last bits of differences would else tip comparisons.
    """

    def __init__(self, config: FlowConfig | None = None) -> None:
        self.config = config or FlowConfig()
        self.reset()

    def reset(self) -> None:
        self._faces: deque[AlignedFace] = deque()
        self._step_px = 0
        self._start_s: float | None = None
        self._last_s: float | None = None
        self._begun: _Begun | None = None

    def push(self, face: AlignedFace) -> tuple[Motion, ...]:
        """Motions up to `face` that are not told yet, in order of time: none, one or two."""
        if not self._step_px:  # kept from here on: another step would move the picture by half a pixel
            self._step_px = max(round(step_px(face, self.config.size_px)), 1)
        if self._step_px > 1:
            grey = cv2.blur(face.grey, (self._step_px, self._step_px))
            face = replace(face, grey=np.asarray(grey, dtype=np.uint8))
        if self._start_s is None:
            self._start_s = face.time_s
        time_s = face.time_s
        face = replace(face, time_s=round(time_s - self._start_s, 6))
        close = bool(self._faces) and face.time_s - self._faces[-1].time_s < self.config.step_s - 1e-6
        self._faces.append(face)
        due = [self._begun] if self._begun is not None else []
        self._begun = None
        if self._last_s is None or face.time_s - self._last_s >= self.config.step_s - 1e-6:
            self._begun = self._begin(face, time_s)
        if self._begun is not None and not close:  # frames far apart have the time for all of it
            due.append(self._begun)
            self._begun = None
        return tuple(begun.motion() for begun in due)

    def _begin(self, face: AlignedFace, time_s: float) -> _Begun | None:
        since_s = face.time_s - max(self.config.step_s - 1e-6, 0.0)
        recent = [f for f in self._faces if f.time_s >= since_s]
        spread_s = face.time_s - recent[0].time_s
        reference = self._references(face.time_s - spread_s, len(recent))
        if reference is None:
            return None
        self._last_s = face.time_s
        now, before = self._mean(recent, face), self._mean(reference, face)
        return _Begun(
            first_look(before, now, _COARSE),
            face,
            time_s,
            lag_s=_mean_time(recent) - _mean_time(reference),
            delay_s=face.time_s - _mean_time(recent),
            brightness=(cv2.mean(now)[0], cv2.mean(before)[0]),
        )

    def _references(self, now_s: float, count: int) -> list[AlignedFace] | None:
        """`count` faces from the one on whose age is nearest to the lag; older ones are let go."""
        target_s = now_s - self.config.lag_s
        faces = self._faces
        while len(faces) > 2 and abs(faces[1].time_s - target_s) <= abs(faces[0].time_s - target_s):
            faces.popleft()
        age_s = now_s - faces[0].time_s
        fits = 0.6 * self.config.lag_s <= age_s <= 1.6 * self.config.lag_s
        return list(islice(faces, count)) if fits else None

    def _mean(self, faces: Sequence[AlignedFace], like: AlignedFace) -> U8 | F32:
        """The canonical face in grey, averaged over some frames under one transform."""
        images = [warp(face, self.config.size_px, like=like) for face in faces]
        if len(images) == 1:
            return images[0]
        total = images[0].astype(np.float32)
        for image in images[1:]:
            cv2.accumulate(image, total)
        total /= len(images)
        return total


def face_flow(before: U8 | F32, now: U8 | F32) -> tuple[F64, F64]:
    """Flow between two canonical faces (S, S): u, v (GRID, GRID), percent of the eye distance."""
    return _in_percent(grid_flow(before, now, GRID, _COARSE, _FINE), len(now))


def _in_percent(flow: F32, side: int) -> tuple[F64, F64]:
    u, v = flow.astype(np.float64)
    return u * (100.0 / side / EYE_DISTANCE), v * (100.0 / side / FACE_UNIT_Y)


def _mean_time(faces: Sequence[AlignedFace]) -> float:
    return sum(face.time_s for face in faces) / len(faces)


def motion_from_grid(
    u: F64,
    v: F64,
    relief: F32,
    *,
    index: int,
    time_s: float,
    lag_s: float,
    brightness: tuple[float, float],
    aperture: float,
    delay_s: float = 0.0,
    patchy_light: float = 0.0,
) -> Motion:
    """Take the head's motion out of a flow (GRID, GRID), percent of the eye distance, and pool the rest.

    `brightness`: mean grey level of the face in this frame and in its reference.
    """
    own, rigid = remove_head(np.stack([u.ravel(), v.ravel()], axis=1), relief)
    pooled = (_POOL @ own).astype(np.float32)
    return Motion(
        index=index,
        time_s=time_s,
        lag_s=lag_s,
        regions=readonly(pooled[: len(REGIONS)]),
        lids=readonly(pooled[len(REGIONS) :]),
        rigid=rigid,
        residual=_rms(own),
        brightness=brightness[0],
        brightness_change=(brightness[0] - brightness[1]) / max(brightness[1], 1.0),
        aperture=aperture,
        delay_s=delay_s,
        patchy_light=patchy_light,
    )


def _gaussians(regions: tuple[Region, ...]) -> F64:
    x, y = unit_grid(GRID)
    weights = np.stack([np.exp(-((x - r.x) ** 2 + (y - r.y) ** 2) / (2 * r.sigma**2)) for r in regions])
    weights = weights.reshape(len(regions), -1)
    normalised: F64 = weights / weights.sum(axis=1, keepdims=True)
    return normalised


_POOL = _gaussians((*REGIONS, *LIDS))


def _face_weights() -> F64:
    """Where the face is on the grid: an ellipse without the lids, which move by themselves."""
    x, y = unit_grid(GRID)
    inside = ((x / 1.0) ** 2 + ((y - 0.5) / 1.25) ** 2 <= 1.0).astype(np.float64)
    for lid in LIDS:
        inside *= 1.0 - np.exp(-((x - lid.x) ** 2 + (y - lid.y) ** 2) / (2 * 0.16**2))
    return inside


_FACE_WEIGHTS = _face_weights().ravel()
_FACE_SHARES = _FACE_WEIGHTS / _FACE_WEIGHTS.sum()
_RIDGE = 1e-3 * np.eye(6)
_MIDDLE = (GRID * GRID // 2 - 1, GRID * GRID // 2)


def _rms(flow: F64) -> float:
    """Root mean square over the face of a flow (GRID², 2)."""
    return float(np.sqrt(_FACE_SHARES @ np.einsum("ij,ij->i", flow, flow)))


@lru_cache(maxsize=16)
def _head_basis(relief: bytes) -> tuple[F64, F64]:
    """Six motions of a rigid head seen from the front, and their products.

    (2·GRID², 6) u and v of each motion, cell by cell; (GRID², 36) what each cell adds to the normal matrix.
    """
    x, y = (axis.ravel() for axis in unit_grid(GRID))
    z = np.frombuffer(relief, dtype=np.float32).astype(np.float64)
    z = z - z.mean()
    zero, one = np.zeros_like(x), np.ones_like(x)
    u = np.stack([one, zero, x, -y, z, zero], axis=1)
    v = np.stack([zero, one, y, x, zero, z], axis=1)
    basis = np.stack([u, v], axis=1)
    return basis.reshape(-1, 6), np.einsum("ndi,ndj->nij", basis, basis).reshape(len(x), -1)


def remove_head(flow: F64, relief: F32) -> tuple[F64, float]:
    """Flow (GRID², 2) without the head's own motion, and the RMS of what was removed.

    Weighted least squares, reweighted with Tukey-like bounded weights so that a moving mouth does
    not turn the head. What a cell adds to the normal equations does not depend on its weight, so each
    round is two small products.
    """
    basis, products = _head_basis(relief.tobytes())
    targets = (basis * flow.reshape(-1, 1)).reshape(len(flow), 2, -1).sum(axis=1)
    weights = _FACE_WEIGHTS
    for _ in range(4):
        normal = (weights @ products).reshape(_RIDGE.shape) + _RIDGE
        fitted = (basis @ np.linalg.solve(normal, weights @ targets)).reshape(flow.shape)
        rest = flow - fitted
        squared = np.einsum("ij,ij->i", rest, rest)
        scale = max(float(np.partition(squared, _MIDDLE)[_MIDDLE[0] : _MIDDLE[1] + 1].mean()), 1e-6)
        weights = _FACE_WEIGHTS / (1.0 + squared / (2.0 * scale)) ** 2
    return rest, _rms(fitted)
