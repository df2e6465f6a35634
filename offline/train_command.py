"""`glimpse-offline train`: fit a recogniser and write it to a folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline.metrics import score_recognition
from offline.results import open_folder
from offline.sample_options import (
    SampleChoice,
    add_sample_arguments,
    collect_samples,
    sample_choice,
    write_excluded,
)
from realtime.config import read_yaml
from realtime.errors import UsageError

if TYPE_CHECKING:
    from offline.samples import SampleSet
    from offline.training import TrainedModel
    from offline.training_settings import TrainingSettings

TEST_IDENTITIES_FROM = 100_000
"""Number of the first synthetic identity, and seed of the first flow, that no training ever sees."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `train`."""
    add_sample_arguments(parser)
    parser.add_argument("--config", type=Path, metavar="YAML", help="training settings")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the trained model")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of the samples and the training (0)")
    parser.add_argument(
        "--test",
        type=int,
        default=400,
        metavar="N",
        help="unseen synthetic samples to score on (400; 0: none)",
    )


def run(args: argparse.Namespace) -> int:
    """Train, score on unseen synthetic samples, save; returns the exit code."""
    from offline.torch_edge import require_torch

    require_torch()
    from offline.trained_model import save_trained
    from offline.training import train

    settings = settings_from(args.config, args.seed)
    choice = replace(sample_choice(args), as_measured=settings.as_measured)
    collected = collect_samples(choice, settings.seed)
    open_folder(args.out)  # refused now, not after hours of work
    samples = collected.samples
    print(f"training on {len(samples)} samples of {len(set(samples.subjects))} subjects")
    model = train(samples, settings)
    for record in model.curve:
        print(f"epoch {record.epoch:2d}  loss {record.loss:.3f}  accuracy {record.accuracy:.3f}")
    data = {**choice.describe(samples), **collected.account()}
    about: dict[str, Any] = {"training_data": data, "metrics": {}}
    if not choice.datasets and args.test > 0:
        about["metrics"] = _score_unseen(model, choice, args.test)
    save_trained(args.out, model, about)
    write_excluded(args.out, choice, collected)
    print(f"wrote {args.out}")
    return 0


def settings_from(path: Path | None, seed: int | None) -> TrainingSettings:
    """Training settings of a YAML file, or the defaults. Raises ConfigError, UsageError."""
    from offline.trained_model import parse_settings
    from offline.training_settings import TrainingSettings

    settings = parse_settings(read_yaml(str(path)), str(path)) if path else TrainingSettings()
    if seed is not None and seed < 0:
        raise UsageError(f"--seed is {seed}: use 0 or more")
    return settings if seed is None else replace(settings, seed=seed)


def unseen_views(choice: SampleChoice, count: int, seed: int) -> dict[str, SampleSet]:
    """Synthetic samples of identities and seeds that no training ever sees, `count` of each kind that is
    trained on: "direct_flow", "rendered"."""
    wanted = replace(
        choice,
        synthetic=count if choice.synthetic else 0,
        rendered=count if choice.rendered else 0,
        crops=min(choice.crops, 50),
        faces=min(choice.faces, 12),
        first_face=TEST_IDENTITIES_FROM,
    )
    unseen = collect_samples(wanted, TEST_IDENTITIES_FROM + seed).samples
    pictured = unseen.frame_rows >= 0
    rows = {"direct_flow": (~pictured).nonzero()[0], "rendered": pictured.nonzero()[0]}
    return {name: unseen.subset(indices) for name, indices in rows.items() if len(indices)}


def _score_unseen(model: TrainedModel, choice: SampleChoice, count: int) -> dict[str, Any]:
    """Figures on unseen samples, whole and as their onset→apex flow alone."""
    from offline.training import predict

    scores = {}
    for name, view in unseen_views(choice, count, model.settings.seed).items():
        for suffix, part in (("", view), ("_onset_apex_flow_only", view.flow_only())):
            predicted = predict(model, part).argmax(axis=1)
            score = score_recognition(part.labels, predicted, part.classes)
            scores[f"unseen_{name}{suffix}"] = score.as_dict()
            print(f"unseen {name}{suffix}: accuracy {score.accuracy:.3f}, UF1 {score.uf1:.3f}")
    return scores
