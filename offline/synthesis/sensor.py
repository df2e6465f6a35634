"""The noise of a camera's sensor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.types import U8

_SPARE = 64


class Sensor:
    """Adds Gaussian noise to frames, cut at random places from one large plane drawn at the start."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], noise: float) -> None:
        """`size` is (width, height) in pixels, `noise` the standard deviation in grey levels."""
        self._rng = rng
        self._size = size
        self._plane: NDArray[np.int16] | None = None
        if noise > 0.0:
            shape = (size[1] + _SPARE, size[0] + _SPARE, 3)
            drawn = rng.standard_normal(shape, dtype=np.float32) * noise
            self._plane = np.rint(drawn).astype(np.int16)

    def expose(self, image: U8) -> U8:
        """The picture as the camera delivers it: uint8 of the same shape."""
        if self._plane is None:
            return image
        row, column = self._rng.integers(0, _SPARE, 2)
        width, height = self._size
        part = self._plane[row : row + height, column : column + width]
        flipped = part[:: 1 - 2 * int(self._rng.integers(2)), :: 1 - 2 * int(self._rng.integers(2))]
        return np.asarray(cv2.add(image, np.ascontiguousarray(flipped), dtype=cv2.CV_8U), dtype=np.uint8)
