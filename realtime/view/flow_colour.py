"""A motion field in colours: the hue says where to, the fullness how far; arrows say it without colour."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.types import F32, U8

_LEAST_PERCENT = 0.3
"""A field whose largest motion is smaller is shown as if it were this: noise must not look like motion."""
_CELL_PX = 16
_INK = (30, 24, 20)


def flow_picture(field: F32, size: tuple[int, int]) -> U8:
    """A field (2, n, n) as a BGR picture, light where nothing moves. `size`: width and height."""
    u, v = (np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)) for part in field)
    largest = max(float(np.quantile(np.hypot(u, v), 0.995)), _LEAST_PERCENT)
    picture = _coloured(u / largest, v / largest)
    for y in range(_CELL_PX // 2, size[1], _CELL_PX):
        for x in range(_CELL_PX // 2, size[0], _CELL_PX):
            dx, dy = (float(part[y, x]) * 0.9 * _CELL_PX / largest for part in (u, v))
            if np.hypot(dx, dy) > 0.25 * _CELL_PX:
                cv2.arrowedLine(
                    picture, (x, y), (round(x + dx), round(y + dy)), _INK, 1, cv2.LINE_AA, tipLength=0.4
                )
    return picture


def wheel(side: int) -> U8:
    """The key to the colours: motion from the middle outwards, BGRA, transparent around it."""
    y, x = np.mgrid[:side, :side].astype(np.float32) * np.float32(2.0 / (side - 1)) - np.float32(1.0)
    inside = np.clip((1.0 - np.hypot(x, y)) * side / 2.0, 0.0, 1.0)
    return np.dstack([_coloured(x, y), (255.0 * inside).astype(np.uint8)])


def _coloured(u: F32, v: F32) -> U8:
    """Hue by direction (right: red, down: yellow-green), saturation by length, 1 or more being full."""
    hue = np.rad2deg(np.arctan2(v, u)) % 360.0 / 2.0
    fullness = 255.0 * np.clip(np.hypot(u, v), 0.0, 1.0)
    hsv = np.stack([hue, fullness, np.full_like(hue, 250.0)], axis=-1).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), dtype=np.uint8)
