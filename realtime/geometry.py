"""Where things are on a face: the one coordinate system that every room shares.

Face units: origin midway between the eye centres, x to the image's right, y down, one unit = the
distance between the eye centres. "Left" is the PERSON's left, as in FACS, and so lies at positive x
in an unmirrored camera image.

Canonical face: a square crop, coordinates 0..1 in both directions. The eye centres lie
`EYE_DISTANCE` of its width apart, at `EYE_ROW` of its height; a vertical face unit is `FACE_UNIT_Y`
of its height (crops in this field are squared, so the two scales differ). With these numbers rows
20:40 and columns 25:40 of a 64×64 crop hold the nose and the upper lip (AU 9, AU 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EYE_ROW = 0.22
EYE_DISTANCE = 0.55
FACE_UNIT_Y = 0.42

UNIT_TO_CANONICAL: NDArray[np.float64] = np.array(
    [[EYE_DISTANCE, 0.0, 0.5], [0.0, FACE_UNIT_Y, EYE_ROW]], dtype=np.float64
)
UNIT_TO_CANONICAL.setflags(write=False)


@dataclass(frozen=True, slots=True)
class Region:
    """A Gaussian patch of the face, in face units."""

    name: str
    x: float
    y: float
    sigma: float


def _pair(name: str, x: float, y: float, sigma: float) -> tuple[Region, Region]:
    return Region(f"{name}_left", x, y, sigma), Region(f"{name}_right", -x, y, sigma)


REGIONS: tuple[Region, ...] = (
    *_pair("brow_inner", 0.19, -0.27, 0.13),
    *_pair("brow_outer", 0.58, -0.29, 0.15),
    Region("glabella", 0.0, -0.18, 0.12),
    *_pair("nose_wing", 0.20, 0.50, 0.13),
    *_pair("cheek", 0.56, 0.38, 0.17),
    *_pair("lip_upper", 0.18, 0.82, 0.12),
    *_pair("mouth_corner", 0.44, 1.00, 0.14),
    *_pair("cheek_lower", 0.68, 0.85, 0.15),
    Region("lip_lower", 0.0, 1.14, 0.15),
    Region("chin", 0.0, 1.38, 0.16),
)
"""The 17 regions in which an expression is looked for, in the order of every region vector."""

LIDS: tuple[Region, ...] = _pair("lid", 0.50, -0.02, 0.11)
"""The two upper lids: their motion tells a blink from an expression."""

REGION_NAMES: tuple[str, ...] = tuple(region.name for region in REGIONS)


def unit_grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Face-unit coordinates of the pixel centres of a canonical crop of `size` × `size` pixels.

    Returns x and y, each float64 of shape (size, size).
    """
    centre = (np.arange(size) + 0.5) / size
    x = (centre - 0.5) / EYE_DISTANCE
    y = (centre - EYE_ROW) / FACE_UNIT_Y
    return np.tile(x, (size, 1)), np.tile(y[:, None], (1, size))
