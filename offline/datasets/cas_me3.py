"""CAS(ME)³ part A (Li et al. 2022): micro-expressions in long videos at 30 fps.

    cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx       sheet label
    part_A/spNO.1/a/color/175.jpg                   the whole videos, or
    Part_A_ME_clip/frame/spNO.1_b_166/166.jpg       one folder per expression, named after its onset

The datasets' own files write both spNO and spNo.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers
from offline.datasets.tables import Row, find_coding, read_sheet, read_table

NAME = "cas_me3"
FPS = 30.0
CODINGS = ("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", "cas(me)3_part_A_ME_label*.xlsx")
SHEET = "label"
COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
KEYS = COLUMNS[2:5]
FRAMES = {
    "long": Variant(
        ("part_A", "part_A/part_A", "Part_A", "data/part_A", "data", ""),
        "[Ss][Pp][Nn]*/*/color",
        "part_A/spNO.1/a/color/175.jpg",
    ),
    "clip": Variant(
        ("Part_A_ME_clip/frame", "Part_A_ME_clip/Part_A_ME_clip/frame", "frame", ""),
        "[Ss][Pp][Nn]*_*_[0-9]*",
        "Part_A_ME_clip/frame/spNO.1_b_166/166.jpg",
    ),
}


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read part A of CAS(ME)³ from `root`, the folder that holds the coding file and the frames.

    `frames` is "long", which is preferred, or "clip"; `coding` names another coding file. Raises
    DataError or UsageError where the coding file, its sheet, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rows = read_table(read_sheet(book, SHEET), COLUMNS)
    form, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    return gather(book, base, rows, _name_of, lambda row, named: _annotation(row, named, tree, form))


def _name_of(row: Row) -> Named:
    subject, video = row.text("Subject"), row.text("Filename").lower()
    return Named(
        NAME,
        f"spNO.{subject.rpartition('.')[2]}" if subject else "",
        f"{video}_{row.text('Onset')}" if video else "",
        row.where,
    )


def _annotation(row: Row, named: Named, tree: FrameTree, form: str) -> Annotation:
    video = row.required("Filename")
    number = key_numbers(row, KEYS)
    if form == "long":
        folder = tree.folder(named.subject, video, "color")
    else:
        folder = tree.folder(f"{named.subject}_{named.clip}")
    return annotate(
        named,
        tree.frames(folder),
        number,
        KEYS,
        fps=FPS,
        emotion=row.required("emotion"),
        action_units=row.text("AU"),
        objective=row.text("Objective class"),
    )
