"""From the scores of several sources to calibrated probabilities.

Three sources score every movement: the network's committee, its prior (which has learned from synthetic
flow alone) and the support vector machine on the 224 features. Each sees what the others do not, and
their sum is right more often than any of them; so the probabilities come from all three, as a softmax
of their weighted sum (stacking, Wolpert 1992; one weight per source and one offset per class, fitted on
movements of people whom none of the sources had seen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

from realtime.svm import RbfSvm
from realtime.types import F64

SOURCES = ("members", "prior", "svm")
"""What scores a movement, in the order of `Fusion.weights`."""


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """How much each source counts."""

    weights: F64
    """(3,), >= 0: factor of each source's scores; 0 leaves it out."""
    offsets: F64
    """(classes,): added to the sum."""

    def softened(self, temperature: float) -> Fusion:
        """The same with the sum divided by `temperature`."""
        return Fusion(self.weights / temperature, self.offsets / temperature)

    def probabilities(self, scores: F64) -> F64:
        """Float64 (n, 3, classes), scores of every source → probabilities (n, classes), rows sum to 1."""
        total = np.tensordot(scores, self.weights, axes=(1, 0)) + self.offsets
        return np.asarray(softmax(total, axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class UnitCalibration:
    """Logits of action units → probabilities: a sigmoid for each (Platt 1999)."""

    slopes: F64
    """(13,)"""
    offsets: F64
    """(13,)"""

    def probabilities(self, logits: F64) -> F64:
        """Float64 (n, 13, 2), left and right of the person, both ways."""
        return np.asarray(expit(logits * self.slopes[:, None] + self.offsets[:, None]), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """All of a recogniser that comes after its network and its features."""

    svm: RbfSvm
    fusion: Fusion
    units: UnitCalibration | None
    """None where the network knows no action units."""

    def probabilities(self, network_scores: F64, features: F64) -> F64:
        """Calibrated probabilities of the classes.

        Args:
            network_scores: float64 (n, 2, classes): the members' and the prior's.
            features: float64 (n, 224), NaN where a modality is missing.

        Returns:
            float64 (n, classes); rows sum to 1.
        """
        return self.fusion.probabilities(
            np.concatenate([network_scores, self.svm.decisions(features)[:, None]], axis=1)
        )
