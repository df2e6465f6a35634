"""The folder that an evaluation leaves behind.

results.json      figures, settings, data, versions, and the SHA-256 of predictions.csv
predictions.csv   sample, subject, dataset, true, predicted, and p_<class> of every class
excluded.csv      of datasets: every clip that was left out, and why
figures/          drawn from both
folds/            finished folds of a leave-one-subject-out run
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.samples import SampleSet
from realtime.errors import DataError, OutputError
from realtime.sinks.files import output_errors, write_together
from realtime.types import F64

RESULTS = "results.json"
PREDICTIONS = "predictions.csv"
FOLDS = "folds"
TIMES = ("timestamp", "timing")
"""Entries of a results file that differ between two runs of the same samples, settings and seed."""
_COLUMNS = ("sample", "subject", "dataset", "true", "predicted")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What was predicted for every sample of an evaluation."""

    name: str
    """Folder it was read from."""
    method: str
    classes: tuple[str, ...]
    subjects: tuple[str, ...]
    true: NDArray[np.intp]
    predicted: NDArray[np.intp]
    probabilities: F64
    """(n, classes)."""


def scores_per_dataset(samples: SampleSet, predicted: NDArray[np.intp], seed: int = 0) -> dict[str, Any]:
    """Figures of every dataset by itself, with 95 % intervals over its people."""
    found = {}
    for name in sorted(set(samples.datasets)):
        mine = np.flatnonzero([owner == name for owner in samples.datasets])
        true, given, people = samples.labels[mine], predicted[mine], [samples.subjects[i] for i in mine]
        interval = bootstrap_over_subjects(true, given, people, samples.classes, seed)
        score = score_recognition(true, given, samples.classes)
        found[name] = {**score.as_dict(), "interval_95": asdict(interval)}
    return found


def class_weights(samples: SampleSet) -> dict[str, float | None]:
    """n / (classes · n_class) over all samples; None for a class without any."""
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    return {
        name: len(samples) / (len(counts) * int(count)) if count else None
        for name, count in zip(samples.classes, counts, strict=True)
    }


def write_results(folder: Path, results: dict[str, Any], samples: SampleSet, probabilities: F64) -> None:
    """Write both files; each takes its name only when it is whole, results.json last.

    Raises OutputError where the folder cannot be written.
    """
    predictions = _predictions_csv(samples, probabilities)
    about = {
        **results,
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "predictions_sha256": hashlib.sha256(predictions).hexdigest(),
    }
    open_folder(folder)
    text = json.dumps(about, indent=2) + "\n"
    write_together({folder / PREDICTIONS: predictions, folder / RESULTS: text.encode()})


def open_folder(folder: Path) -> None:
    """Make the folder where it does not exist. Raises OutputError."""
    if folder.suffix == ".json" or folder.is_file():
        raise OutputError(f"{folder} is no folder: name one, results are written into it")
    with output_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)


def evaluation_files(folder: Path) -> tuple[Path, ...]:
    """The files that an evaluation is read from."""
    return folder / RESULTS, folder / PREDICTIONS


def read_predictions(folder: Path) -> Predictions:
    """Predictions of an evaluation. Raises DataError as `read_evaluation` does."""
    return read_evaluation(folder)[1]


def read_evaluation(folder: Path) -> tuple[dict[str, Any], Predictions]:
    """Read an evaluation back: what results.json holds, and the predictions.

    Raises DataError where the folder holds none, or its files disagree.
    """
    try:
        about = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        data = (folder / PREDICTIONS).read_bytes()
        if hashlib.sha256(data).hexdigest() != about["predictions_sha256"]:
            raise DataError(f"{RESULTS} and {PREDICTIONS} in {folder} are of different runs: evaluate again")
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        classes = tuple(about["classes"])
        predictions = Predictions(
            str(folder),
            about.get("method") or about["bundle"]["name"],
            classes,
            tuple(row["subject"] for row in rows),
            np.array([classes.index(row["true"]) for row in rows], dtype=np.intp),
            np.array([classes.index(row["predicted"]) for row in rows], dtype=np.intp),
            np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise DataError(
            f"no evaluation in {folder}: make one with glimpse-offline evaluate --out {folder}"
        ) from error
    return about, predictions


def _predictions_csv(samples: SampleSet, probabilities: F64) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*_COLUMNS, *(f"p_{name}" for name in samples.classes)])
    predicted = probabilities.argmax(axis=1)
    for index, row in enumerate(probabilities.tolist()):
        names = (samples.classes[samples.labels[index]], samples.classes[predicted[index]])
        table.writerow([index, samples.subjects[index], samples.datasets[index], *names, *row])
    return text.getvalue().encode()
