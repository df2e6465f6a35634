"""MMEW (Ben et al. 2021): 300 micro-expressions at 90 fps.

    MMEW_Micro_Exp.xlsx
    Micro_Expression/happiness/S01-07-001/1.jpg

Sixteen rows have an apex or offset that cannot be; they are left out like any other such row.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers
from offline.datasets.tables import Row, find_coding, read_sheet, read_table

NAME = "mmew"
FPS = 90.0
CODINGS = ("MMEW_Micro_Exp.xlsx", "MMEW_Micro_Exp*.xlsx")
COLUMNS = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
)
KEYS = COLUMNS[2:5]
FRAMES = {
    "raw": Variant(
        ("Micro_Expression", "MMEW_Final/Micro_Expression", "MMEW/Micro_Expression", ""),
        "*/S[0-9]*",
        "Micro_Expression/happiness/S01-07-001/1.jpg",
    )
}


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read MMEW from `root`, the folder that holds the coding file and Micro_Expression.

    `frames` can only be "raw"; `coding` names another coding file. Raises DataError or UsageError
    where the coding file, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rows = read_table(read_sheet(book), COLUMNS)
    _, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    return gather(book, base, rows, _name_of, lambda row, named: _annotation(row, named, tree))


def _name_of(row: Row) -> Named:
    subject = row.text("Subject").lstrip("Ss")
    return Named(NAME, f"S{subject:0>2}" if subject else "", row.text("Filename"), row.where)


def _annotation(row: Row, named: Named, tree: FrameTree) -> Annotation:
    emotion = row.required("Estimated Emotion")
    number = key_numbers(row, KEYS)
    return annotate(
        named,
        tree.frames(tree.folder(emotion, named.clip)),
        number,
        KEYS,
        fps=FPS,
        emotion=emotion,
        action_units=row.text("Action Units"),
    )
