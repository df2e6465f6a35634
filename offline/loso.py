"""Leave-one-subject-out evaluation of any method: everything is fitted inside the fold.

What keeps the left-out subject out: a method is handed the other subjects' samples to fit, and nothing
else; every fold works on a fresh copy of the method, so that nothing it remembers crosses folds; and the
samples to predict come without labels and without names.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from offline.fold_store import FoldResult, FoldStore, fingerprint
from offline.methods.base import Method
from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.samples import SampleSet
from realtime.errors import DataError, UsageError
from realtime.types import F64, readonly


def evaluate_loso(
    samples: SampleSet,
    method: Method,
    seed: int = 0,
    jobs: int = 1,
    groups: int | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """`leave_out`, scored by `summarise`."""
    return summarise(samples, leave_out(samples, method, seed, jobs, groups, folder), seed)


def leave_out(
    samples: SampleSet,
    method: Method,
    seed: int = 0,
    jobs: int = 1,
    groups: int | None = None,
    folder: Path | None = None,
) -> list[FoldResult]:
    """Leave one subject out at a time, or one of `groups` groups of subjects.

    Every fold is fitted on the other subjects alone, with settings fixed beforehand. The results do not
    depend on `jobs`, the number of processes. With a `folder` every finished fold is kept in it, and
    those kept there by a run of the same method, settings, seed and data are not fitted again.

    Raises UsageError for fewer than two subjects, DataError where the samples do not suit the method.
    """
    people = _groups(samples, groups)
    store = FoldStore(folder, fingerprint(samples, method, seed)) if folder is not None else None
    kept = {group: store.load(group) if store else None for group in people}
    missing = [group for group in people if kept[group] is None]
    work = (delayed(_fold)(samples, method, seed, group, store) for group in missing)
    done: Iterator[FoldResult] = iter(Parallel(n_jobs=jobs, return_as="generator")(work))
    try:
        for result in tqdm(
            done, total=len(people), initial=len(people) - len(missing), unit="fold", disable=None
        ):
            kept[result.subjects] = result
    except KeyboardInterrupt:
        if store is None:
            raise
        raise KeyboardInterrupt(
            f"the finished folds are kept in {store.folder}: give the same command again to go on"
        ) from None
    return [result for result in kept.values() if result is not None]


def pooled_probabilities(samples: SampleSet, results: Sequence[FoldResult]) -> F64:
    """Every sample's row of the fold that left it out: float64 (n, classes)."""
    rows = np.full((len(samples), len(samples.classes)), np.nan)
    for result in results:
        rows[result.indices] = result.probabilities
    return rows


def summarise(samples: SampleSet, results: Sequence[FoldResult], seed: int) -> dict[str, Any]:
    """JSON-ready results of all folds together (MEGC 2019: pooled predictions are scored once)."""
    predicted = pooled_probabilities(samples, results).argmax(axis=1)
    interval = bootstrap_over_subjects(samples.labels, predicted, samples.subjects, samples.classes, seed)
    return {
        **score_recognition(samples.labels, predicted, samples.classes).as_dict(),
        "interval_95": asdict(interval),
        "classes": list(samples.classes),
        "subject_results": subject_results(samples, predicted),
        "training_curves": {" ".join(result.subjects): list(result.curve) for result in results},
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


def unlabelled(samples: SampleSet) -> SampleSet:
    """The same evidence with every label −1 and every subject and dataset unnamed."""
    nothing = readonly(np.full(len(samples), -1, dtype=np.intp))
    unnamed = ("",) * len(samples)
    return replace(samples, labels=nothing, subjects=unnamed, datasets=unnamed)


def _groups(samples: SampleSet, groups: int | None) -> list[tuple[str, ...]]:
    people = sorted(set(samples.subjects))
    count = len(people) if groups is None else groups
    if len(people) < 2 or not 2 <= count <= len(people):
        raise UsageError(
            f"{len(people)} subjects cannot be left out in {count} groups: use 2 to {len(people)}"
        )
    return [tuple(people[start::count]) for start in range(count)]


def _fold(
    samples: SampleSet, method: Method, seed: int, people: tuple[str, ...], store: FoldStore | None
) -> FoldResult:
    out = np.isin(np.array(samples.subjects), people)
    indices = np.flatnonzero(out)
    with threadpool_limits(1):  # sums over several threads depend on their number
        try:
            fitted = copy.deepcopy(method).fit(samples.subset(np.flatnonzero(~out)), seed)
        except DataError as error:
            raise DataError(f"without {', '.join(people)}: {error}") from error
        probabilities = fitted.predict_proba(unlabelled(samples.subset(indices)))
    result = FoldResult(people, indices, probabilities, fitted.curve)
    if store is not None:
        store.save(result)
    return result
