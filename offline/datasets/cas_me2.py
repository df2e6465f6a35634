"""CAS(ME)² (Qu et al. 2018): 300 macro- and 57 micro-expressions in long videos at 30 fps.

    CAS(ME)^2code_final.xlsx        no headings; sheets "naming rule1" and "naming rule2" beside it
    rawpic/s15/15_0101disgustingteeth/img1.jpg

The first naming rule tells the folder s15 of a subject's id, the second the number 0101 of a video's
name. An offset of 0 stands for the apex, an apex of 0 is taken as the midpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.corpus import Annotation, ApexSource, Corpus, KeyNumbers
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.loading import Named, annotate, gather, kind_of
from offline.datasets.tables import Row, Sheet, as_text, find_coding, read_bare_table, read_sheet
from realtime.errors import DataError

NAME = "cas_me2"
FPS = 30.0
CODINGS = ("CAS(ME)^2code_final.xlsx", "CAS(ME)^2code*.xlsx", "code_final.xlsx")
RULES = ("naming rule1", "naming rule2")
COLUMNS = ("subject", "name", "onset", "apex", "offset", "AU", "emotion", "type", "self report")
KEYS = COLUMNS[2:5]
FRAMES = {
    "raw": Variant(("rawpic", "rawpic/rawpic", ""), "s[0-9]*", "rawpic/s15/15_0101disgustingteeth/img1.jpg")
}


@dataclass(frozen=True, slots=True)
class _Rules:
    subjects: Mapping[str, str]
    """Id of a subject → folder."""
    videos: Mapping[str, str]
    """Name of a video → its four digits."""


def load(root: Path, frames: str | None = None, coding: str | None = None) -> Corpus:
    """Read CAS(ME)² from `root`, the folder that holds the coding file and rawpic.

    `frames` can only be "raw"; `coding` names another coding file. Raises DataError or UsageError
    where the coding file, one of its sheets, a column or the frames are missing.
    """
    book = find_coding(root, CODINGS, coding)
    rules = _Rules(_subjects(read_sheet(book, RULES[0])), _videos(read_sheet(book, RULES[1])))
    rows = read_bare_table(read_sheet(book, not_named="naming rule"), COLUMNS)
    _, base = choose_frames(root, FRAMES, frames)
    tree = FrameTree(base)
    return gather(
        book,
        base,
        rows,
        lambda row: _name_of(row, rules),
        lambda row, named: _annotation(row, named, rules, tree),
    )


def _subjects(sheet: Sheet) -> dict[str, str]:
    """The id stands in the last column of a line, or before the folder where nothing follows that."""
    found = {}
    for row in sheet.rows:
        cells = [as_text(cell) for cell in row]
        at = next((i for i, cell in enumerate(cells) if re.fullmatch(r"s[0-9]+", cell.lower())), None)
        if at is None:
            continue
        ids = [cell for cell in (*cells[at + 1 :], *cells[:at]) if cell.isdigit()]
        if ids:
            found[_number(ids[0])] = cells[at].lower()
    return _some(found, sheet)


def _videos(sheet: Sheet) -> dict[str, str]:
    found = {}
    for row in sheet.rows:
        cells = [as_text(cell) for cell in row]
        digits = [cell for cell in cells if cell.isdigit()]
        names = [cell for cell in cells if re.search("[A-Za-z]", cell)]
        if digits and names:
            found[names[0].lower()] = f"{digits[0]:0>4}"
    return _some(found, sheet)


def _some(found: dict[str, str], sheet: Sheet) -> dict[str, str]:
    if not found:
        raise DataError(f"{sheet.where}: holds no pairs of a name and a number")
    return found


def _number(text: str) -> str:
    return text.lstrip("0") or "0"


def _name_of(row: Row, rules: _Rules) -> Named:
    subject = row.text("subject")
    return Named(NAME, rules.subjects.get(_number(subject), subject), row.text("name"), row.where)


def _annotation(row: Row, named: Named, rules: _Rules, tree: FrameTree) -> Annotation:
    if _number(row.required("subject")) not in rules.subjects:
        raise DataError(f"column subject is '{named.subject}', which sheet {RULES[0]} does not have")
    video = rules.videos.get(named.clip.partition("_")[0].lower())
    if video is None:
        raise DataError(f"column name is '{named.clip}', whose video sheet {RULES[1]} does not have")
    number, source, notes = _key_numbers(row)
    folder = tree.folder_starting(tree.folder(named.subject), f"{named.subject[1:]}_{video}")
    return annotate(
        named,
        tree.frames(folder),
        number,
        KEYS,
        fps=FPS,
        emotion=row.required("emotion"),
        action_units=row.text("AU"),
        kind=kind_of(row, "type"),
        apex_source=source,
        notes=notes,
    )


def _key_numbers(row: Row) -> tuple[KeyNumbers, ApexSource, tuple[str, ...]]:
    onset, apex, offset = (row.frame(column) for column in KEYS)
    if apex == 0 and offset == 0:
        raise DataError("columns apex and offset are both 0: neither is coded")
    if offset == 0:
        return KeyNumbers(onset, apex, apex), "coded", ("no offset is coded: the apex is taken",)
    if apex == 0:
        middle = (onset + offset) // 2
        return KeyNumbers(onset, middle, offset), "midpoint", ("no apex is coded: the midpoint is taken",)
    return KeyNumbers(onset, apex, offset), "coded", ()
