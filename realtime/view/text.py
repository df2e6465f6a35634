"""Text and ground of pictures. DejaVu Sans comes with matplotlib and has the letters of many languages."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.types import F32, U8, readonly


def put(
    canvas: U8, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: int = 14,
    *, bold: bool = False, anchor: str = "left",
) -> None:  # fmt: skip
    """Draw a line of text into a BGR picture, in place; what lies outside is cut off.

    `place`: x of its left end (or of what `anchor` says: "left", "middle", "right") and y of the middle of
    its small letters. `size`: font size in pixels.
    """
    ink = _ink(text, size, bold)
    height, width = ink.shape
    x = place[0] - {"left": 0, "middle": width // 2, "right": width}[anchor]
    y = place[1] - height // 2
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if left >= right or top >= bottom:
        return
    alpha = ink[top - y : bottom - y, left - x : right - x, None]
    spot = canvas[top:bottom, left:right]
    spot[:] = (spot + alpha * (np.array(colour, np.float32) - spot)).astype(np.uint8)


def fill(area: U8, colour: tuple[int, int, int]) -> None:
    """Give a part of a picture one colour, in place."""
    cv2.rectangle(area, (0, 0), (area.shape[1], area.shape[0]), colour, -1)


def width_of(text: str, size: int = 14, *, bold: bool = False) -> int:
    """Width of a line of text in pixels."""
    return int(_ink(text, size, bold).shape[1])


@lru_cache(maxsize=1024)
def _ink(text: str, size: int, bold: bool) -> F32:
    """How much of each pixel is covered, 0..1; the rows fit all letters of the font."""
    font = _font(size, bold)
    width = max(int(np.ceil(font.getlength(text))), 1)
    image = Image.new("L", (width, 2 * (size * 3 // 4)))
    ImageDraw.Draw(image).text((0, size * 3 // 4 + size // 3), text, fill=255, font=font, anchor="ls")
    return readonly(np.asarray(image, dtype=np.float32) / np.float32(255.0))


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
