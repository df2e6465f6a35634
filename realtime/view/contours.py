"""The lines of a face: as points of mediapipe's face mesh, and as a drawing that is nobody's face."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Points = tuple[tuple[float, float], ...]

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face, in order."""
UPPER_LIDS = {
    "left": (263, 466, 388, 387, 386, 385, 384, 398, 362),
    "right": (33, 246, 161, 160, 159, 158, 157, 173, 133),
}
LOWER_LIDS = {
    "left": (263, 249, 390, 373, 374, 380, 381, 382, 362),
    "right": (33, 7, 163, 144, 145, 153, 154, 155, 133),
}
"""Lid edges, from the outer to the inner corner."""
BROWS = {
    "left": (336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
    "right": (107, 66, 105, 63, 70, 46, 53, 52, 65, 55),
}
"""Outlines of the brows, in order."""
OUTER_LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
"""The outline of the lips, in order."""
INNER_LIPS = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
"""The outline of the mouth's opening, in order."""
EYES = {side: (*UPPER_LIDS[side], *LOWER_LIDS[side][-2:0:-1]) for side in ("left", "right")}
"""Outlines of the eyes, in order."""
MESH_LINES = (OVAL, *EYES.values(), *BROWS.values(), OUTER_LIPS, INNER_LIPS)
"""Closed lines that make a face recognisable as one."""


def _mirrored(half: Points) -> Points:
    return tuple((-x, y) for x, y in half)


def _whole(half: Points) -> Points:
    """A line from one point of the midline to another, and back on the other side."""
    return (*half, *_mirrored(half[-2:0:-1]))


_EYE: Points = (
    *((0.73, -0.02), (0.71, -0.04), (0.68, -0.07), (0.63, -0.10), (0.54, -0.11), (0.45, -0.10)),
    *((0.36, -0.06), (0.30, -0.01), (0.27, 0.02), (0.33, 0.03), (0.41, 0.05), (0.49, 0.05)),
    *((0.58, 0.04), (0.64, 0.02), (0.69, 0.00)),
)
_BROW: Points = (
    *((0.25, -0.33), (0.48, -0.36), (0.68, -0.37), (0.82, -0.33), (0.91, -0.24)),
    *((0.85, -0.20), (0.77, -0.27), (0.64, -0.30), (0.46, -0.28), (0.21, -0.21)),
)
_NOSE: Points = ((0.35, 0.53), (0.33, 0.59), (0.30, 0.63), (0.23, 0.63), (0.17, 0.66), (0.0, 0.71))

SCHEMATIC: Mapping[str, Points] = MappingProxyType(
    {
        "oval": _whole(
            (
                *((0.0, -0.76), (0.31, -0.75), (0.57, -0.72), (0.80, -0.64), (0.95, -0.51), (1.03, -0.35)),
                *((1.08, -0.18), (1.09, 0.03), (1.07, 0.23), (1.05, 0.44), (1.02, 0.67), (0.96, 0.91)),
                *((0.86, 1.10), (0.75, 1.25), (0.60, 1.39), (0.48, 1.49), (0.35, 1.59), (0.20, 1.65)),
                (0.0, 1.68),
            )
        ),
        "eye_left": _EYE,
        "eye_right": _mirrored(_EYE),
        "brow_left": _BROW,
        "brow_right": _mirrored(_BROW),
        "lips": _whole(
            (
                *((0.0, 0.85), (0.13, 0.84), (0.26, 0.85), (0.34, 0.86), (0.44, 0.90)),
                *((0.39, 0.97), (0.32, 1.04), (0.23, 1.10), (0.13, 1.14), (0.0, 1.15)),
            )
        ),
    }
)
"""Closed lines of a drawn face in face units (see `geometry`): the symmetric mean of a mesh and its mirror
image, with a mouth at rest."""
SCHEMATIC_OPEN: Mapping[str, Points] = MappingProxyType(
    {
        "nose": (*_NOSE, *_mirrored(_NOSE[-2::-1])),
        "mouth": ((-0.41, 0.93), (-0.28, 0.94), (0.0, 0.93), (0.28, 0.94), (0.41, 0.93)),
    }
)
"""Its open lines."""
