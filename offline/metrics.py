"""Figures of merit of recognition and of spotting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
"""(onset, offset) of a movement; both in seconds, or both in frames."""


@dataclass(frozen=True, slots=True)
class RecognitionScore:
    """Classification figures; all shares lie in 0..1."""

    accuracy: float
    uar: float
    """Unweighted average recall over the classes that occur (MEGC 2019, See et al. 2019)."""
    uf1: float
    """Unweighted average F1 over the classes that occur: F1 = 2TP / (2TP + FP + FN), pooled counts."""
    weighted_f1: float
    """F1 of the classes, averaged by their numbers of samples."""
    per_class_recall: dict[str, float | None]
    """None for a class without a sample."""
    confusion: list[list[int]]
    """Rows: true class, columns: predicted class."""
    total: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, under the names of a results file."""
        return {
            "overall_accuracy": self.accuracy,
            "uar": self.uar,
            "uf1": self.uf1,
            "weighted_f1": self.weighted_f1,
            "per_class_recall": self.per_class_recall,
            "confusion_matrix": self.confusion,
            "total_samples": self.total,
        }


def score_recognition(
    true: Sequence[int] | NDArray[Any], predicted: Sequence[int] | NDArray[Any], classes: Sequence[str]
) -> RecognitionScore:
    """Score predictions (class indices) of all folds together, as MEGC 2019 does."""
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (np.asarray(true, dtype=np.intp), np.asarray(predicted, dtype=np.intp)), 1)
    hits, support, called = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    occurs = support > 0
    recall = hits / np.maximum(support, 1)
    f1 = 2.0 * hits / np.maximum(support + called, 1)
    return RecognitionScore(
        accuracy=float(hits.sum() / max(int(support.sum()), 1)),
        uar=float(recall[occurs].mean()) if occurs.any() else 0.0,
        uf1=float(f1[occurs].mean()) if occurs.any() else 0.0,
        weighted_f1=float(f1 @ support / max(int(support.sum()), 1)),
        per_class_recall={name: float(recall[i]) if occurs[i] else None for i, name in enumerate(classes)},
        confusion=confusion.tolist(),
        total=int(support.sum()),
    )


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """95 % bootstrap intervals, (low, high)."""

    uf1: tuple[float, float]
    uar: tuple[float, float]
    overall_accuracy: tuple[float, float]
    weighted_f1: tuple[float, float]


def bootstrap_over_subjects(
    true: Sequence[int] | NDArray[Any],
    predicted: Sequence[int] | NDArray[Any],
    subjects: Sequence[str],
    classes: Sequence[str],
    seed: int = 0,
    rounds: int = 1000,
) -> ScoreInterval:
    """Percentile bootstrap (Efron & Tibshirani 1993) that redraws whole subjects, as clips of one person
    are not independent."""
    true, predicted = np.asarray(true, dtype=np.intp), np.asarray(predicted, dtype=np.intp)
    people = sorted(set(subjects))
    clips = {person: np.flatnonzero(np.array([s == person for s in subjects])) for person in people}
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(rounds):
        drawn = np.concatenate([clips[people[i]] for i in rng.integers(0, len(people), len(people))])
        score = score_recognition(true[drawn], predicted[drawn], classes)
        scores.append((score.uf1, score.uar, score.accuracy, score.weighted_f1))
    low, high = np.percentile(scores, [2.5, 97.5], axis=0)
    return ScoreInterval(*((float(a), float(b)) for a, b in zip(low, high, strict=True)))


def interval_iou(first: Interval, second: Interval) -> float:
    """Intersection over union of two intervals, 0..1."""
    overlap = min(first[1], second[1]) - max(first[0], second[0])
    union = max(first[1], second[1]) - min(first[0], second[0])
    return max(overlap, 0.0) / union if union > 0 else float(first == second)


@dataclass(frozen=True, slots=True)
class SpottingScore:
    """Spotting figures by the MEGC protocol."""

    true_positives: int
    false_positives: int
    false_negatives: int
    matches: tuple[tuple[int, int], ...]
    """(index of the true interval, index of the spotted one) of every true positive."""

    @property
    def precision(self) -> float:
        """Share of the spotted intervals that are right; 0 where nothing was spotted."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def recall(self) -> float:
        """Share of the true intervals that were spotted; 0 where there are none."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def f1(self) -> float:
        """2TP / (2TP + FP + FN); 0 where there is nothing at all."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else 0.0


def score_spotting(
    true: Sequence[Interval], spotted: Sequence[Interval], min_iou: float = 0.5
) -> SpottingScore:
    """Match intervals one to one, best overlap first; a pair counts from an IoU of `min_iou` on."""
    pairs = [
        (interval_iou(truth, guess), i, j) for i, truth in enumerate(true) for j, guess in enumerate(spotted)
    ]
    free_true, free_spotted = set(range(len(true))), set(range(len(spotted)))
    matches = []
    for iou, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if iou >= min_iou and i in free_true and j in free_spotted:
            matches.append((i, j))
            free_true.remove(i)
            free_spotted.remove(j)
    return SpottingScore(len(matches), len(free_spotted), len(free_true), tuple(sorted(matches)))


def pooled_spotting(scores: Sequence[SpottingScore]) -> SpottingScore:
    """Counts of several videos added up, as the protocol's F1 wants; matches are dropped."""
    return SpottingScore(
        sum(score.true_positives for score in scores),
        sum(score.false_positives for score in scores),
        sum(score.false_negatives for score in scores),
        (),
    )


def apex_errors(
    true_apexes: Sequence[float], spotted_apexes: Sequence[float], score: SpottingScore
) -> NDArray[np.float64]:
    """Spotted minus true apex of every true positive, in the unit of the inputs; float64 (matches,)."""
    return np.array([spotted_apexes[j] - true_apexes[i] for i, j in score.matches], dtype=np.float64)
