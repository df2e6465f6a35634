"""SAMM (Davison et al. 2018): 159 micro-expressions of 29 subjects, grey, at 200 fps.

SAMM_Micro_FACS_Codes_v2.xlsx       sheet MICRO_ONLY, its headings in row 14
006/006_1_2/006_05562.jpg           the number of digits varies
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers
from offline.datasets.tables import Row, find_coding, read_sheet, read_table

NAME = "samm"
FPS = 200.0
CODINGS = ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM*Micro_FACS_Codes*.xlsx")
SHEET = "MICRO_ONLY"
COLUMNS = (
    "Subject",
    "Filename",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
)
KEYS = COLUMNS[2:5]
FRAMES = {
    "raw": Variant(
        ("", "SAMM", "SAMM/SAMM"), "[0-9][0-9][0-9]/[0-9]*_[0-9]*_[0-9]*", "006/006_1_2/006_05562.jpg"
    )
}


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read SAMM from `root`, the folder that holds the coding file and the subjects' folders.

    `frames` can only be "raw"; `coding` names another coding file. Raises DataError or UsageError
    where the coding file, its sheet, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rows = read_table(read_sheet(book, SHEET), COLUMNS)
    _, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    return gather(book, base, rows, _name_of, lambda row, named: _annotation(row, named, tree))


def _name_of(row: Row) -> Named:
    subject = row.text("Subject")
    return Named(NAME, f"{subject:0>3}" if subject else "", row.text("Filename"), row.where)


def _annotation(row: Row, named: Named, tree: FrameTree) -> Annotation:
    number = key_numbers(row, KEYS)
    return annotate(
        named,
        tree.frames(tree.folder(named.subject, named.clip)),
        number,
        KEYS,
        fps=FPS,
        emotion=row.required("Estimated Emotion"),
        action_units=row.text("Action Units"),
        objective=row.text("Objective Classes"),
    )
