"""`glimpse-offline evaluate`: leave-one-subject-out figures, or the score of a ready bundle."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.sample_options import add_sample_arguments, load_samples, sample_choice
from offline.samples import FOUR_TO_MEGC, SampleSet
from offline.torch_edge import require_torch
from realtime.errors import OutputError, UsageError
from realtime.types import F64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate`."""
    add_sample_arguments(parser)
    add = parser.add_argument
    add("--bundle", metavar="NAME|DIR", help="score this ready bundle; nothing is trained")
    add("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="what the bundle runs on (cpu)")
    add("--config", type=Path, metavar="YAML", help="training settings of every fold")
    add("--groups", type=int, metavar="N", help="leave out N groups of subjects, not one subject at a time")
    add("--jobs", type=int, default=1, metavar="N", help="folds in parallel (1)")
    add("--seed", type=int, metavar="S", help="seed of samples and training (0)")
    add("--out", type=Path, default=Path("results.json"), metavar="JSON", help="results (results.json)")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the results and print the figures; returns the exit code."""
    results = _score_bundle(args) if args.bundle else _leave_one_out(args)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {args.out}: {error.strerror}") from error
    low, high = results["interval_95"]["uf1"]
    print(
        f"{results['total_samples']} samples: accuracy {results['overall_accuracy']:.3f}, "
        f"UF1 {results['uf1']:.3f} (95 % over subjects {low:.3f}..{high:.3f}), UAR {results['uar']:.3f}"
    )
    print(f"wrote {args.out}")
    return 0


def score_probabilities(
    samples: SampleSet, probabilities: F64, classes: tuple[str, ...], seed: int = 0
) -> dict[str, Any]:
    """Results of a model with `classes` on samples that may be labelled by the three MEGC classes.

    Where the classes differ, the probabilities of the four default classes are summed into the three:
    disgust and repression are negative, happiness is positive. Raises UsageError for other classes.
    """
    mapped = _mapped(probabilities, classes, samples.classes)
    predicted = mapped.argmax(axis=1).astype(np.intp)
    interval = bootstrap_over_subjects(samples.labels, predicted, samples.subjects, samples.classes, seed)
    return {
        **score_recognition(samples.labels, predicted, samples.classes).as_dict(),
        "interval_95": asdict(interval),
        "classes": list(samples.classes),
        "model_classes": list(classes),
    }


def _mapped(probabilities: F64, classes: tuple[str, ...], wanted: tuple[str, ...]) -> F64:
    names = [name if name in wanted else FOUR_TO_MEGC.get(name, "") for name in classes]
    if set(names) != set(wanted):
        raise UsageError(f"a model of {', '.join(classes)} cannot be scored on {', '.join(wanted)}")
    table = np.array([[float(name == target) for target in wanted] for name in names])
    return np.asarray(probabilities @ table)


def _score_bundle(args: argparse.Namespace) -> dict[str, Any]:
    from realtime.bundle import load_bundle
    from realtime.recognition import Recognizer

    recognizer = Recognizer(load_bundle(args.bundle), args.device)
    choice = sample_choice(args)
    seed = args.seed or 0
    samples = load_samples(choice, seed)
    probabilities = recognizer.probabilities([samples.evidence(i) for i in range(len(samples))])
    return {
        **score_probabilities(samples, probabilities, recognizer.bundle.classes, seed),
        "bundle": {"name": recognizer.bundle.name, "id": recognizer.bundle.id},
        "data": choice.describe(samples),
        "seed": seed,
    }


def _leave_one_out(args: argparse.Namespace) -> dict[str, Any]:
    require_torch()
    from offline.loso import evaluate_loso
    from offline.train_command import settings_from
    from offline.trained_model import library_versions

    if args.jobs < 1:
        raise UsageError(f"--jobs is {args.jobs}: use 1 or more")
    settings = settings_from(args.config, args.seed)
    choice = sample_choice(args)
    samples = load_samples(choice, settings.seed)
    return {
        **evaluate_loso(samples, settings, args.jobs, args.groups),
        "settings": asdict(settings),
        "data": choice.describe(samples),
        "versions": library_versions(),
    }
