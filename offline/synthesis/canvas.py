"""A picture in CIE Lab on which soft shapes are painted, in face units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from offline.synthesis.base_face import ORIGIN_PX, SIZE_PX, UNIT_PX
from realtime.types import F32, F64

Colour = tuple[float, float, float]
"""L 0..100, a, b."""
_SHIFT = 4


class Canvas:
    """Lab colours of a face's picture, (960, 1000, 3), laid out like `base_face.BaseFace.image`."""

    def __init__(self, colour: Colour) -> None:
        self.lab: F32 = np.full((*SIZE_PX[::-1], 3), colour, dtype=np.float32)

    def cover(self, mask: F32, colour: Colour | F32) -> None:
        """Lay a colour, or a picture in Lab, over what is there; `mask` says how densely, 0..1."""
        part = _box(mask)
        ground = np.asarray(colour, dtype=np.float32)
        above = ground[part] if ground.ndim == 3 else ground
        self.lab[part] += mask[part][..., None] * (above - self.lab[part])

    def shade(self, mask: F32, lightness: float) -> None:
        """Add to the lightness where the mask is."""
        part = _box(mask)
        self.lab[part][..., 0] += lightness * mask[part]

    def bgr(self) -> F32:
        """The picture as BGR 0..255."""
        lab = self.lab.copy()
        lab[..., 0] = np.clip(lab[..., 0], 0.0, 100.0)
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR) * 255.0, dtype=np.float32)


def unit_grid() -> tuple[F32, F32]:
    """Face units x, y of every pixel: each (960, 1000)."""
    across = (np.arange(SIZE_PX[0], dtype=np.float32) - ORIGIN_PX[0]) / UNIT_PX
    down = (np.arange(SIZE_PX[1], dtype=np.float32) - ORIGIN_PX[1]) / UNIT_PX
    x, y = np.meshgrid(across, down)
    return x.astype(np.float32), y.astype(np.float32)


def area(outline: F64, soft: float = 0.008) -> F32:
    """1 inside a closed outline (n, 2), 0 outside, over an edge of σ = `soft` face units."""
    mask = np.zeros(SIZE_PX[::-1], dtype=np.uint8)
    cv2.fillPoly(mask, [_fixed(outline)], (255,), cv2.LINE_AA, _SHIFT)
    return _softened(mask, soft)


def stroke(points: F64, width: float, soft: float = 0.01) -> F32:
    """A line through points (n, 2) of a width in face units; 1 on it, with soft edges."""
    return strokes([points], width, soft)


def strokes(lines: Sequence[F64], width: float, soft: float = 0.005) -> F32:
    """Many lines at once."""
    mask = np.zeros(SIZE_PX[::-1], dtype=np.uint8)
    thickness = max(1, round(width * UNIT_PX))
    cv2.polylines(mask, [_fixed(line) for line in lines], False, (255,), thickness, cv2.LINE_AA, _SHIFT)
    return _softened(mask, soft)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, soft: float = 0.01) -> F32:
    """1 inside an ellipse around (x, y), 0 outside."""
    angle = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    return area(np.column_stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)]), soft)


def grain(rng: np.random.Generator, sigma_x: float, sigma_y: float) -> F32:
    """Smooth noise of variance 1, its σ in pixels: (960, 1000)."""
    noise = rng.standard_normal(SIZE_PX[::-1], dtype=np.float32)
    smooth = _blurred(noise, sigma_x, sigma_y)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def _blurred(noise: F32, sigma_x: float, sigma_y: float) -> F32:
    """Gaussian blur; wide ones are made on a smaller picture."""
    shrink = [max(1, int(sigma // 3.0)) for sigma in (sigma_x, sigma_y)]
    small = noise[: -(-SIZE_PX[1] // shrink[1]), : -(-SIZE_PX[0] // shrink[0])]
    soft = cv2.GaussianBlur(small, (0, 0), sigmaX=sigma_x / shrink[0], sigmaY=sigma_y / shrink[1])
    return np.asarray(cv2.resize(soft, SIZE_PX, interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _fixed(points: F64) -> NDArray[Any]:
    pixels = (points * UNIT_PX + ORIGIN_PX) * (1 << _SHIFT)
    return np.asarray(np.rint(pixels), dtype=np.int32)


def _softened(mask: NDArray[np.uint8], soft: float) -> F32:
    plane = mask.astype(np.float32)
    plane /= np.float32(255.0)
    sigma = soft * UNIT_PX
    if sigma <= 0.3:
        return plane
    part = _box(mask, margin=int(4.0 * sigma) + 1)
    plane[part] = cv2.GaussianBlur(plane[part], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return plane


def _box(mask: NDArray[Any], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns in which a mask is not zero, and a margin around them."""
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero(mask.any(axis=axis))
        low, high = (int(found[0]), int(found[-1]) + 1) if found.size else (0, 0)
        spans.append(slice(max(0, low - margin), high + margin))
    return spans[0], spans[1]
