"""Histogram of oriented gradients: where edges appear between the key frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog as skimage_hog

from realtime.features.spec import HOG_CELLS, HOG_ORIENTATIONS
from realtime.types import F32


def hog(volume: NDArray[Any]) -> F32:
    """HOG (Dalal & Triggs 2005) of apex minus onset: 9 directions in the upper and lower half-face.

    The difference carries the movement; the apex alone mostly carries who it is.

    Args:
        volume: (3, H, W) grey levels: onset, apex, offset.

    Returns:
        float32 (18,): both halves together normalised to length 1; zeros where nothing changed.
    """
    difference = volume[1].astype(np.float32) - volume[0].astype(np.float32)
    rows, columns = HOG_CELLS
    cell = (difference.shape[0] // rows, difference.shape[1] // columns)
    vector = skimage_hog(
        difference,
        orientations=HOG_ORIENTATIONS,
        pixels_per_cell=cell,
        cells_per_block=HOG_CELLS,
        block_norm="L2",
    )
    return np.asarray(vector, dtype=np.float32)
