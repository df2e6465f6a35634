"""Is one recogniser better than another? Paired, on the very same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.metrics import score_recognition
from offline.results import Predictions
from realtime.errors import DataError

FIGURES = ("uf1", "uar", "accuracy")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both, and B minus A with its 95 % interval."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Second recogniser minus first."""

    samples: int
    subjects: int
    figures: dict[str, Difference]
    """Name of the figure, one of `FIGURES` → its difference."""
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    """Probability of so uneven a split, or one more so, if both were equally good; 0..1."""


def compare(first: Predictions, second: Predictions, seed: int = 0, rounds: int = 2000) -> Comparison:
    """Paired differences with a percentile bootstrap over subjects, and McNemar's exact test.

    In each round the same subjects are drawn for both (Efron & Tibshirani 1993). McNemar's test looks at
    single samples: those of one subject are not independent, so where the two disagree trust the interval.

    Raises DataError where the two are not of the same samples, in the same order.
    """
    _same_samples(first, second)
    owners = np.array(first.subjects)
    people = sorted(set(first.subjects))
    clips = [np.flatnonzero(owners == person) for person in people]
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(rounds):
        drawn = np.concatenate([clips[i] for i in rng.integers(0, len(people), len(people))])
        differences.append(_figures(second, drawn) - _figures(first, drawn))
    low, high = np.percentile(differences, [2.5, 97.5], axis=0).tolist()
    everything = np.arange(len(owners))
    whole = _figures(first, everything).tolist(), _figures(second, everything).tolist()
    figures = {
        name: Difference(a, b, b - a, low[i], high[i])
        for i, (name, a, b) in enumerate(zip(FIGURES, *whole, strict=True))
    }
    right = first.predicted == first.true, second.predicted == second.true
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = mcnemar_exact(only_first, only_second)
    return Comparison(len(owners), len(people), figures, only_first, only_second, p)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p of McNemar's test (1947) from the two counts of discordant samples."""
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << discordant))


def _same_samples(first: Predictions, second: Predictions) -> None:
    if (
        first.classes != second.classes
        or first.subjects != second.subjects
        or not np.array_equal(first.true, second.true)
    ):
        raise DataError(
            f"{first.name} and {second.name} are not of the same samples: evaluate both on the same data"
        )


def _figures(predictions: Predictions, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """`FIGURES` on the chosen samples: float64 (3,)."""
    score = score_recognition(predictions.true[chosen], predictions.predicted[chosen], predictions.classes)
    return np.array([getattr(score, name) for name in FIGURES])
