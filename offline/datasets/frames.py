"""Folders of frames: which image is the frame that a coding file means."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from offline.datasets.corpus import KeyNumbers
from realtime.errors import DataError, UsageError
from realtime.sources.images import SUFFIXES, natural_key


@dataclass(frozen=True, slots=True)
class Variant:
    """One form in which a dataset's frames circulate."""

    bases: tuple[str, ...]
    """Folders that may hold it, relative to the dataset's folder, the likeliest first."""
    marker: str
    """Glob below such a folder by which the form is known."""
    example: str
    """Path of a frame, for messages."""


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """The images of one folder in the order in which `ImageFolderSource` reads them."""

    path: Path
    numbers: tuple[int, ...]
    """Frame number of each image, from its file name."""

    def index_of(self, number: int, column: str) -> int:
        """0-based place of the frame `number`. Raises DataError naming `column` where there is none."""
        places = [place for place, own in enumerate(self.numbers) if own == number]
        if len(places) > 1:
            raise DataError(f"column {column}: {self.path} has {len(places)} images of frame {number}")
        if places:
            return places[0]
        low, high = min(self.numbers), max(self.numbers)
        if number > high:
            raise DataError(
                f"column {column}: frame {number} lies beyond the last frame {high} in {self.path}"
            )
        if number < low:
            raise DataError(
                f"column {column}: frame {number} lies before the first frame {low} in {self.path}"
            )
        raise DataError(f"column {column}: the image of frame {number} is missing in {self.path}")

    def index(self, number: KeyNumbers, columns: Sequence[str] = ("onset", "apex", "offset")) -> KeyNumbers:
        """0-based places of the key frames; `columns` name them in messages.

        Raises DataError where they are not in order or an image is missing.
        """
        onset, apex, offset = number.onset, number.apex, number.offset
        if onset >= offset or (apex is not None and not onset <= apex <= offset):
            between = "" if apex is None else f", {columns[1]} {apex}"
            raise DataError(f"{columns[0]} {onset}{between} and {columns[2]} {offset} are not in order")
        return KeyNumbers(
            self.index_of(onset, columns[0]),
            None if apex is None else self.index_of(apex, columns[1]),
            self.index_of(offset, columns[2]),
        )

    def renumbered(self, shift: int) -> FrameFolder:
        """The same images, every number raised by `shift`."""
        return replace(self, numbers=tuple(number + shift for number in self.numbers))


class FrameTree:
    """Looks up folders below one folder; each is listed once.

    Names are compared without case and leading zeros, because datasets write s1 and s01, spNO and spNo.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self._folders: dict[Path, dict[str, str]] = {}
        self._frames: dict[Path, FrameFolder] = {}

    def folder(self, *names: str) -> Path:
        """The folder with these names, one below the other. Raises DataError where there is none."""
        path = self.base
        for name in names:
            below = self._below(path)
            found = below.get(name) or below.get(_loose(name))
            if found is None:
                raise DataError(f"there is no folder {name} in {path}")
            path /= found
        return path

    def folder_starting(self, parent: Path, start: str) -> Path:
        """The one folder in `parent` whose name begins with `start`. Raises DataError where there is none."""
        found = sorted(name for name in set(self._below(parent).values()) if name.startswith(start))
        if len(found) != 1:
            what = "no folder" if not found else f"more than one folder ({', '.join(found)})"
            raise DataError(f"there is {what} {start}… in {parent}")
        return parent / found[0]

    def frames(self, folder: Path) -> FrameFolder:
        """The images of a folder. Raises DataError where it has none with a number."""
        if folder not in self._frames:
            self._frames[folder] = _list_frames(folder)
        return self._frames[folder]

    def _below(self, folder: Path) -> dict[str, str]:
        if folder not in self._folders:
            names = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
            loose = {_loose(name): name for name in reversed(names)}
            self._folders[folder] = loose | {name: name for name in names}
        return self._folders[folder]


def choose_frames(root: Path, variants: Mapping[str, Variant], wanted: str | None) -> tuple[str, Path]:
    """Which of the forms is there, and the folder that holds it; the first in order where several are.

    Raises:
        UsageError: the dataset has no form `wanted`.
        DataError: its frames are not below `root`.
    """
    if wanted is not None and wanted not in variants:
        raise UsageError(f"{root}: there are no frames of the form '{wanted}': use {', '.join(variants)}")
    names = tuple(variants) if wanted is None else (wanted,)
    for name in names:
        for base in variants[name].bases:
            folder = root / base
            if folder.is_dir() and any(path.is_dir() for path in folder.glob(variants[name].marker)):
                return name, folder
    examples = " or ".join(variants[name].example for name in names)
    raise DataError(f"{root}: holds no frames; expected a file such as {examples}")


def _list_frames(folder: Path) -> FrameFolder:
    names = [
        entry.name
        for entry in _entries(folder)
        if os.path.splitext(entry.name)[1].lower() in SUFFIXES
        and not entry.name.startswith(".")
        and entry.is_file()
    ]
    runs = [re.findall(r"[0-9]+", Path(name).stem) for name in sorted(names, key=natural_key)]
    if not runs:
        raise DataError(f"{folder} holds no images")
    if not all(runs):
        raise DataError(f"{folder} holds images without a frame number in their name")
    return FrameFolder(folder, tuple(int(run[-1]) for run in runs))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror or error}") from error


def _loose(name: str) -> str:
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", name.casefold().strip())
