"""CASME II (Yan et al. 2014): 255 micro-expressions of 26 subjects at 200 fps.

    CASME2-coding-20140508.xlsx     or CASME2-coding-20190701.xlsx, which adds objective classes and
                                    codes three clips as surprise that were sadness
    CASME2_RAW_selected/sub01/EP02_01f/img46.jpg
    Cropped/sub01/EP02_01f/reg_img46.jpg      at times Cropped/Cropped/…

The number in a file name is that of the coding file's columns.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Corpus
from offline.datasets.frames import Variant
from offline.datasets.table_loader import Columns, TableDataset, subject_and_clip

NAME = "casme2"
FRAMES = {
    "raw": Variant(
        ("CASME2_RAW_selected", "CASME2_RAW_selected/CASME2_RAW_selected", "CASME2-RAW", "CASME2_RAW", ""),
        "sub[0-9]*",
        "CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
    ),
    "cropped": Variant(("Cropped", "Cropped/Cropped"), "sub[0-9]*", "Cropped/sub01/EP02_01f/reg_img46.jpg"),
}
_TABLE = TableDataset(
    name=NAME,
    fps=200.0,
    codings=("CASME2-coding-20140508.xlsx", "CASME2-coding-20190701.xlsx", "CASME2-coding*.xlsx"),
    columns=Columns(
        "Subject",
        "Filename",
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "Action Units",
        emotion="Estimated Emotion",
        objective="Objective Classes",
    ),
    frames=FRAMES,
    person=lambda cell: f"sub{cell:0>2}",
    folder=subject_and_clip,
    optional=("Objective Classes",),
)


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read CASME II from `root`.

    Args:
        root: the folder that holds a coding file and the frames.
        frames: "raw" or "cropped"; None: raw where it is there.
        coding: name of the coding file; None: that of 2014, which the label protocols count by.

    Raises:
        DataError, UsageError: the coding file, a column or the frames are missing.
    """
    return _TABLE.load(root, frames, coding)
