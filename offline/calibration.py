"""How far probabilities can be trusted: calibration, and what abstaining is worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.types import F64

BINS = 15
"""Bins of equal width, as in Guo et al. (2017)."""
_COVERAGES = tuple(n / 20 for n in range(20, 0, -1))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Samples whose confidence – the largest probability – lies in (low, high]."""

    low: float
    high: float
    samples: int
    confidence: float | None
    """Mean; None without samples."""
    accuracy: float | None
    """Share that is right; None without samples."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Do the probabilities mean what they say?"""

    ece: float
    """Expected calibration error, 0..1: |accuracy − confidence| over the bins, weighted by their
    samples (Naeini et al. 2015; Guo et al. 2017)."""
    brier: float
    """Brier score (Brier 1950), 0 (best) .. 2: the mean over samples of the squared distance between
    the row of probabilities and the row that has 1 at the true class."""
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """What is left where only samples with a confidence of `threshold` or more get a label."""

    threshold: float
    coverage: float
    """Share of the samples that get a label, 0..1."""
    samples: int
    risk: float
    """Share of these labels that is wrong, 0..1."""


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Selective classification (Geifman & El-Yaniv 2017)."""

    aurc: float
    """Area under the risk–coverage curve: the mean risk over the coverages 1/n, 2/n .. 1."""
    table: tuple[CoveragePoint, ...]
    """From full coverage down, about one point per 5 % of it."""


def calibration(true: NDArray[np.intp], probabilities: F64, bins: int = BINS) -> Calibration:
    """Compare confidence with accuracy; `probabilities` is float64 (n, classes), n >= 1."""
    confidence, right = _confidence(true, probabilities)
    owner = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    found = tuple(
        _bin(number, bins, confidence[owner == number], right[owner == number]) for number in range(bins)
    )
    gaps = [
        b.samples * abs(b.accuracy - b.confidence)
        for b in found
        if b.accuracy is not None and b.confidence is not None
    ]
    wanted = np.eye(probabilities.shape[1])[true]
    brier = float(((probabilities - wanted) ** 2).sum(axis=1).mean())
    return Calibration(float(sum(gaps)) / len(true), brier, found)


def risk_coverage(true: NDArray[np.intp], probabilities: F64) -> RiskCoverage:
    """The trade between labelling more and being right more often; n >= 1."""
    coverage, threshold, risk = risk_curve(true, probabilities)
    ends = np.flatnonzero(np.diff(threshold, append=-np.inf) < 0)  # equal confidences are labelled together
    points = []
    for wanted in _COVERAGES:
        end = ends[min(int(np.searchsorted(coverage[ends], wanted - 1e-9)), len(ends) - 1)]
        point = CoveragePoint(float(threshold[end]), float(coverage[end]), int(end) + 1, float(risk[end]))
        if point not in points:
            points.append(point)
    return RiskCoverage(float(risk.mean()), tuple(points))


def risk_curve(true: NDArray[np.intp], probabilities: F64) -> tuple[F64, F64, F64]:
    """Coverage, threshold and risk with the surest 1, 2 .. n samples labelled; each float64 (n,).

    Samples of equal confidence have no order: each counts as wrong by the share of them that is.
    """
    confidence, right = _confidence(true, probabilities)
    order = np.argsort(-confidence, kind="stable")
    threshold, wrong = confidence[order], 1.0 - right[order]
    _, group = np.unique(-threshold, return_inverse=True)
    shares = np.bincount(group, weights=wrong) / np.bincount(group)
    labelled = np.arange(1, len(true) + 1)
    return labelled / len(true), threshold, np.cumsum(shares[group]) / labelled


def calibration_results(true: NDArray[np.intp], probabilities: F64) -> dict[str, Any]:
    """Both, JSON-ready, under the names of a results file."""
    about, selective = calibration(true, probabilities), risk_coverage(true, probabilities)
    return {
        "expected_calibration_error": about.ece,
        "brier_score": about.brier,
        "reliability": [asdict(part) for part in about.reliability],
        "risk_coverage": asdict(selective),
    }


def _confidence(true: NDArray[np.intp], probabilities: F64) -> tuple[F64, F64]:
    """Largest probability and 1.0 where its class is the true one."""
    right = (probabilities.argmax(axis=1) == true).astype(np.float64)
    return np.asarray(probabilities.max(axis=1)), right


def _bin(number: int, bins: int, confidence: F64, right: F64) -> ReliabilityBin:
    low, high = number / bins, (number + 1) / bins
    if not len(right):
        return ReliabilityBin(low, high, 0, None, None)
    return ReliabilityBin(low, high, len(right), float(confidence.mean()), float(right.mean()))
