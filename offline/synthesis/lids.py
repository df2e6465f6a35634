"""Lids that close over an eye, and eyes that turn: changes of a backward map in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.types import F32, F64

LID_HEIGHT = 0.16
"""How far above the lid's edge the skin gives way when the lid closes, face units."""
LASHES = 0.035
"""The band above the lid's edge that does not stretch, face units."""
OVERLAP = 0.015
"""How far a shut lid reaches over the lower one, face units."""
SOFT_EDGE = 0.008
"""Width over which a turned eye passes into its lids, face units."""


def close_lids(x: F32, y: F32, lids: F64, closure: float) -> None:
    """Shut the lids in a backward map (x, y) in face units, in place.

    `lids` (2, 2, n, 2) are the lid edges of the face at rest, `closure` 0 (as in the portrait) to 1
    (shut). The skin above the edge stretches, the eyeball behind it stays where it is.
    """
    if closure <= 0.0:
        return
    for upper, lower in lids:
        part = _eye_part(x, y, upper, lower)
        if part is None:
            continue
        at_x, at_y = x[part], y[part]
        edge = _edge(at_x, upper)
        gap = _edge(at_x, lower) - edge
        drop = np.where(gap > 0.0, np.minimum(gap + OVERLAP, 4.0 * gap), 0.0) * closure
        crease, lashes = edge - LID_HEIGHT, edge - LASHES
        share = (at_y - crease) / (lashes + drop - crease)
        stretched = crease + share * (LID_HEIGHT - LASHES)
        skin = np.where(at_y < lashes + drop, stretched, at_y - drop)
        # Below the moved edge the eyeball shows, which does not move with the lid.
        covered = (at_y > crease) & (at_y < edge + drop) & (drop > 0.0)
        y[part] = np.where(covered, skin, at_y)


def shift_gaze(x: F32, y: F32, lids: F64, shift: float) -> None:
    """Turn the eyes in a backward map (x, y), in place: the irises move by `shift` face units in x."""
    if shift == 0.0:
        return
    for upper, lower in lids:
        part = _eye_part(x, y, upper, lower)
        if part is None:
            continue
        at_x, at_y = x[part], y[part]
        top, bottom = _edge(at_x, upper), _edge(at_x, lower)
        open_part = np.clip(np.minimum(at_y - top, bottom - at_y) / SOFT_EDGE, 0.0, 1.0)
        along = 2.0 * (at_x - upper[0, 0]) / (upper[-1, 0] - upper[0, 0]) - 1.0
        x[part] = at_x - shift * open_part * np.clip(1.0 - along**4, 0.0, 1.0)


def _eye_part(x: F32, y: F32, upper: F64, lower: F64) -> tuple[slice, slice] | None:
    """The rows and columns of the map that show this eye and its lid; None where there are none."""
    left, right = upper[0, 0], upper[-1, 0]
    top, bottom = upper[:, 1].min() - LID_HEIGHT, lower[:, 1].max() + 2.0 * SOFT_EDGE
    seen = (x > left) & (x < right) & (y > top) & (y < bottom)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _edge(x: NDArray[Any], edge: F64) -> F32:
    """Height of a lid's edge at x."""
    return np.interp(x, edge[:, 0], edge[:, 1]).astype(np.float32)
