"""Scores a bundle's support vector machine from its numbers alone.

The same decisions as scikit-learn's pipeline (scaler, zero for what is missing, one-against-one RBF SVC),
without its cost per call and without depending on which version of scikit-learn fitted it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from realtime.types import F64, readonly


@dataclass(frozen=True, slots=True, eq=False)
class RbfSvm:
    """A fitted scaler and RBF SVC, as plain arrays."""

    mean: F64
    """(features,)"""
    scale: F64
    """(features,); infinite for a feature that is off."""
    vectors: F64
    """(support vectors, features), scaled."""
    duals: F64
    """(classes − 1, support vectors): libsvm's coefficients of the one-against-one machines."""
    intercepts: F64
    """(pairs of classes,)"""
    support: tuple[int, ...]
    """Support vectors per class, in the order of `vectors`."""
    gamma: float

    @classmethod
    def of(cls, pipeline: Any) -> RbfSvm:
        """The numbers of a fitted scikit-learn pipeline: scaler first, SVC last.

        Raises ValueError or AttributeError where the pipeline is built otherwise.
        """
        scaler, machine = pipeline.steps[0][1], pipeline.steps[-1][1]
        if machine.kernel != "rbf":
            raise ValueError("only RBF machines can be scored")
        return cls(
            mean=_vector(scaler.mean_),
            scale=_vector(scaler.scale_),
            vectors=_vector(machine.support_vectors_),
            duals=_vector(machine._dual_coef_),
            intercepts=_vector(machine._intercept_),
            support=tuple(int(n) for n in machine._n_support),
            gamma=float(machine._gamma),
        )

    def decisions(self, features: F64) -> F64:
        """How far each class wins against the others, summed over the pairs of classes.

        Args:
            features: float64 (n, features), NaN where a modality is missing.

        Returns:
            float64 (n, classes); rows sum to 0.
        """
        scaled = np.nan_to_num((features - self.mean) / self.scale, nan=0.0, posinf=np.inf, neginf=-np.inf)
        squared = (
            (scaled**2).sum(axis=1)[:, None] + (self.vectors**2).sum(axis=1) - 2.0 * scaled @ self.vectors.T
        )
        kernel = np.exp(-self.gamma * np.maximum(squared, 0.0))
        total = np.zeros((len(features), len(self.support)))
        ends = np.cumsum([0, *self.support])
        for k, (i, j) in enumerate(combinations(range(len(self.support)), 2)):
            first, second = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
            value = kernel[:, first] @ self.duals[j - 1, first] + kernel[:, second] @ self.duals[i, second]
            total[:, i] += value + self.intercepts[k]
            total[:, j] -= value + self.intercepts[k]
        return total


def _vector(values: Any) -> F64:
    return readonly(np.ascontiguousarray(values, dtype=np.float64))
