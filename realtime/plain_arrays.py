"""Arrays of numbers in an `.npz` that may be anybody's: reading runs nothing and takes what is there."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUFFIX = ".npy"


class UnfitError(ValueError):
    """Why it is none, in a few words."""


def read_arrays(
    data: bytes, kinds: Collection[type[np.generic]], *, most_arrays: int, most_bytes: int
) -> dict[str, NDArray[Any]]:
    """Read-only arrays by their names, each of one of the `kinds`.

    Raises UnfitError for what is no archive, holds a name twice, anything but such arrays or more than
    `most_arrays`, unpacks to more than `most_bytes`, or announces more than it holds.
    """
    try:
        return _read(data, kinds, most_arrays, most_bytes)
    except UnfitError:
        raise
    except Exception as error:  # zipfile, zlib and numpy let errors of every kind through
        raise UnfitError("no archive of arrays") from error


def _read(
    data: bytes, kinds: Collection[type[np.generic]], most_arrays: int, most_bytes: int
) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise UnfitError("an array stands in it twice")
        if len(entries) > most_arrays or sum(entry.file_size for entry in entries) > most_bytes:
            raise UnfitError(f"it unpacks to more than {most_arrays} arrays or {most_bytes} bytes")
        return {name.removesuffix(_SUFFIX): _array(archive.read(name), kinds) for name in names}


def _array(content: bytes, kinds: Collection[type[np.generic]]) -> NDArray[Any]:
    """An array in numpy's own format; nothing is made room for before its size is known to be there."""
    file = io.BytesIO(content)
    form: Any = np.lib.format  # without types
    if form.read_magic(file) != (1, 0):
        raise UnfitError("an array of another version")
    shape, by_columns, kind = form.read_array_header_1_0(file)
    if kind.hasobject or not any(kind == known for known in kinds):
        raise UnfitError(f"an array of {kind.name} in place of numbers")
    if math.prod(shape) * kind.itemsize != len(content) - file.tell():
        raise UnfitError("an array announces another size than it holds")
    numbers = np.frombuffer(content, kind, offset=file.tell())
    return numbers.reshape(shape, order="F" if by_columns else "C")
