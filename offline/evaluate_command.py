"""`glimpse-offline evaluate`: leave-one-subject-out figures of a method, or the score of a ready bundle."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from offline.calibration import calibration_results
from offline.datasets.combined import Collected
from offline.explanations import DONORS, write_explanations
from offline.figures_command import draw_and_tell
from offline.loso import leave_out, pooled_explanations, pooled_probabilities, subject_results, summarise
from offline.methods import make_method, method_names
from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.results import (
    FOLDS,
    PREDICTIONS,
    RESULTS,
    class_weights,
    open_folder,
    scores_per_dataset,
    write_results,
)
from offline.sample_options import (
    SampleChoice,
    add_sample_arguments,
    collect_samples,
    sample_choice,
    write_excluded,
)
from offline.samples import SampleSet, mapped_probabilities
from offline.versions import library_versions
from realtime.config import read_yaml
from realtime.devices import DEVICES
from realtime.errors import UsageError
from realtime.types import F64, Explanation

DEFAULT_METHOD = "hybrid"
Evaluated = tuple[Collected, dict[str, Any], F64, list[Explanation]]
"""Samples, results, probabilities (n, classes), and what the decisions rested on, if that was asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate`."""
    add_sample_arguments(parser)
    add = parser.add_argument
    add("--method", metavar="NAME", help=f"{', '.join(method_names())} ({DEFAULT_METHOD})")
    add("--bundle", metavar="NAME|DIR", help="score this ready bundle; nothing is trained")
    add("--device", choices=DEVICES, help="what the bundle runs on (cpu)")
    add("--config", type=Path, metavar="YAML", help="the method's settings, the same in every fold")
    add("--groups", type=int, metavar="N", help="leave out N groups of subjects, not one subject at a time")
    add("--jobs", type=int, metavar="N", help="folds in parallel on this machine (1)")
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="folds on the Dask cluster with this scheduler: tcp://host:8786",
    )
    add("--seed", type=int, metavar="S", help="seed of samples and training (0)")
    add("--explain", action="store_true", help="say what each decision rested on; the report draws it")
    add("--no-figures", action="store_true", help="draw no figures")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="folder for the results (results)")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the results and print the figures; returns the exit code."""
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs is {args.jobs}: use 1 or more")
    if args.seed is not None and args.seed < 0:
        raise UsageError(f"--seed is {args.seed}: use 0 or more")
    if args.scheduler and args.jobs is not None:
        raise UsageError("--scheduler uses every worker of the cluster: leave --jobs out")
    if args.bundle and (args.method or args.config or args.groups or args.jobs or args.scheduler):
        raise UsageError(
            "--bundle scores a ready model: "
            "--method, --config, --groups, --jobs and --scheduler go without it"
        )
    if args.device and not args.bundle:
        raise UsageError("--device goes with --bundle")
    choice = sample_choice(args)
    collected, results, probabilities, explanations = (
        _score_bundle(args, choice) if args.bundle else _leave_out(args, choice)
    )
    samples = collected.samples
    results = {
        **results,
        "per_dataset": scores_per_dataset(samples, probabilities.argmax(axis=1), results["seed"]),
        "class_weights": class_weights(samples),
        "data": {**choice.describe(samples), **collected.account()},
        "versions": library_versions(),
    }
    write_results(args.out, results, samples, probabilities)
    write_explanations(args.out, explanations)
    write_excluded(args.out, choice, collected)
    _print_figures(results)
    print(f"wrote {args.out / RESULTS} and {args.out / PREDICTIONS}")
    if not args.no_figures:
        draw_and_tell(args.out)
    return 0


def score_probabilities(
    samples: SampleSet, probabilities: F64, classes: tuple[str, ...], seed: int = 0
) -> dict[str, Any]:
    """Results of a model with `classes` on samples that may be labelled by the three MEGC classes.

    Where the classes differ, the probabilities of the four default classes are summed into the three:
    disgust and repression are negative, happiness is positive. Raises UsageError for other classes.
    """
    mapped = mapped_probabilities(probabilities, classes, samples.classes)
    predicted = mapped.argmax(axis=1).astype(np.intp)
    interval = bootstrap_over_subjects(samples.labels, predicted, samples.subjects, samples.classes, seed)
    return {
        **score_recognition(samples.labels, predicted, samples.classes).as_dict(),
        "interval_95": asdict(interval),
        **calibration_results(samples.labels, mapped),
        "classes": list(samples.classes),
        "subject_results": subject_results(samples, predicted),
        "model_classes": list(classes),
    }


def _score_bundle(args: argparse.Namespace, choice: SampleChoice) -> Evaluated:
    from realtime.bundle import load_bundle
    from realtime.recognition import Recognizer

    recognizer = Recognizer(load_bundle(args.bundle), args.device or "cpu")
    open_folder(args.out)  # refused now, not after hours of work
    seed = args.seed or 0
    collected = collect_samples(choice, seed)
    samples = collected.samples
    probabilities = recognizer.probabilities([samples.evidence(i) for i in range(len(samples))])
    classes = recognizer.bundle.classes
    results = {
        **score_probabilities(samples, probabilities, classes, seed),
        "bundle": {"name": recognizer.bundle.name, "id": recognizer.bundle.id},
        "seed": seed,
    }
    if args.explain:
        results["explained"] = {"blocks": "at the mean"}
    explanations = (
        [recognizer.explain(samples.evidence(i)) for i in range(len(samples))] if args.explain else []
    )
    return collected, results, mapped_probabilities(probabilities, classes, samples.classes), explanations


def _leave_out(args: argparse.Namespace, choice: SampleChoice) -> Evaluated:
    settings = read_yaml(str(args.config)) if args.config else None
    method = make_method(args.method or DEFAULT_METHOD, settings, str(args.config))
    open_folder(args.out)  # refused now, not after hours of work
    seed = args.seed if args.seed is not None else getattr(method.settings, "seed", 0)
    collected = collect_samples(choice, seed)
    samples = collected.samples
    folds = leave_out(
        samples, method, seed, args.jobs or 1, args.groups, args.out / FOLDS, args.scheduler, args.explain
    )
    results = {
        **summarise(samples, folds, seed),
        "method": method.name,
        "calibrated": method.calibrated,
        "groups": args.groups,
        "settings": asdict(method.settings),
    }
    if args.explain:
        results["explained"] = {"blocks": "permutation", "donors": DONORS}
    return collected, results, pooled_probabilities(samples, folds), pooled_explanations(folds)


def _print_figures(results: dict[str, Any]) -> None:
    low, high = results["interval_95"]["uf1"]
    print(
        f"{results['total_samples']} samples: accuracy {results['overall_accuracy']:.3f}, "
        f"UF1 {results['uf1']:.3f} (95 % over subjects {low:.3f}..{high:.3f}), UAR {results['uar']:.3f}, "
        f"weighted F1 {results['weighted_f1']:.3f}"
    )
    print(_calibration_line(results))
    if len(results["per_dataset"]) > 1:
        for name, part in results["per_dataset"].items():
            print(f"  {name}: {part['total_samples']} samples, UF1 {part['uf1']:.3f}, UAR {part['uar']:.3f}")


def _calibration_line(results: dict[str, Any]) -> str:
    """Calibration, and what it would give to leave the least sure fifth without a label."""
    about = (
        f"expected calibration error {results['expected_calibration_error']:.3f}, "
        f"Brier score {results['brier_score']:.3f}, AURC {results['risk_coverage']['aurc']:.3f}"
    )
    points = [point for point in results["risk_coverage"]["table"] if point["coverage"] <= 0.85]
    if not points:
        return about
    point = points[0]
    return about + (
        f"; with {100 * (1 - point['coverage']):.0f} % uncertain (below {point['threshold']:.2f}) "
        f"the accuracy is {1 - point['risk']:.3f}"
    )
