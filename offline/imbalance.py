"""What training does about classes of unequal size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHOICES = ("class_weights", "focal", "oversampling")
"""Weigh the loss by n / (classes · n_class); that, and the focal factor (Lin et al. 2017); or draw the
smaller classes more often."""
FOCAL_GAMMA = 2.0
"""Exponent of the focal factor (1 − p)^γ, as its authors recommend."""


def epoch_order(rng: np.random.Generator, labels: NDArray[np.intp], choice: str) -> NDArray[np.intp]:
    """Indices of one epoch in random order.

    Every sample once; with "oversampling" every class as often as the largest: its samples in turn, the
    last turn drawn.
    """
    if choice != "oversampling":
        return rng.permutation(len(labels)).astype(np.intp)
    most = int(np.bincount(labels).max())
    parts = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        turns = [rng.permutation(mine) for _ in range(-(-most // len(mine)))]
        parts.append(np.concatenate(turns)[:most])
    return rng.permutation(np.concatenate(parts)).astype(np.intp)
