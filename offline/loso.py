"""Leave-one-subject-out evaluation: everything is fitted inside the fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.samples import SampleSet
from offline.training import EpochRecord, TrainingSettings, all_features, single_thread, train
from realtime.errors import UsageError
from realtime.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """What one left-out group of subjects gave."""

    subjects: tuple[str, ...]
    indices: NDArray[np.intp]
    """Samples of these subjects."""
    probabilities: F64
    """(samples, classes)."""
    curve: tuple[EpochRecord, ...]


def evaluate_loso(
    samples: SampleSet, settings: TrainingSettings, jobs: int = 1, groups: int | None = None
) -> dict[str, Any]:
    """Leave one subject out at a time, or one of `groups` groups of subjects; returns the results.

    Network, scaler, SVM, its parameters and its calibration are fitted on the other subjects alone, for
    a fixed number of epochs: nothing is chosen on the left-out ones. The folds' predictions are scored
    together (MEGC 2019). The results do not depend on `jobs`.

    Raises UsageError for fewer than two subjects, DataError where a fold lacks a class.
    """
    held_out = _groups(samples, groups)
    results: list[FoldResult] = Parallel(n_jobs=jobs)(
        delayed(_fold)(samples, settings, people) for people in held_out
    )
    return summarise(samples, results, settings.seed)


def summarise(samples: SampleSet, results: Sequence[FoldResult], seed: int) -> dict[str, Any]:
    """JSON-ready results of all folds together."""
    predicted = np.full(len(samples), -1, dtype=np.intp)
    for result in results:
        predicted[result.indices] = result.probabilities.argmax(axis=1)
    interval = bootstrap_over_subjects(samples.labels, predicted, samples.subjects, samples.classes, seed)
    return {
        **score_recognition(samples.labels, predicted, samples.classes).as_dict(),
        "interval_95": asdict(interval),
        "classes": list(samples.classes),
        "subject_results": subject_results(samples, predicted),
        "training_curves": {
            " ".join(result.subjects): [asdict(record) for record in result.curve] for result in results
        },
        "seed": seed,
    }


def subject_results(samples: SampleSet, predicted: NDArray[np.intp]) -> dict[str, Any]:
    """Samples, accuracy, true and predicted classes of every subject."""
    results = {}
    owners = np.array(samples.subjects)
    for subject in sorted(set(samples.subjects)):
        mine = np.flatnonzero(owners == subject)
        results[subject] = {
            "samples": len(mine),
            "accuracy": float((samples.labels[mine] == predicted[mine]).mean()),
            "true": [samples.classes[i] for i in samples.labels[mine]],
            "predicted": [samples.classes[i] for i in predicted[mine]],
        }
    return results


def _groups(samples: SampleSet, groups: int | None) -> list[tuple[str, ...]]:
    people = sorted(set(samples.subjects))
    count = len(people) if groups is None else groups
    if len(people) < 2 or not 2 <= count <= len(people):
        raise UsageError(
            f"{len(people)} subjects cannot be left out in {count} groups: use 2 to {len(people)}"
        )
    return [tuple(people[start::count]) for start in range(count)]


def _fold(samples: SampleSet, settings: TrainingSettings, people: tuple[str, ...]) -> FoldResult:
    out = np.array([subject in people for subject in samples.subjects])
    model = train(samples.subset(np.flatnonzero(~out)), settings)
    indices = np.flatnonzero(out)
    with single_thread():
        features = all_features(model.network, samples.subset(indices))
    return FoldResult(people, indices, model.svm.predict_proba(features), model.curve)
