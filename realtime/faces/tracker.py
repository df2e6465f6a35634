"""The face in the frame, followed by time: the mesh runs every `interval_s`, not on every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.errors import ConfigError
from realtime.faces.mesh import Box, FaceFinder, FaceMesh
from realtime.types import F32, U8, Face, Frame, readonly


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Settings of the face tracker."""

    interval_s: float = 0.033
    """The mesh runs when at least this much stream time has passed since its last run, s."""
    detection_confidence: float = 0.5
    """Least confidence of the detector and of the mesh, 0..1."""
    window_scale: float = 3.0
    """Side of the square in which the mesh looks, in face widths."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.interval_s <= 1.0:
            raise ConfigError(f"tracker.interval_s must lie in 0..1, not {self.interval_s}")
        if not 0.0 < self.detection_confidence < 1.0:
            raise ConfigError(
                f"tracker.detection_confidence must lie between 0 and 1, not {self.detection_confidence}"
            )
        if not 1.5 <= self.window_scale <= 10.0:
            raise ConfigError(f"tracker.window_scale must lie in 1.5..10, not {self.window_scale}")


@dataclass(frozen=True, slots=True)
class _Window:
    """A square of the frame, in pixels, cut at the frame's edges."""

    left: int
    top: int
    right: int
    bottom: int
    face_size: float

    def of(self, image: U8) -> U8:
        return image[self.top : self.bottom, self.left : self.right]

    def fits(self, points: F32) -> bool:
        """Whether the face still lies well inside, at about the size the window was made for."""
        size = _extent(points)
        x, y = points[:, 0].mean(), points[:, 1].mean()
        slack = 0.75 * size
        inside_x = self.left + slack <= x <= self.right - slack or self.right - self.left < 2 * slack
        inside_y = self.top + slack <= y <= self.bottom - slack or self.bottom - self.top < 2 * slack
        return bool(inside_x and inside_y and 0.65 < size / self.face_size < 1.5)


def _extent(points: F32) -> float:
    return float(max(np.ptp(points[:, 0]), np.ptp(points[:, 1])))


def _same_place(before: F32, now: F32) -> bool:
    """Whether the face can be the one of the last measurement: it has not jumped by half its size."""
    jump = np.abs(now[:, :2].mean(axis=0) - before[:, :2].mean(axis=0)).max()
    return bool(jump < 0.5 * _extent(before))


def _window_around(x: float, y: float, size: float, scale: float, image: U8) -> _Window:
    half = 0.5 * scale * size
    height, width = image.shape[:2]
    return _Window(
        left=int(np.clip(x - half, 0, width - 2)),
        top=int(np.clip(y - half, 0, height - 2)),
        right=int(np.clip(np.ceil(x + half), 2, width)),
        bottom=int(np.clip(np.ceil(y + half), 2, height)),
        face_size=size,
    )


class FaceTracker:
    """The largest face of the stream: `push(frame)` gives it, or None where none is seen.

    The detector looks at whole frames only until a face is found; from then on the mesh follows it
    in a window of the frame, which also lets it see faces that are small in the frame. Between two
    runs of the mesh the last landmarks are held. Time comes from the frames alone.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self._finder = FaceFinder(self.config.detection_confidence)
        self._mesh = FaceMesh(self.config.detection_confidence)
        self.reset()

    def reset(self) -> None:
        """As new; ids start from 0 again."""
        self._next_id = 0
        self._window: _Window | None = None
        self._points: F32 | None = None
        self._ran_s: float | None = None
        self._id: int | None = None
        self._mesh.reset()

    def push(self, frame: Frame) -> Face | None:
        """The face in this frame; measured afresh or held from the last measurement."""
        due = self._ran_s is None or frame.time_s - self._ran_s >= self.config.interval_s - 1e-6
        if due:
            self._ran_s = frame.time_s
            before, self._points = self._points, self._measure(frame.image)
            if self._points is None or before is None or not _same_place(before, self._points):
                self._id = None
            if self._points is not None and self._id is None:
                self._id = self._next_id
                self._next_id += 1
        if self._points is None or self._id is None:
            return None
        return Face(self._id, self._points, measured=due)

    def close(self) -> None:
        """Free the models."""
        self._finder.close()
        self._mesh.close()

    def _measure(self, image: U8) -> F32 | None:
        points = self._follow(image) if self._window else None
        if points is None:
            points = self._find(image)
        if points is None:
            self._window = None
            return None
        if self._window is None or not self._window.fits(points):
            self._open_window(points[:, :2].mean(axis=0), _extent(points), image)
        return readonly(points)

    def _follow(self, image: U8) -> F32 | None:
        assert self._window is not None
        points = self._mesh.landmarks(np.ascontiguousarray(self._window.of(image)))
        if points is None:
            return None
        return points + np.array([self._window.left, self._window.top, 0.0], dtype=np.float32)

    def _find(self, image: U8) -> F32 | None:
        for x, y, width, height in self._candidates(image):
            self._open_window((x + width / 2, y + height / 2), 1.2 * max(width, height), image)
            points = self._follow(image)
            if points is not None:
                return points
        return None

    def _candidates(self, image: U8) -> list[Box]:
        return [box for box in self._finder.find(image) if min(box[2], box[3]) >= 8][:3]

    def _open_window(self, centre: tuple[float, float] | F32, size: float, image: U8) -> None:
        x, y = float(centre[0]), float(centre[1])
        self._window = _window_around(x, y, size, self.config.window_scale, image)
        self._mesh.reset()
