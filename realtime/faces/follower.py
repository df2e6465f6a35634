"""One face, followed by the mesh in a window of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.faces.mesh import Box, FaceMesh
from realtime.types import F32, U8, readonly


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

    def without(self, image: U8, others: Sequence[Box]) -> U8:
        """The window's pixels with other faces painted over."""
        shown = self.of(image).copy()
        for x, y, width, height in others:
            left, top = max(int(x) - self.left, 0), max(int(y) - self.top, 0)
            right, bottom = int(x + width) - self.left, int(y + height) - self.top
            shown[top : max(bottom, 0), left : max(right, 0)] = 0
        return shown

    def fits(self, points: F32) -> bool:
        """Whether the face still lies well inside, at about the size the window was made for."""
        size = extent(points)
        x, y = points[:, 0].mean(), points[:, 1].mean()
        slack = 0.75 * size
        inside_x = self.left + slack <= x <= self.right - slack or self.right - self.left < 2 * slack
        inside_y = self.top + slack <= y <= self.bottom - slack or self.bottom - self.top < 2 * slack
        return bool(inside_x and inside_y and 0.65 < size / self.face_size < 1.5)


def extent(points: F32) -> float:
    """Larger side of the points' bounding box, pixels."""
    return float(max(np.ptp(points[:, 0]), np.ptp(points[:, 1])))


def box_around(points: F32) -> Box:
    """Bounding box of points of shape (n, 2 or more)."""
    (left, top), (right, bottom) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)


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


class FaceFollower:
    """The landmarks of one face: `start` says where to look, `follow` looks again in every later frame.

    A mesh that starts to look takes any face in its window, so the other known faces are painted over
    then; from its second look on it keeps to its own.
    """

    def __init__(self, confidence: float, window_scale: float) -> None:
        self._mesh = FaceMesh(confidence)
        self._scale = window_scale
        self.reset()

    def reset(self) -> None:
        """As new."""
        self._window: _Window | None = None
        self._mesh.reset()
        self.points: F32 | None = None
        """(468, 3) landmarks of the last look in pixels of the frame; None where no face was seen."""

    def start(self, image: U8, box: Box, others: Sequence[Box] = ()) -> bool:
        """Look for the face in a box that a detector gave; whether it is there."""
        x, y, width, height = box
        self._open_window((x + width / 2, y + height / 2), 1.2 * max(width, height), image)
        return self.follow(image, others)

    def follow(self, image: U8, others: Sequence[Box] = ()) -> bool:
        """Look again; whether the face is still there."""
        self.points = None
        if self._window is None:
            return False
        fresh = others and self._mesh.is_fresh
        shown = self._window.without(image, others) if fresh else self._window.of(image)
        found = self._mesh.landmarks(shown)
        if found is None or not np.isfinite(found).all():
            return False
        points = found + np.array([self._window.left, self._window.top, 0.0], dtype=np.float32)
        if not self._window.fits(points):
            self._open_window(points[:, :2].mean(axis=0), extent(points), image)
        self.points = readonly(points)
        return True

    def lose(self) -> None:
        """Stop following."""
        self._window = self.points = None

    def close(self) -> None:
        """Free the model."""
        self._mesh.close()

    def _open_window(self, centre: tuple[float, float] | F32, size: float, image: U8) -> None:
        x, y = float(centre[0]), float(centre[1])
        self._window = _window_around(x, y, size, self._scale, image)
        self._mesh.reset()
