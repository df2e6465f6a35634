"""MMEW (Ben et al. 2021): 300 micro-expressions at 90 fps.

    MMEW_Micro_Exp.xlsx
    Micro_Expression/happiness/S01-07-001/1.jpg

Sixteen rows have an apex or offset that cannot be; they are left out like any other such row.
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Corpus
from offline.datasets.frames import Variant
from offline.datasets.table_loader import Columns, TableDataset

NAME = "mmew"
FRAMES = {
    "raw": Variant(
        ("Micro_Expression", "MMEW_Final/Micro_Expression", "MMEW/Micro_Expression", ""),
        "*/S[0-9]*",
        "Micro_Expression/happiness/S01-07-001/1.jpg",
    )
}
_TABLE = TableDataset(
    name=NAME,
    fps=90.0,
    codings=("MMEW_Micro_Exp.xlsx", "MMEW_Micro_Exp*.xlsx"),
    columns=Columns(
        "Subject",
        "Filename",
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "Action Units",
        emotion="Estimated Emotion",
    ),
    frames=FRAMES,
    person=lambda cell: f"S{cell.lstrip('Ss'):0>2}",
    folder=lambda row, named: (row.required("Estimated Emotion"), named.clip),
)


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read MMEW from `root`, the folder that holds the coding file and Micro_Expression.

    `frames` can only be "raw"; `coding` names another coding file. Raises DataError or UsageError
    where the coding file, a column or the frames are missing.
    """
    return _TABLE.load(root, frames, coding)
