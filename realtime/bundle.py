"""Model bundles: a folder with a description, an ONNX network, an SVM and a model card.

    bundle.json     what the bundle is, and the SHA-256 and size of every other file
    cnn.onnx        the network
    scorer.npz      scaler, SVM, fusion and calibration: numbers, and nothing that could run
    MODEL_CARD.md   for people

Loading checks everything before anything is used; every refusal is a `BundleError` of one line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from realtime.errors import BundleError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.fusion import Scorer
from realtime.scorer_file import read_scorer

SCHEMA = "glimpse-bundle/3"
DESCRIPTION = "bundle.json"
NETWORK = "cnn.onnx"
SCORER = "scorer.npz"
CARD = "MODEL_CARD.md"
FILES = (NETWORK, SCORER, CARD)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A verified bundle."""

    name: str
    id: str
    """Short hash over the contents of the network and the scorer."""
    classes: tuple[str, ...]
    """In the order of the probabilities."""
    network: bytes
    """The ONNX model."""
    scorer: Scorer
    """The network's scores and 224 features, float64 (n, 224) → probabilities (n, classes)."""
    description: Mapping[str, Any]
    """All of bundle.json: training data, metrics, settings, library versions."""
    folder: Path


def load_bundle(model: str | os.PathLike[str] = "default") -> Bundle:
    """Load and verify a bundle folder, or a shipped bundle by its name.

    Raises BundleError where there is none, a file is missing or changed, the schema or feature spec is
    another one, the classes do not fit, or the scorer holds anything but the numbers that it should.
    """
    folder = find_bundle(model)
    description = _read_description(folder)
    _check_spec(folder, description)
    contents = _verified_files(folder, description)
    classes = _classes(folder, description)
    found = content_id(contents[NETWORK], contents[SCORER])
    if description.get("id") != found:
        raise BundleError(
            f"bundle {folder} is damaged: its id does not fit its files; copy or export it again"
        )
    scorer = read_scorer(contents[SCORER], str(folder / SCORER))
    if (known := len(scorer.svm.support)) != len(classes):
        raise BundleError(
            f"bundle {folder} has wrong classes: its SVM knows {known}, it names {len(classes)}"
        )
    name = str(description.get("name", folder.name))
    return Bundle(name, found, classes, contents[NETWORK], scorer, description, folder)


def read_card(bundle: Bundle) -> str:
    """The model card, Markdown. Raises BundleError where it is gone."""
    try:
        return (bundle.folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"bundle {bundle.name} has no readable {CARD}: copy or export it again") from error


def find_bundle(model: str | os.PathLike[str]) -> Path:
    """Folder of a bundle given as a path or as the name of a shipped one. Raises BundleError."""
    path = Path(model)
    if os.path.isdir(path):  # unlike Path.is_dir, never raises
        return path
    shipped = shipped_bundles()
    if str(model) in shipped:
        return shipped[str(model)]
    names = ", ".join(shipped) or "none"
    raise BundleError(f"no model bundle {str(model)!r}: give a bundle folder or a shipped name ({names})")


def shipped_bundles() -> dict[str, Path]:
    """Names and folders of the bundles in the `models` package, by name."""
    # beside this package, and not by import: a folder `models` of the user's own must not stand before it
    root = Path(__file__).resolve().parents[1] / "models"
    if not root.is_dir():
        return {}
    return {entry.name: entry for entry in sorted(root.iterdir()) if (entry / DESCRIPTION).is_file()}


def content_id(network: bytes, scorer: bytes) -> str:
    """Short id of a bundle's contents: 12 hexadecimal digits."""
    return hashlib.sha256(hashlib.sha256(network).digest() + hashlib.sha256(scorer).digest()).hexdigest()[:12]


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is no model bundle: it has no {DESCRIPTION}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"cannot read {folder / DESCRIPTION}: export the bundle again") from error
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema != SCHEMA:
        raise BundleError(
            f"bundle {folder} has schema {schema!r}, this version reads {SCHEMA!r}: export it again"
        )
    return cast(dict[str, Any], description)


def _check_spec(folder: Path, description: Mapping[str, Any]) -> None:
    spec = description.get("feature_spec")
    if spec != FEATURE_SPEC_ID:
        raise BundleError(
            f"bundle {folder} was trained with feature spec {spec}, this version computes {FEATURE_SPEC_ID}: "
            "train it again"
        )


def _verified_files(folder: Path, description: Mapping[str, Any]) -> dict[str, bytes]:
    listed = description.get("files")
    if not isinstance(listed, dict) or set(listed) != set(FILES):
        raise BundleError(f"bundle {folder} does not list just {', '.join(FILES)}: export it again")
    return {str(name): _verified(folder, str(name), entry) for name, entry in listed.items()}


def _verified(folder: Path, name: str, entry: Any) -> bytes:
    path = (folder / name).resolve()
    if path.parent != folder.resolve():
        raise BundleError(f"bundle {folder} lists {name!r}, which lies outside its folder; do not use it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {folder} lacks {name}: copy or export it again") from error
    expected = (entry.get("size"), entry.get("sha256")) if isinstance(entry, dict) else None
    if expected != (len(data), hashlib.sha256(data).hexdigest()):
        raise BundleError(f"bundle {folder} is damaged: {name} has changed since it was made")
    return data


def _classes(folder: Path, description: Mapping[str, Any]) -> tuple[str, ...]:
    classes = description.get("classes")
    fine = isinstance(classes, list) and len(classes) >= 2 and all(isinstance(name, str) for name in classes)
    if not fine or len(set(cast(list[str], classes))) != len(cast(list[str], classes)):
        raise BundleError(
            f"bundle {folder} has wrong classes {classes!r}: two or more different names are needed"
        )
    return tuple(cast(list[str], classes))
