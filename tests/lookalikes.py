"""Folders laid out like the field's datasets, with 8×8 images in the place of faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import openpyxl

Rows = Sequence[Sequence[object]]

CASME2_2014 = "CASME2-coding-20140508.xlsx"
CASME2_2019 = "CASME2-coding-20190701.xlsx"
CASME2_HEADINGS = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)
SMIC_HEADINGS = (
    *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", None),
    *("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion"),
)


def write_book(path: Path, sheets: Mapping[str, Rows]) -> Path:
    """An Excel workbook with these sheets, in order."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def write_images(folder: Path, names: Iterable[str], grey: int = 128) -> Path:
    """8×8 images of one grey."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded: dict[str, bytes] = {}
    for name in names:
        suffix = Path(name).suffix
        if suffix not in encoded:
            ok, data = cv2.imencode(suffix, np.full((8, 8, 3), grey, np.uint8))
            assert ok
            encoded[suffix] = data.tobytes()
        (folder / name).write_bytes(encoded[suffix])
    return folder


def numbered(pattern: str, first: int, last: int) -> list[str]:
    """`pattern.format(n)` for every n from first to last."""
    return [pattern.format(number) for number in range(first, last + 1)]


def casme2_row(
    subject: object, clip: str, onset: object, apex: object, offset: object, units: object, emotion: str
) -> tuple[object, ...]:
    return (subject, clip, None, onset, apex, offset, None, units, emotion)


def write_casme2(
    root: Path,
    rows: Rows,
    *,
    coding: str = CASME2_2014,
    base: str = "Cropped",
    pattern: str = "reg_img{}.jpg",
    objective: Sequence[object] | None = None,
) -> Path:
    """CASME II with the images onset..offset of every row."""
    headings: tuple[object, ...] = CASME2_HEADINGS
    lines: list[Sequence[object]] = list(rows)
    if objective is not None:
        headings = (*headings, "Objective Classes")
        lines = [(*row, group) for row, group in zip(rows, objective, strict=True)]
    write_book(root / coding, {"Sheet1": [headings, *lines]})
    for row in rows:
        first, last = int(str(row[3])), int(str(row[5]))
        write_images(root / base / f"sub{row[0]}" / str(row[1]), numbered(pattern, first, last))
    return root
