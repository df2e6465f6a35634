"""One set of colours for every picture: those of Okabe & Ito (2008), told apart without colour vision too.

What matters is always said by shape, pattern or word as well.
"""

from __future__ import annotations

ORANGE = "#d55e00"
"""Micro-expressions, and motion."""
BLUE = "#0072b2"
"""Macro-expressions, and what spoke for a label."""
GREEN = "#009e73"
"""What is known to be true."""
SKY = "#56b4e9"
"""Lines on a dark picture."""
YELLOW = "#f0e442"
"""Warnings on a dark picture."""


def bgr(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` in the order of OpenCV, 0..255."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red
