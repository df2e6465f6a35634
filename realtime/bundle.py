"""Model bundles: a folder with a description, an ONNX network, an SVM and a model card.

    bundle.json     what the bundle is, and the SHA-256 and size of every other file
    cnn.onnx        the network
    svm.skops       scaler, imputer and SVM, fusion and calibration; nothing in it is unpickled
    MODEL_CARD.md   for people

Loading checks everything before anything is used; every refusal is a `BundleError` of one line.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from realtime.errors import BundleError
from realtime.features.spec import FEATURE_NAMES, FEATURE_SPEC_ID
from realtime.fusion import Scorer

SCHEMA = "glimpse-bundle/2"
DESCRIPTION = "bundle.json"
NETWORK = "cnn.onnx"
SVM = "svm.skops"
CARD = "MODEL_CARD.md"
FILES = (NETWORK, SVM, CARD)

TRUSTED_TYPES: tuple[str, ...] = ("numpy.dtype",)
"""Types that an SVM file may hold beside skops' own list of harmless ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A verified bundle."""

    name: str
    id: str
    """Short hash over the contents of the network and the SVM."""
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
    another one, the classes do not fit, or the SVM holds a type that is not trusted.
    """
    folder = find_bundle(model)
    description = _read_description(folder)
    _check_spec(folder, description)
    contents = _verified_files(folder, description)
    classes = _classes(folder, description)
    found = content_id(contents[NETWORK], contents[SVM])
    if description.get("id") != found:
        raise BundleError(
            f"bundle {folder} is damaged: its id does not fit its files; copy or export it again"
        )
    svm = load_svm(contents[SVM], str(folder / SVM))
    scorer = _scorer(folder, svm, classes)
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


def content_id(network: bytes, svm: bytes) -> str:
    """Short id of a bundle's contents: 12 hexadecimal digits."""
    return hashlib.sha256(hashlib.sha256(network).digest() + hashlib.sha256(svm).digest()).hexdigest()[:12]


def load_svm(data: bytes, name: str) -> dict[str, Any]:
    """Load the parts of a `Scorer`. Raises BundleError for untrusted types and damaged data."""
    import skops.io
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        untrusted = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
        if untrusted:
            raise BundleError(
                f"{name} holds types that are not trusted: {', '.join(untrusted)}; do not use it"
            )
        with warnings.catch_warnings():
            # only the numbers are used (see `svm`), and those do not depend on the version
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            return dict(skops.io.loads(data, trusted=list(TRUSTED_TYPES)))
    except UntrustedTypesFoundException as error:
        raise BundleError(f"{name} holds types that are not trusted; do not use it") from error
    except BundleError:
        raise
    except Exception as error:  # skops lets any error of zip, JSON and numpy through
        raise BundleError(f"{name} is not a readable SVM: export the bundle again") from error


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


def _scorer(folder: Path, parts: dict[str, Any], classes: tuple[str, ...]) -> Scorer:
    try:
        known, features = parts["svm"].classes_, parts["svm"].n_features_in_
        scorer = Scorer.of(parts)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle {folder} has an SVM of another build: export it again") from error
    if not np.array_equal(known, np.arange(len(classes))):
        raise BundleError(
            f"bundle {folder} has wrong classes: its SVM knows {len(known)}, it names {len(classes)}"
        )
    if features != len(FEATURE_NAMES):
        raise BundleError(f"bundle {folder} has an SVM for another number of features: train it again")
    return scorer
