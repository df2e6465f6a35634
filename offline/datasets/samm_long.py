"""SAMM Long Videos (Yap et al. 2020): 343 macro- and 159 micro-expressions in 147 videos at 200 fps.

    SAMM_LongVideos_V3_Release.xlsx     sheet FACS_Movement_Only, ten rows above the first expression
    SAMM_longvideos/009_4/009_4_0007.jpg

The people are those of SAMM, and so are the micro-expressions. No emotions are coded.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus, Kind
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers
from offline.datasets.tables import Row, find_coding, read_sheet, read_table
from realtime.errors import DataError

NAME = "samm_long"
FPS = 200.0
CODINGS = ("SAMM_LongVideos_V3_Release.xlsx", "SAMM_LongVideos*.xlsx")
SHEET = "FACS_Movement_Only"
COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "Type", "Action Units")
KEYS = COLUMNS[2:5]
FRAMES = {
    "raw": Variant(
        ("SAMM_longvideos", "SAMM_longvideos/SAMM_longvideos", ""),
        "[0-9][0-9][0-9]_[0-9]*",
        "SAMM_longvideos/009_4/009_4_0007.jpg",
    )
}


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read SAMM Long Videos from `root`, the folder that holds the coding file and the videos' folders.

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
    if number.onset == 0:
        raise DataError("column Onset is 0: the expression begins before the video")
    video, separator, _ = named.clip.rpartition("_")
    if not separator:
        raise DataError(f"column Filename is '{named.clip}', not a video and a number such as 009_4_1")
    return annotate(
        named,
        tree.frames(tree.folder(video)),
        number,
        KEYS,
        fps=FPS,
        emotion=None,
        action_units=row.text("Action Units"),
        kind=_kind(row.required("Type")),
    )


def _kind(text: str) -> Kind:
    if text.lower().startswith("micro"):
        return "micro"
    if text.lower().startswith("macro"):
        return "macro"
    raise DataError(f"column Type is '{text}', neither Macro nor Micro")
