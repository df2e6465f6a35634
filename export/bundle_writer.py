"""Writes a bundle: everything is checked in memory first, then the folder appears at once."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export.card import model_card
from export.parity import check_network, check_scorer
from export.to_onnx import network_to_onnx
from offline.trained_model import load_trained
from realtime.bundle import CARD, DESCRIPTION, NETWORK, SCHEMA, SCORER, content_id, load_bundle
from realtime.errors import DataError, OutputError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.scorer_file import read_scorer, scorer_bytes

MAX_BYTES = 5_000_000


def export_bundle(trained: Path, out: Path, name: str, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a trained model into a bundle folder; returns what bundle.json says.

    Args:
        trained: folder written by `glimpse-offline train`.
        out: bundle folder; an older bundle there is replaced, anything else is left alone.
        name: name of the bundle.
        notes: further facts for bundle.json and the model card, e.g. "evaluations".

    Raises OutputError where ONNX or the saved SVM do not agree with what was trained, the bundle grows
    beyond 5 MB, or the folder cannot be written; then nothing is left behind. DataError for `trained`.
    """
    if out.exists() and not (out.is_dir() and ((out / DESCRIPTION).is_file() or not any(out.iterdir()))):
        raise OutputError(f"{out} exists and is no bundle: give another folder")
    model, about = load_trained(trained)
    network, scorer = network_to_onnx(model.network), scorer_bytes(model.scorer)
    difference = check_network(model, network)
    check_scorer(model, read_scorer(scorer, SCORER))
    description = {
        "schema": SCHEMA,
        "name": name,
        "id": content_id(network, scorer),
        "classes": list(model.classes),
        "feature_spec": FEATURE_SPEC_ID,
        "training_data": about.get("training_data", {}),
        "metrics": about.get("metrics", {}),
        "settings": asdict(model.settings),
        "svm_choice": model.svm_choice,
        "training_curve": [asdict(record) for record in model.curve],
        "library_versions": about.get("versions", {}),
        "largest_difference_to_torch": difference,
        **notes,
    }
    _check_evaluations(description)
    contents = {NETWORK: network, SCORER: scorer, CARD: model_card(description).encode("utf-8")}
    description["files"] = {
        file: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for file, data in contents.items()
    }
    contents[DESCRIPTION] = (json.dumps(description, indent=2) + "\n").encode("utf-8")
    size = sum(len(data) for data in contents.values())
    if size > MAX_BYTES:
        raise OutputError(
            f"the bundle takes {size} bytes, more than {MAX_BYTES}: "
            "lower network.members, network.channels or svm.max_samples and train again"
        )
    _write(out, contents)
    return description


def _check_evaluations(description: Mapping[str, Any]) -> None:
    """Refuse figures of another bundle, and of the data that the model was trained on."""
    trained_on = description["training_data"].get("dataset_folder")
    for item in description.get("evaluations", []):
        if item["bundle_id"] not in (None, description["id"]):
            raise DataError(f"the evaluation is of bundle {item['bundle_id']}, not of {description['id']}")
        if item["bundle_id"] and trained_on and item["data"].get("dataset_folder") == trained_on:
            raise DataError(f"the evaluation is on {trained_on}, which the model was trained on")


def _write(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write beside the target, verify by loading, then move into place."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as scratch:
            folder = Path(scratch) / "bundle"
            folder.mkdir()
            for file, data in contents.items():
                (folder / file).write_bytes(data)
            load_bundle(folder)
            _replace(out, folder, Path(scratch) / "earlier")
    except OSError as error:
        raise OutputError(f"cannot write the bundle to {out}: {error.strerror}") from error


def _replace(out: Path, new: Path, aside: Path) -> None:
    """Put `new` in the place of `out`, which comes back where that fails."""
    if out.exists():
        out.rename(aside)
    try:
        new.rename(out)
    except BaseException:  # Ctrl-C too: what was put aside goes with the scratch folder
        if aside.exists():
            aside.rename(out)
        raise
