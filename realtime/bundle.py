"""Model bundles: a folder with a description, an ONNX network, an SVM and a model card.

    bundle.json     what the bundle is, and the SHA-256 and size of every other file
    cnn.onnx        the network
    scorer.npz      scaler, SVM, fusion and calibration: numbers, and nothing that could run
    MODEL_CARD.md   for people

Loading checks everything before anything is used; every refusal is a `BundleError` of one line. Only these
four are read, as plain files of the folder itself, and never more of them than a bundle can have.
"""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from realtime.errors import BundleError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.fusion import Scorer
from realtime.network_file import check_network
from realtime.scorer_file import read_scorer

SCHEMA = "glimpse-bundle/3"
DESCRIPTION = "bundle.json"
NETWORK = "cnn.onnx"
SCORER = "scorer.npz"
CARD = "MODEL_CARD.md"
FILES = (NETWORK, SCORER, CARD)
KEYS = frozenset(
    """
    schema name id classes feature_spec files training_data metrics settings svm_choice
    training_curve library_versions largest_difference_to_torch evaluations commands uncertain_below
    """.split()  # noqa: SIM905
)
"""What bundle.json may say."""
_MOST_BYTES = {DESCRIPTION: 4_000_000, CARD: 1_000_000, NETWORK: 256_000_000, SCORER: 64_000_000}
_MOST_CLASSES = 100
_LONGEST_NAME = 100
_PLAIN = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_short = reprlib.repr


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

    Raises BundleError where there is none, a file is missing, changed, too large or no plain file, the
    description has twin or unknown keys, the schema or feature spec is another one, the classes do not fit,
    or network and scorer hold anything but what they should.
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
    check_network(contents[NETWORK], str(folder / NETWORK))
    scorer = read_scorer(contents[SCORER], str(folder / SCORER))
    if (known := len(scorer.svm.support)) != len(classes):
        raise BundleError(
            f"bundle {folder} has wrong classes: its SVM knows {known}, it names {len(classes)}"
        )
    return Bundle(_name(folder, description), found, classes, contents[NETWORK], scorer, description, folder)


def read_card(bundle: Bundle) -> str:
    """The model card, Markdown. Raises BundleError where it is gone, or another one than was verified."""
    try:
        return _verified(bundle.folder, CARD, bundle.description["files"][CARD]).decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"bundle {bundle.name} has no readable {CARD}: copy or export it again") from error


def find_bundle(model: str | os.PathLike[str]) -> Path:
    """Folder of a bundle given as the name of a shipped one or as a path. Raises BundleError.

    A folder of such a name among somebody's films takes no shipped one's place; `./name` asks for it.
    """
    shipped = shipped_bundles()
    if isinstance(model, str) and model in shipped:
        return shipped[model]
    path = Path(model)
    if os.path.isdir(path):  # unlike Path.is_dir, never raises
        return path
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


def _read(folder: Path, name: str) -> bytes:
    """A plain file of the folder. Raises BundleError for links, pipes, devices and what is too large."""
    most, path = _MOST_BYTES[name], folder / name
    try:
        if path.is_symlink():
            raise BundleError(
                f"bundle {folder}: {name} is a link, maybe to outside its folder: copy the file itself"
            )
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise BundleError(f"bundle {folder}: {name} is no plain file: copy or export it again")
        data = b""
        if found.st_size <= most:
            with open(os.open(path, _PLAIN), "rb") as file:  # follows no link, waits for no pipe
                data = file.read(most + 1)
    except FileNotFoundError as error:
        raise BundleError(f"bundle {folder} lacks {name}: copy or export it again") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError(
            f"bundle {folder}: {name} cannot be read ({reason}): copy or export it again"
        ) from error
    if max(found.st_size, len(data)) > most:
        raise BundleError(f"bundle {folder}: {name} is larger than {most} bytes; no {name} is")
    return data


def _read_description(folder: Path) -> dict[str, Any]:
    if not os.path.lexists(folder / DESCRIPTION):
        raise BundleError(f"{folder} is no model bundle: it has no {DESCRIPTION}")
    try:
        description = json.loads(_read(folder, DESCRIPTION).decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _TwinError) else "it is no JSON"
        raise BundleError(
            f"cannot read {folder / DESCRIPTION} ({reason}): export the bundle again"
        ) from error
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema != SCHEMA:
        raise BundleError(
            f"bundle {folder} has schema {_short(schema)}, this version reads {SCHEMA!r}: export it again"
        )
    if unknown := sorted(set(description) - KEYS):
        raise BundleError(f"bundle {folder} has the unknown key {_short(unknown[0])}: export it again")
    return cast(dict[str, Any], description)


class _TwinError(ValueError):
    """A key that stands twice."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win; which one was meant cannot be told."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise _TwinError(f"the key {_short(twin)} stands twice")
    return found


def _check_spec(folder: Path, description: Mapping[str, Any]) -> None:
    spec = description.get("feature_spec")
    if spec != FEATURE_SPEC_ID:
        raise BundleError(
            f"bundle {folder} was trained with feature spec {_short(spec)}, this version computes "
            f"{FEATURE_SPEC_ID}: train it again"
        )


def _verified_files(folder: Path, description: Mapping[str, Any]) -> dict[str, bytes]:
    listed = description.get("files")
    if not isinstance(listed, dict) or set(listed) != set(FILES):
        raise BundleError(f"bundle {folder} does not list just {', '.join(FILES)}: export it again")
    return {str(name): _verified(folder, str(name), entry) for name, entry in listed.items()}


def _verified(folder: Path, name: str, entry: Any) -> bytes:
    data = _read(folder, name)
    expected = (entry.get("size"), entry.get("sha256")) if isinstance(entry, dict) else None
    if expected != (len(data), hashlib.sha256(data).hexdigest()):
        raise BundleError(f"bundle {folder} is damaged: {name} has changed since it was made")
    return data


def _name(folder: Path, description: Mapping[str, Any]) -> str:
    name = description.get("name", folder.name)
    if not _is_name(name):
        raise BundleError(f"bundle {folder} has the wrong name {_short(name)}: one printable line is needed")
    return cast(str, name)


def _classes(folder: Path, description: Mapping[str, Any]) -> tuple[str, ...]:
    classes = description.get("classes")
    fine = isinstance(classes, list) and 2 <= len(classes) <= _MOST_CLASSES and all(map(_is_class, classes))
    if not fine or len(set(cast(list[str], classes))) != len(cast(list[str], classes)):
        raise BundleError(
            f"bundle {folder} has wrong classes {_short(classes)}: 2 to {_MOST_CLASSES} "
            "different names are needed"
        )
    return tuple(cast(list[str], classes))


def _is_class(value: Any) -> bool:
    """Besides, a spreadsheet must not take a label for a formula."""
    return _is_name(value) and value[0] not in "=+-@"


def _is_name(value: Any) -> bool:
    """Whether it can stand in a line, a table's heading and a page as it is."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()
