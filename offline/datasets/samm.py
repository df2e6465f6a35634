"""SAMM (Davison et al. 2018): 159 micro-expressions of 29 subjects, grey, at 200 fps.

SAMM_Micro_FACS_Codes_v2.xlsx       sheet MICRO_ONLY, its headings in row 14
006/006_1_2/006_05562.jpg           the number of digits varies
"""

from __future__ import annotations

from pathlib import Path

from offline.datasets.corpus import Corpus
from offline.datasets.frames import Variant
from offline.datasets.table_loader import Columns, TableDataset, subject_and_clip

NAME = "samm"
FRAMES = {
    "raw": Variant(
        ("", "SAMM", "SAMM/SAMM"), "[0-9][0-9][0-9]/[0-9]*_[0-9]*_[0-9]*", "006/006_1_2/006_05562.jpg"
    )
}
_TABLE = TableDataset(
    name=NAME,
    fps=200.0,
    codings=("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM*Micro_FACS_Codes*.xlsx"),
    sheet="MICRO_ONLY",
    columns=Columns(
        "Subject",
        "Filename",
        "Onset Frame",
        "Apex Frame",
        "Offset Frame",
        "Action Units",
        emotion="Estimated Emotion",
        objective="Objective Classes",
    ),
    frames=FRAMES,
    person=lambda cell: f"{cell:0>3}",
    folder=subject_and_clip,
)


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read SAMM from `root`, the folder that holds the coding file and the subjects' folders.

    `frames` can only be "raw"; `coding` names another coding file. Raises DataError or UsageError
    where the coding file, its sheet, a column or the frames are missing.
    """
    return _TABLE.load(root, frames, coding)
