"""CASME II (Yan et al. 2014): 255 micro-expressions of 26 subjects at 200 fps.

    CASME2-coding-20140508.xlsx     or CASME2-coding-20190701.xlsx, which adds objective classes and
                                    codes three clips as surprise that were sadness
    CASME2_RAW_selected/sub01/EP02_01f/img46.jpg
    Cropped/sub01/EP02_01f/reg_img46.jpg      at times Cropped/Cropped/…

The number in a file name is that of the coding file's columns.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, key_numbers
from offline.datasets.tables import Row, find_coding, read_sheet, read_table

NAME = "casme2"
FPS = 200.0
CODINGS = ("CASME2-coding-20140508.xlsx", "CASME2-coding-20190701.xlsx", "CASME2-coding*.xlsx")
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
        ("CASME2_RAW_selected", "CASME2_RAW_selected/CASME2_RAW_selected", "CASME2-RAW", "CASME2_RAW", ""),
        "sub[0-9]*",
        "CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
    ),
    "cropped": Variant(("Cropped", "Cropped/Cropped"), "sub[0-9]*", "Cropped/sub01/EP02_01f/reg_img46.jpg"),
}


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read CASME II from `root`.

    Args:
        root: the folder that holds a coding file and the frames.
        frames: "raw" or "cropped"; None: raw where it is there.
        coding: name of the coding file; None: that of 2014, which the label protocols count by.

    Raises:
        DataError, UsageError: the coding file, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rows = read_table(read_sheet(book), COLUMNS, optional=("Objective Classes",))
    _, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    return gather(book, base, rows, _name_of, lambda row, named: _annotation(row, named, tree))


def _name_of(row: Row) -> Named:
    subject = row.text("Subject")
    return Named(NAME, f"sub{subject:0>2}" if subject else "", row.text("Filename"), row.where)


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
