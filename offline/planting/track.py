"""Where the face is in every frame of some footage, for a displacement field to be laid on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from realtime.faces import FaceTracker, TrackerConfig
from realtime.faces.landmarks import eye_centres
from realtime.types import F32, F64, Frame, FrameSource, StreamInfo, readonly

_KEPT = slice(None, None, 8)
"""Every 8th of the 468 landmarks: enough for an affine fit, and little to keep of a long recording."""
_SMOOTHING_S = 0.04
_LONGEST_HOLE_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """The largest face of a recording, frame by frame."""

    info: StreamInfo
    index: NDArray[np.int64]
    """(n,) numbers of the readable frames."""
    time_s: F64
    """(n,) their times."""
    unit_to_frame: F64
    """(n, 2, 3) affine from face units (`realtime.geometry`) to pixels of the frame, steadied over time,
    foreshortening of a turned head included; NaN where there is no face."""

    @property
    def eye_distance_px(self) -> F64:
        """(n,) length of a horizontal face unit in pixels; NaN where there is no face."""
        return np.asarray(np.hypot(self.unit_to_frame[:, 0, 0], self.unit_to_frame[:, 1, 0]))

    def stretches(self) -> Iterator[tuple[int, int]]:
        """(first, last) position of every stretch in which one face is seen without a hole."""
        yield from _stretches(self.time_s, self.unit_to_frame)


def track_face(source: FrameSource) -> FaceTrack:
    """Read a recording once and follow its largest face; raises what the source raises."""
    tracker = FaceTracker(TrackerConfig(interval_s=0.0))
    indices: list[int] = []
    times: list[float] = []
    points: list[F32] = []
    shape, seen = np.zeros((468, 2)), 0
    try:
        for frame in source:
            if not isinstance(frame, Frame):
                continue
            faces = tracker.push(frame)
            indices.append(frame.index)
            times.append(frame.time_s)
            if not faces:
                points.append(np.full((468, 2), np.nan, np.float32)[_KEPT])
                continue
            landmarks = faces[0].landmarks_px[:, :2].astype(np.float64)
            points.append(landmarks[_KEPT].astype(np.float32))
            shape += _in_face_units(landmarks)
            seen += 1
    finally:
        tracker.close()
    time_s = np.array(times)
    kept = np.array(points, dtype=np.float64).reshape(len(points), -1, 2)
    affine = _fit(shape[_KEPT] / max(seen, 1), kept)
    return FaceTrack(
        source.info, np.array(indices, dtype=np.int64), readonly(time_s), readonly(_steady(time_s, affine))
    )


def _in_face_units(points: F64) -> F64:
    left, right = eye_centres(points)
    axis = complex(left[0] - right[0], left[1] - right[1]) or 1.0
    centre = (left + right) / 2.0
    z = ((points[:, 0] - centre[0]) + 1j * (points[:, 1] - centre[1])) / axis
    return np.stack([z.real, z.imag], axis=1)


def _fit(shape: F64, points: F64) -> F64:
    """Least-squares affine (n, 2, 3) from a mean shape (k, 2) to points (n, k, 2)."""
    if not np.any(shape):
        return np.full((len(points), 2, 3), np.nan)
    solve = np.linalg.pinv(np.column_stack([shape, np.ones(len(shape))]))
    return np.asarray((solve @ points).transpose(0, 2, 1))


def _steady(time_s: F64, affine: F64) -> F64:
    """Smooth every stretch over time with a Gaussian: the mesh jitters by more than is planted."""
    steady = affine.copy()
    for first, last in _stretches(time_s, affine):
        part = slice(first, last + 1)
        steps = np.diff(time_s[part])
        if steps.size:
            sigma = _SMOOTHING_S / max(float(np.median(steps)), 1e-6)
            steady[part] = gaussian_filter1d(affine[part], sigma, axis=0, mode="nearest")
    return steady


def _stretches(time_s: F64, affine: F64) -> Iterator[tuple[int, int]]:
    there = np.isfinite(affine).all(axis=(1, 2))
    start: int | None = None
    for i in range(len(time_s)):
        if start is not None and (not there[i] or _breaks(time_s, affine, i)):
            yield start, i - 1
            start = None
        if there[i] and start is None:
            start = i
    if start is not None:
        yield start, len(time_s) - 1


def _breaks(time_s: F64, affine: F64, i: int) -> bool:
    """Whether a hole in time, or another face, lies between two frames that both show one."""
    jump = np.abs(affine[i, :, 2] - affine[i - 1, :, 2]).max()
    size = np.hypot(affine[i, 0, 0], affine[i, 1, 0])
    return bool(time_s[i] - time_s[i - 1] > _LONGEST_HOLE_S or jump > size)
