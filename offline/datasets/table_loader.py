"""One loader for the datasets whose coding file is a table with a row per expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers, kind_of
from offline.datasets.tables import Row, find_coding, read_sheet, read_table


@dataclass(frozen=True, slots=True)
class Columns:
    """Headings of a coding file; "" stands for what a dataset does not code."""

    subject: str
    clip: str
    onset: str
    apex: str
    offset: str
    action_units: str
    emotion: str = ""
    objective: str = ""
    kind: str = ""
    """Column that tells micro- from macro-expressions; all are micro-expressions without it."""

    @property
    def keys(self) -> tuple[str, str, str]:
        """Columns of the key frames."""
        return self.onset, self.apex, self.offset

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that the dataset has, subject, clip and onset first."""
        named = (self.subject, self.clip, *self.keys, self.action_units)
        return tuple(name for name in (*named, self.emotion, self.objective, self.kind) if name)


@dataclass(frozen=True, slots=True)
class TableDataset:
    """How the coding file and the folders of one dataset are laid out."""

    name: str
    fps: float
    codings: tuple[str, ...]
    """Names that the coding file may have, the preferred one first."""
    columns: Columns
    frames: Mapping[str, Variant]
    """Forms in which the frames circulate, the preferred one first."""
    person: Callable[[str], str]
    """Name of a subject, from a cell that is not blank."""
    folder: Callable[[Row, Named], tuple[str, ...]]
    """Folders below that of the frames, one in the other. Raises DataError for an unusable row."""
    sheet: str | None = None
    """None takes the first."""
    optional: tuple[str, ...] = ()
    """Columns that not every coding file has."""

    def load(self, root: Path, frames: str | None, coding: str | None) -> Corpus:
        """Read the dataset from `root`; arguments and errors as `registry.Loader`."""
        book = find_coding(root, self.codings, coding)
        needed = [name for name in self.columns.all if name not in self.optional]
        rows = read_table(read_sheet(book, self.sheet), needed, self.optional)
        _, base = choose_frames(root, self.frames, frames)
        tree = FrameTree(base)
        return gather(book, base, rows, self._name_of, lambda row, named: self._annotation(row, named, tree))

    def _name_of(self, row: Row) -> Named:
        subject = row.text(self.columns.subject)
        clip = row.text(self.columns.clip)
        return Named(self.name, self.person(subject) if subject else "", clip, row.where)

    def _annotation(self, row: Row, named: Named, tree: FrameTree) -> Annotation:
        columns = self.columns
        number = key_numbers(row, columns.keys)
        emotion = row.required(columns.emotion) if columns.emotion else None
        kind = kind_of(row, columns.kind) if columns.kind else "micro"
        return annotate(
            named,
            tree.frames(tree.folder(*self.folder(row, named))),
            number,
            columns.keys,
            fps=self.fps,
            emotion=emotion,
            action_units=row.text(columns.action_units),
            objective=row.text(columns.objective),
            kind=kind,
        )


def subject_and_clip(row: Row, named: Named) -> tuple[str, ...]:
    """Folders named after the subject and the clip."""
    return named.subject, named.clip
