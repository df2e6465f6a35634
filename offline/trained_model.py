"""A trained model on disk: a folder that `glimpse-export` turns into a bundle.

    model.json     classes, settings, training curve, metrics, data, versions
    network.npz    the networks' weights as plain arrays
    scorer.npz     scaler, SVM, fusion, calibration

Nothing in it is pickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from offline.network import GlimpseNet, Member, Prior, UnitReadout
from offline.prior import prior_shape
from offline.results import open_folder
from offline.settings import read_settings
from offline.training import TrainedModel
from offline.training_settings import EpochRecord, TrainingSettings
from offline.versions import library_versions
from realtime.bundle import SCORER
from realtime.errors import ConfigError, DataError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.plain_arrays import read_arrays
from realtime.scorer_file import read_scorer, scorer_bytes
from realtime.sinks.files import write_together

SCHEMA = "glimpse-trained/6"
MODEL = "model.json"
WEIGHTS = "network.npz"
_MOST_WEIGHTS, _MOST_BYTES = 10_000, 256_000_000


def save_trained(folder: Path, model: TrainedModel, about: Mapping[str, Any]) -> None:
    """Write a trained model. `about` joins model.json: data, metrics, command.

    Raises OutputError where the folder cannot be written; then a model that was there is still whole.
    """
    description = {
        "schema": SCHEMA,
        "classes": list(model.classes),
        "feature_spec": FEATURE_SPEC_ID,
        "settings": asdict(model.settings),
        "prior_classes": None if model.network.prior is None else list(model.network.prior.class_names),
        "own_action_units": model.network.own_units,
        "svm_choice": model.svm_choice,
        "training_curve": [asdict(record) for record in model.curve],
        "versions": library_versions(),
        **about,
    }
    weights = io.BytesIO()
    np.savez(weights, **{name: value.numpy() for name, value in model.network.state_dict().items()})
    open_folder(folder)
    write_together(
        {
            folder / WEIGHTS: weights.getvalue(),
            folder / SCORER: scorer_bytes(model.scorer),
            folder / MODEL: (json.dumps(description, indent=2) + "\n").encode(),
        }
    )


def load_trained(folder: Path) -> tuple[TrainedModel, dict[str, Any]]:
    """Read a trained model and its description.

    Raises DataError where the folder holds none, or one of another version; BundleError for its scorer.
    """
    try:
        description = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        scorer = (folder / SCORER).read_bytes()
        arrays = read_arrays(
            (folder / WEIGHTS).read_bytes(),
            (np.float32, np.int64),
            most_arrays=_MOST_WEIGHTS,
            most_bytes=_MOST_BYTES,
        )
        weights = {name: torch.tensor(array) for name, array in arrays.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"no trained model in {folder}: make one with glimpse-offline train --out") from error
    if (
        not isinstance(description, dict)
        or description.get("schema") != SCHEMA
        or description.get("feature_spec") != FEATURE_SPEC_ID
    ):
        raise DataError(
            f"the trained model in {folder} is of another version or feature spec: train it again"
        )
    try:
        settings = parse_settings(description["settings"], str(folder / MODEL))
        network = _empty_network(description, settings)
        network.load_state_dict(weights)
        curve = tuple(EpochRecord(**record) for record in description["training_curve"])
        classes, choice = tuple(description["classes"]), dict(description["svm_choice"])
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"the trained model in {folder} is damaged: train it again") from error
    numbers = read_scorer(scorer, str(folder / SCORER))
    return TrainedModel(network.eval(), numbers, classes, settings, curve, choice), description


def _empty_network(description: Mapping[str, Any], settings: TrainingSettings) -> GlimpseNet:
    """A network of the described shape, its weights drawn at random."""
    classes, prior, shape = tuple(description["classes"]), None, settings.network
    members = [Member(classes, shape.member_features, shape) for _ in range(shape.members)]
    if description["prior_classes"] is not None:
        prior_classes = tuple(description["prior_classes"])
        member = Member(prior_classes, shape.prior_features, prior_shape(shape, settings.prior))
        prior = Prior(member, UnitReadout(shape.flow_size))
    return GlimpseNet(members, prior, shape, bool(description["own_action_units"]))


def parse_settings(data: Any, where: str) -> TrainingSettings:
    """Training settings from a mapping as YAML or JSON gives it. Raises ConfigError."""
    return read_settings(TrainingSettings, data, where)
