"""SMIC-HS (Li et al. 2013): 164 micro-expressions of 16 subjects at 100 fps, without apex frames.

    SMIC-HS-E_annotation.xlsx                           sheet HS, remarks in the rows at the bottom
    HS_long/SMIC-HS-E/HS/s20/s20_ne_01/image1.jpg       with the frames before and after, or
    HS/s1/micro/negative/s1_ne_01/…                     the frames from onset to offset alone, or
    SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image000001.bmp     the same, cropped

A row may code a second and a third movement. Images are numbered as in the columns or from 1 on; which
of the two is told by the numbers of a folder, and a folder that fits neither is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus, KeyNumbers
from offline.datasets.frames import FrameFolder, FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather
from offline.datasets.tables import Row, find_coding, read_sheet, read_table
from realtime.errors import DataError

NAME = "smic_hs"
FPS = 100.0
CODINGS = ("SMIC-HS-E_annotation.xlsx", "SMIC-HS-E_annotation*.xlsx")
SHEET = "HS"
COLUMNS = ("Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "LastF", "Emotion")
FURTHER = ("Onset2F", "Offset2F", "Onset3F", "Offset3F")
_CLIP_NAME = re.compile(r"s[0-9]+_[a-z]+_[0-9]+", re.IGNORECASE)
FRAMES = {
    "long": Variant(
        ("HS_long/SMIC-HS-E/HS", "HS_long/SMIC-HS-E", "SMIC-HS-E/HS", "SMIC-HS-E", "HS", ""),
        "s[0-9]*/s[0-9]*_*_[0-9]*",
        "HS_long/SMIC-HS-E/HS/s20/s20_ne_01/image1.jpg",
    ),
    "raw": Variant(
        ("HS", "SMIC_all_raw/HS", "SMIC_all_raw/SMIC_all_raw/HS", ""),
        "s[0-9]*/micro",
        "HS/s1/micro/negative/s1_ne_01/image1.bmp",
    ),
    "cropped": Variant(
        ("SMIC_all_cropped/HS", "SMIC_all_cropped/SMIC_all_cropped/HS"),
        "s[0-9]*/micro",
        "SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image000001.bmp",
    ),
}


@dataclass(frozen=True, slots=True)
class _Movement:
    row: Row
    order: int
    """1 for the first movement of a row."""

    @property
    def columns(self) -> tuple[str, str]:
        suffix = "" if self.order == 1 else str(self.order)
        return f"Onset{suffix}F", f"Offset{suffix}F"


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read SMIC-HS from `root`, the folder that holds the coding file and the frames.

    `frames` is "long", which is preferred, "raw" or "cropped"; `coding` names another coding file.
    Raises DataError or UsageError where the coding file, its sheet, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rows = read_table(read_sheet(book, SHEET), COLUMNS, optional=FURTHER)
    form, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    clips = [row for row in rows if not _is_remark(row)]
    firsts = {_span(_Movement(row, 1)): row.text("Filename") for row in clips}

    def read(movement: _Movement, named: Named) -> Annotation:
        return _annotation(movement, named, tree, form, firsts)

    return gather(book, base, _movements(clips), _name_of, read)


def _is_remark(row: Row) -> bool:
    return not (_CLIP_NAME.fullmatch(row.text("Filename")) or row.text("OnsetF").isdigit())


def _movements(rows: Sequence[Row]) -> Iterator[_Movement]:
    for row in rows:
        for order in (1, 2, 3):
            movement = _Movement(row, order)
            if order == 1 or any(row.text(column) for column in movement.columns):
                yield movement


def _span(movement: _Movement) -> tuple[str, ...]:
    return (_name_of(movement).subject, *(movement.row.text(column) for column in movement.columns))


def _name_of(movement: _Movement) -> Named:
    row = movement.row
    subject = row.text("Subject").lstrip("Ss")
    clip = row.text("Filename") + (f"#{movement.order}" if movement.order > 1 else "")
    return Named(NAME, f"s{subject:0>2}" if subject else "", clip, row.where)


def _annotation(
    movement: _Movement, named: Named, tree: FrameTree, form: str, firsts: dict[tuple[str, ...], str]
) -> Annotation:
    row, (onset, offset) = movement.row, movement.columns
    if movement.order > 1 and _span(movement) in firsts:
        raise DataError(f"it is the same movement as {firsts[_span(movement)]}")
    number = KeyNumbers(row.frame(onset), None, row.frame(offset))
    emotion = row.required("Emotion")
    images = _images(row, named.subject, emotion, tree, form)
    return annotate(named, images, number, (onset, "", offset), fps=FPS, emotion=emotion)


def _images(row: Row, subject: str, emotion: str, tree: FrameTree, form: str) -> FrameFolder:
    """The folder of a row, its images under the numbers of the columns."""
    clip = row.text("Filename")
    if form == "long":
        images = tree.frames(tree.folder(subject, clip))
        return _in_columns_numbers(images, row.frame("FirstF"), row.frame("LastF"))
    images = tree.frames(tree.folder(subject, "micro", emotion, clip))
    return _in_columns_numbers(images, row.frame("OnsetF"), row.frame("OffsetF"))


def _in_columns_numbers(images: FrameFolder, first: int, last: int) -> FrameFolder:
    lowest, count = min(images.numbers), len(images.numbers)
    if lowest == first:
        return images
    if lowest in (0, 1) and count == last - first + 1:
        return images.renumbered(first - lowest)
    raise DataError(
        f"{images.path} has {count} images from number {lowest} on; they are neither numbered from {first} "
        f"on nor the {last - first + 1} frames up to {last}"
    )
