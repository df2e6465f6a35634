"""Leave-one-subject-out evaluation of any method: everything is fitted inside the fold.

What keeps the left-out subject out: a method is handed the other subjects' samples to fit, and nothing
else; every fold works on a fresh copy of the method, so that nothing it remembers crosses folds; and the
samples to predict come without labels and without names.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from offline.calibration import calibration_results
from offline.cluster import cluster, on_worker
from offline.explanations import DONORS, explain_fitted
from offline.fold_store import FoldResult, FoldStore, fingerprint
from offline.methods.base import Method
from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.progress import FoldProgress
from offline.samples import SampleSet
from offline.timing import part, timed_parts
from offline.versions import all_versions
from realtime.child import safe_path
from realtime.errors import DataError, UsageError
from realtime.types import F64, Explanation, readonly


def evaluate_loso(samples: SampleSet, method: Method, seed: int = 0, **options: Any) -> dict[str, Any]:
    """`leave_out`, scored by `summarise`."""
    return summarise(samples, leave_out(samples, method, seed, **options), seed)


def leave_out(
    samples: SampleSet,
    method: Method,
    seed: int = 0,
    jobs: int = 1,
    groups: int | None = None,
    folder: Path | None = None,
    scheduler: str | None = None,
    explained: bool = False,
) -> list[FoldResult]:
    """Leave one subject out at a time, or one of `groups` groups of subjects.

    Every fold is fitted on the other subjects alone, with settings fixed beforehand. The results do not
    depend on `jobs`, the number of processes, nor on the cluster whose `scheduler` is given in place of
    them (its address). With a `folder` every fold is kept in it as soon as it is finished, and those kept
    there by a run of the same method, settings, seed and data are not fitted again. With `explained` every
    fold says what its decisions rested on.

    Raises UsageError for fewer than two subjects, DataError where the samples do not suit the method,
    ClusterError where the cluster fails.
    """
    people = _groups(samples, groups)
    store = FoldStore(folder, fingerprint(samples, method, seed, explained)) if folder is not None else None
    kept = {group: store.load(group) if store else None for group in people}
    missing = [group for group in people if kept[group] is None]
    before = [result.seconds for result in kept.values() if result is not None]
    try:
        with (
            _workers(samples, jobs, scheduler, len(missing)) as workers,
            FoldProgress(len(people), before, workers) as progress,
        ):
            for result in _folds(samples, method, seed, missing, scheduler is not None, explained):
                kept[result.subjects] = result
                if store is not None:
                    store.save(result)
                progress.update(result.seconds)
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


def pooled_explanations(results: Sequence[FoldResult]) -> list[Explanation]:
    """Every sample's explanation, in the order of the samples; empty where there are none."""
    pairs = [
        pair for result in results for pair in zip(result.indices.tolist(), result.explanations, strict=False)
    ]
    return [item for _, item in sorted(pairs, key=lambda pair: pair[0])]


def summarise(samples: SampleSet, results: Sequence[FoldResult], seed: int) -> dict[str, Any]:
    """JSON-ready results of all folds together (MEGC 2019: pooled predictions are scored once)."""
    probabilities = pooled_probabilities(samples, results)
    predicted = probabilities.argmax(axis=1)
    interval = bootstrap_over_subjects(samples.labels, predicted, samples.subjects, samples.classes, seed)
    return {
        **score_recognition(samples.labels, predicted, samples.classes).as_dict(),
        "interval_95": asdict(interval),
        **calibration_results(samples.labels, probabilities),
        "classes": list(samples.classes),
        "subject_results": subject_results(samples, predicted),
        "training_curves": {" ".join(result.subjects): list(result.curve) for result in results},
        "seed": seed,
        "timing": timing(results),
    }


def timing(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Seconds of every fold, by what they were spent on, and of all folds together."""
    totals = [result.seconds for result in results]
    parts = sorted({name for result in results for name in result.timing})
    return {
        "folds_s": float(sum(totals)),
        "median_fold_s": float(np.median(totals)),
        "spent_on_s": {
            name: float(sum(result.timing.get(name, 0.0) for result in results)) for name in parts
        },
        "per_fold": {
            " ".join(result.subjects): {"seconds": result.seconds, **result.timing} for result in results
        },
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
    if len(people) < 2:
        raise UsageError("all samples are of one subject: leaving one out needs two or more")
    if not 2 <= count <= len(people):
        raise UsageError(
            f"{len(people)} subjects cannot be left out in {count} groups: use 2 to {len(people)}"
        )
    return [tuple(people[start::count]) for start in range(count)]


@contextmanager
def _workers(samples: SampleSet, jobs: int, scheduler: str | None, folds: int) -> Iterator[Callable[[], int]]:
    """Let joblib use processes or the cluster; yields how many folds run side by side."""
    if scheduler is None or not folds:
        with safe_path(), parallel_config(backend="loky", n_jobs=jobs):
            yield lambda: jobs
    else:
        with cluster(scheduler, [samples]) as workers:
            yield workers


def _folds(
    samples: SampleSet,
    method: Method,
    seed: int,
    people: Sequence[tuple[str, ...]],
    remote: bool,
    explained: bool,
) -> Iterator[FoldResult]:
    """Folds as they get finished."""
    work = [(samples, method, seed, group, explained) for group in people]
    if remote:
        versions = all_versions()
        calls = (delayed(on_worker)(versions, _fold, *arguments) for arguments in work)
    else:
        calls = (delayed(_fold)(*arguments) for arguments in work)
    # a batch of several would hold back folds that are finished
    parallel = Parallel(
        return_as="generator_unordered", batch_size=1, pre_dispatch="all" if remote else "2*n_jobs"
    )
    yield from parallel(calls)


def _fold(
    samples: SampleSet, method: Method, seed: int, people: tuple[str, ...], explained: bool
) -> FoldResult:
    out = np.isin(np.array(samples.subjects), people)
    indices = np.flatnonzero(out)
    # sums over several threads depend on their number, and a fold must not hand work to other workers
    with timed_parts() as seconds, parallel_config(backend="sequential"), threadpool_limits(1):
        try:
            with part("fit"):
                fitted = copy.deepcopy(method).fit(samples.subset(np.flatnonzero(~out)), seed)
        except DataError as error:
            raise DataError(f"without {', '.join(people)}: {error}") from error
        with part("predict"):
            left_out = unlabelled(samples.subset(indices))
            probabilities = fitted.predict_proba(left_out)
        about: tuple[Explanation, ...] = ()
        if explained:
            with part("explain"):
                drawn = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(~out))[:DONORS]
                about = explain_fitted(fitted, left_out, unlabelled(samples.subset(np.sort(drawn))))
    return FoldResult(people, indices, probabilities, fitted.curve, seconds, about)
