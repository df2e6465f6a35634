"""SAMM Long Videos (Yap et al. 2020): 343 macro- and 159 micro-expressions in 147 videos at 200 fps.

    SAMM_LongVideos_V3_Release.xlsx     sheet FACS_Movement_Only, ten rows above the first expression
    SAMM_longvideos/009_4/009_4_0007.jpg

The people are those of SAMM, and so are the micro-expressions. No emotions are coded.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Corpus
from offline.datasets.frames import Variant
from offline.datasets.loading import Named
from offline.datasets.table_loader import Columns, TableDataset
from offline.datasets.tables import Row
from realtime.errors import DataError

NAME = "samm_long"
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
    return _TABLE.load(root, frames, coding)


def _folder(row: Row, named: Named) -> tuple[str, ...]:
    """The video is the clip's name without its last number."""
    if row.frame("Onset") == 0:
        raise DataError("column Onset is 0: the expression begins before the video")
    video, separator, _ = named.clip.rpartition("_")
    if not separator:
        raise DataError(f"column Filename is '{named.clip}', not a video and a number such as 009_4_1")
    return (video,)


_TABLE = TableDataset(
    name=NAME,
    fps=200.0,
    codings=("SAMM_LongVideos_V3_Release.xlsx", "SAMM_LongVideos*.xlsx"),
    sheet="FACS_Movement_Only",
    columns=Columns("Subject", "Filename", "Onset", "Apex", "Offset", "Action Units", kind="Type"),
    frames=FRAMES,
    person=lambda cell: f"{cell:0>3}",
    folder=_folder,
)
