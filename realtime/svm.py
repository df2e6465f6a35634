"""Scores the calibrated SVM of a bundle from its numbers alone.

The same result as scikit-learn's pipeline (scaler, zero for what is missing, one-against-one RBF SVC,
sigmoid calibration per class), without its cost per call and without depending on which version of
scikit-learn fitted it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit

from realtime.types import F64, readonly


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedSvm:
    """A fitted scaler, RBF SVC and sigmoid calibration, as plain arrays."""

    mean: F64
    """(features,)"""
    scale: F64
    """(features,)"""
    vectors: F64
    """(support vectors, features), scaled."""
    duals: F64
    """(classes − 1, support vectors): libsvm's coefficients of the one-against-one machines."""
    intercepts: F64
    """(pairs of classes,)"""
    support: tuple[int, ...]
    """Support vectors per class, in the order of `vectors`."""
    gamma: float
    slopes: F64
    """Platt's A per calibrator: one per class, or a single one for two classes."""
    offsets: F64
    """Platt's B."""

    @classmethod
    def of(cls, pipeline: Any) -> CalibratedSvm:
        """The numbers of a fitted scikit-learn pipeline: scaler first, CalibratedClassifierCV last.

        Raises ValueError or AttributeError where the pipeline is built otherwise.
        """
        scaler, calibrated = pipeline.steps[0][1], pipeline.steps[-1][1]
        (fitted,) = calibrated.calibrated_classifiers_
        machine, calibrators = fitted.estimator, fitted.calibrators
        if machine.kernel != "rbf" or fitted.method != "sigmoid":
            raise ValueError("only RBF machines with sigmoid calibration can be scored")
        return cls(
            mean=_vector(scaler.mean_),
            scale=_vector(scaler.scale_),
            vectors=_vector(machine.support_vectors_),
            duals=_vector(machine._dual_coef_),
            intercepts=_vector(machine._intercept_),
            support=tuple(int(n) for n in machine._n_support),
            gamma=float(machine._gamma),
            slopes=_vector([c.a_ for c in calibrators]),
            offsets=_vector([c.b_ for c in calibrators]),
        )

    def predict_proba(self, features: F64) -> F64:
        """Calibrated probabilities.

        Args:
            features: float64 (n, features), NaN where a modality is missing.

        Returns:
            float64 (n, classes); rows sum to 1.
        """
        scaled = np.nan_to_num((features - self.mean) / self.scale, nan=0.0, posinf=np.inf, neginf=-np.inf)
        decisions = self._decisions(scaled)
        likely = expit(-(self.slopes * decisions + self.offsets))
        if len(self.support) == 2:
            return np.concatenate([1.0 - likely, likely], axis=1)
        total = likely.sum(axis=1, keepdims=True)
        uniform = 1.0 / likely.shape[1]
        return np.where(total > 0.0, likely / np.where(total > 0.0, total, 1.0), uniform)

    def _decisions(self, scaled: F64) -> F64:
        """One value per class (n, classes), or (n, 1) for two classes."""
        squared = (
            (scaled**2).sum(axis=1)[:, None] + (self.vectors**2).sum(axis=1) - 2.0 * scaled @ self.vectors.T
        )
        kernel = np.exp(-self.gamma * np.maximum(squared, 0.0))
        pairs = self._pairs(kernel)
        if len(self.support) == 2:
            return -pairs
        return self._votes(pairs)

    def _pairs(self, kernel: F64) -> F64:
        """Decision of every pair of classes, (n, pairs); positive for the first of the two."""
        ends = np.cumsum([0, *self.support])
        columns = []
        for k, (i, j) in enumerate(combinations(range(len(self.support)), 2)):
            first, second = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
            value = kernel[:, first] @ self.duals[j - 1, first] + kernel[:, second] @ self.duals[i, second]
            columns.append(value + self.intercepts[k])
        return np.stack(columns, axis=1)

    def _votes(self, pairs: F64) -> F64:
        """Votes of the pairs, ties broken by their summed confidence, which counts for less than a vote."""
        count = len(self.support)
        votes = np.zeros((len(pairs), count))
        confidence = np.zeros((len(pairs), count))
        for k, (i, j) in enumerate(combinations(range(count), 2)):
            votes[:, i] += pairs[:, k] >= 0.0
            votes[:, j] += pairs[:, k] < 0.0
            confidence[:, i] += pairs[:, k]
            confidence[:, j] -= pairs[:, k]
        decisions: F64 = votes + confidence / (3.0 * (np.abs(confidence) + 1.0))
        return decisions


def _vector(values: Any) -> F64:
    return readonly(np.ascontiguousarray(values, dtype=np.float64))
