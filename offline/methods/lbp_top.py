"""`lbp-top`: local binary patterns on three orthogonal planes, block by block, into a linear SVM."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from offline.methods._inputs import grey_key_frames
from offline.methods.base import FittedDecision, require_classes, require_frames
from offline.samples import SampleSet
from realtime.features.lbp_top import PLANES, plane_patterns
from realtime.types import F32, F64

_CIRCLE = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""The eight neighbours of a pixel, once round."""
BINS = 59
"""58 uniform patterns of eight neighbours, and one bin for all others (Ojala et al. 2002)."""


@dataclass(frozen=True, slots=True)
class LbpTopSettings:
    """Blocks and machine."""

    blocks: int = 4
    """Blocks of the face across and down, each with histograms of its own."""
    c: float = 1.0
    """Penalty of the linear SVC."""


@dataclass(frozen=True, slots=True)
class LbpTop:
    """Block-wise LBP-TOP (Zhao & Pietikäinen 2007), P = 8, R = 1, uniform patterns → scaler → linear SVC.

    The time axis holds the three key frames: codes are taken round the apex.
    """

    name: ClassVar[str] = "lbp-top"
    calibrated: ClassVar[bool] = False
    settings: LbpTopSettings = field(default_factory=LbpTopSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedDecision:
        """Fit scaler and SVC. Nothing in it is random."""
        require_classes(samples)
        extract = partial(block_histograms, blocks=self.settings.blocks)
        machine = make_pipeline(
            StandardScaler(), SVC(C=self.settings.c, kernel="linear", class_weight="balanced")
        )
        size = self.settings.blocks**2 * BINS
        blocks = {
            f"plane_{name}": slice(i * size, (i + 1) * size) for i, name in enumerate(("xy", "xt", "yt"))
        }
        return FittedDecision(machine.fit(extract(samples), samples.labels), extract, blocks)


def block_histograms(samples: SampleSet, blocks: int) -> F64:
    """Histograms of every plane and block, each summing to 1: float64 (n, 3 · blocks² · 59).

    Raises DataError where a sample has no key frames.
    """
    require_frames(samples, LbpTop.name)
    return np.stack([_histograms(volume, blocks) for volume in grey_key_frames(samples)])


def _histograms(volume: F32, blocks: int) -> F64:
    parts = []
    for plane in range(len(PLANES)):
        codes = plane_codes(volume, plane)[0]
        for rows in np.array_split(codes, blocks, axis=0):
            for block in np.array_split(rows, blocks, axis=1):
                parts.append(np.bincount(block.ravel(), minlength=BINS) / block.size)
    return np.concatenate(parts)


def plane_codes(volume: F32, plane: int) -> NDArray[np.intp]:
    """Uniform pattern of every inner voxel in one plane.

    Args:
        volume: float32 (T, H, W) grey levels, each axis at least 3.
        plane: 0 = XY, 1 = XT, 2 = YT.

    Returns:
        (T − 2, H − 2, W − 2), values 0..58.
    """
    return _UNIFORM[plane_patterns(volume, plane, _CIRCLE)]


def _uniform_table() -> NDArray[np.intp]:
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, BINS - 1).astype(np.intp)


_UNIFORM = _uniform_table()
METHOD = LbpTop
