"""Measured evidence on disk, so that a second run need not measure it again.

One .npz file per entry, in a folder that the user names: key frames are pictures of faces, so nothing is
kept unasked, and what is kept only its owner may read. An entry is found by a hash of everything that it
depends on. Nothing in it is pickled, and one that is damaged is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import offline
import realtime
from realtime.errors import DataError, OutputError
from realtime.features import spec
from realtime.sinks.files import output_errors, private_file

Arrays = dict[str, NDArray[Any]]

_CODE = (
    (realtime, ("faces", "features", "spotting", "sources", ".")),
    (offline, ("datasets", "synthesis", "samples.py")),
)
_LIBRARIES = ("numpy", "scipy", "opencv-python", "mediapipe", "scikit-image")
_KEY = "key"


class EvidenceCache:
    """Entries of one folder. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        """Makes the folder where it is missing, for its owner alone. Raises OutputError."""
        self._folder = folder
        if folder is not None:
            with output_errors(str(folder)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputError(f"{folder}: cannot be written")

    def get(self, about: Mapping[str, Any], make: Callable[[], Arrays], like: Mapping[str, str]) -> Arrays:
        """The arrays of an entry, from the folder or made now.

        Args:
            about: JSON-ready, all that the arrays depend on beside the feature spec, the code and the
                versions of its libraries, which are always part of the key.
            make: makes the arrays; what it raises passes through, and nothing is kept.
            like: name of every array and its dtype; an entry that differs is made anew.

        Raises OutputError where an entry cannot be written.
        """
        if self._folder is None:
            return make()
        key = json.dumps(
            {**about, "feature_spec": spec.FEATURE_SPEC_ID, "code": _code_id()}, sort_keys=True
        ).encode()
        path = self._folder / f"{hashlib.sha256(key).hexdigest()[:40]}.npz"
        arrays = _read(path, key, like)
        if arrays is None:
            arrays = make()
            _write(path, {**arrays, _KEY: np.frombuffer(key, dtype=np.uint8)})
        return arrays


def file_id(path: Path) -> list[list[Any]]:
    """What a video or a folder of images is known by: path, size and time of change of every file.

    Raises DataError where they cannot be listed.
    """
    try:
        files = sorted(os.scandir(path), key=lambda entry: entry.name) if path.is_dir() else [path]
        stats = [(os.fspath(file), os.stat(file)) for file in files]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return [[os.path.abspath(name), stat.st_size, stat.st_mtime_ns] for name, stat in stats]


@lru_cache(maxsize=1)
def _code_id() -> str:
    """Hash of the code that measures or renders, and of the versions of its libraries."""
    digest = hashlib.sha256()
    for package, parts in _CODE:
        root = Path(str(package.__file__)).parent
        for part in parts:
            files = [root / part] if part.endswith(".py") else sorted((root / part).glob("*.py"))
            for file in files:
                digest.update(f"{part}/{file.name}\0".encode() + file.read_bytes())
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            digest.update(f"{name}=={version(name)}\0".encode())
    return digest.hexdigest()


def _read(path: Path, key: bytes, like: Mapping[str, str]) -> Arrays | None:
    """The entry; None where it is missing, damaged or not the one that is asked for."""
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            with np.load(file, allow_pickle=False) as entry:
                arrays = {name: entry[name] for name in entry.files}
    except Exception:  # a damaged archive raises whatever it happens to trip over
        return None
    found = arrays.pop(_KEY, None)
    if found is None or found.tobytes() != key:
        return None
    return arrays if {name: str(a.dtype) for name, a in arrays.items()} == dict(like) else None


def _write(path: Path, arrays: Arrays) -> None:
    """Write an entry that only its owner may read, whole or not at all."""
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
    with output_errors(str(path)):
        try:
            with os.fdopen(private_file(partial), "wb") as file:
                np.savez(file, **arrays)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
