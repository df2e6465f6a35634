"""Coding files: Excel sheets as rows with named cells. openpyxl is imported when a file is read."""

from __future__ import annotations

import fnmatch
import io
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import DataError
from realtime.sinks.extras import missing
from realtime.sources.images import SUFFIXES

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves the cursor, turns the reading direction, begins a line or is half a character."""
_HEADER_WITHIN = 40
"""Rows in which the line of headings is looked for."""
_NO_FRAME = frozenset({"", "/", "\\", "-", "–", "n/a", "nan", "none"})
_MOST_ROWS, _MOST_COLUMNS = 50_000, 200
_MOST_BYTES = 64_000_000
"""A workbook that unpacks to more is no coding file."""
_DEPTH = 3
_MANY_IMAGES = 20


@dataclass(frozen=True, slots=True)
class Sheet:
    """All cells of one sheet."""

    file: Path
    name: str
    rows: tuple[tuple[object, ...], ...]

    @property
    def where(self) -> str:
        return f"{self.file}, sheet {self.name}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, its cells by column; every complaint names the column."""

    where: str
    """File, sheet and 1-based row, as Excel counts it."""
    cells: Mapping[str, object]

    def text(self, column: str) -> str:
        """The cell as text; "" where it is blank or the table has no such (optional) column."""
        return as_text(self.cells.get(column))

    def required(self, column: str) -> str:
        """The cell as text. Raises DataError where it is blank."""
        text = self.text(column)
        if not text:
            raise DataError(f"column {column} is empty")
        return text

    def frame(self, column: str) -> int:
        """The cell as a frame number. Raises DataError where it is none."""
        text = self.text(column)
        if re.fullmatch(r"[0-9]{1,9}", text) is None:
            raise DataError(f"column {column} is '{text}', not a frame number")
        return int(text)

    def frame_or_none(self, column: str) -> int | None:
        """The same, None for a blank cell, "/" and what else stands for "not coded"."""
        return None if self.text(column).lower() in _NO_FRAME else self.frame(column)


def as_text(cell: object) -> str:
    """A cell as text of one line: 6 and 6.0 are "6", nothing is ""."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return CONTROLS.sub(" ", str(cell)).strip()


def find_coding(root: Path, patterns: Sequence[str], chosen: str | None = None) -> Path:
    """The coding file in `root` or up to three folders below.

    Args:
        root: the dataset's folder.
        patterns: names it may have, with `*`; the first that occurs is taken.
        chosen: the name of the file to take instead.

    Raises:
        DataError: there is none.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the folder of the dataset")
    books = sorted(_workbooks(root, _DEPTH), key=lambda p: (len(p.parts), len(p.name), str(p)))
    for pattern in patterns if chosen is None else (chosen,):
        for book in books:
            if fnmatch.fnmatchcase(book.name.lower(), pattern.lower()):
                return book
    wanted = " or ".join(patterns) if chosen is None else chosen
    raise DataError(f"{root}: has no coding file {wanted}; give the folder of the dataset that holds it")


def _workbooks(folder: Path, depth: int) -> Iterator[Path]:
    """Excel files, without going through folders of frames to their end."""
    images = 0
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if suffix == ".xlsx" and not entry.name.startswith(("~$", ".")):
                    yield Path(entry.path)
                elif suffix in SUFFIXES:
                    images += 1
                    if images > _MANY_IMAGES and depth < _DEPTH:
                        return
                elif depth > 0 and entry.is_dir():
                    folders.append(Path(entry.path))
    except OSError as error:
        if depth < _DEPTH:
            return
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    for below in folders:
        yield from _workbooks(below, depth - 1)


def read_sheet(file: Path, name: str | None = None, *, not_named: str = "") -> Sheet:
    """One sheet of an Excel workbook.

    Args:
        file: an .xlsx file.
        name: the sheet; None: the first whose name does not begin with `not_named`.

    Raises:
        UsageError: openpyxl is not installed.
        DataError: the file cannot be read, is far too large, or has no such sheet.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise missing("reading coding files", "train", error) from error
    try:
        content = io.BytesIO(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions that hold no cells
            _check_size(file, content)
            book = openpyxl.load_workbook(content, read_only=True, data_only=True)
            chosen = _choose_sheet(file, book.sheetnames, name, not_named)
            sheet = book[chosen]
            sheet.reset_dimensions()
            found = sheet.iter_rows(max_row=_MOST_ROWS + 1, values_only=True)
            rows = tuple(tuple(row[:_MOST_COLUMNS]) for row in found)
            book.close()
            if len(rows) > _MOST_ROWS:
                raise DataError(f"{file}, sheet {chosen}: has more than {_MOST_ROWS} rows")
    except DataError:
        raise
    except Exception as error:  # a damaged archive or XML raises whatever it happens to trip over
        raise DataError(f"{file}: is no Excel workbook (.xlsx), or a damaged one") from error
    return Sheet(file, chosen, rows)


def _check_size(file: Path, content: io.BytesIO) -> None:
    with zipfile.ZipFile(content) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
            raise DataError(f"{file}: unpacks to more than {_MOST_BYTES} bytes; no coding file does")


def _choose_sheet(file: Path, names: Sequence[str], wanted: str | None, not_named: str) -> str:
    for name in names:
        if wanted is None and not (not_named and _plain(name).startswith(_plain(not_named))):
            return name
        if wanted is not None and _plain(name) == _plain(wanted):
            return name
    raise DataError(f"{file}: has no sheet {wanted or 'of annotations'}; it has {', '.join(names)}")


def read_table(sheet: Sheet, columns: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The rows under the line of headings, wherever that stands; blank lines and remarks are passed over.

    Headings are compared without case, blanks, punctuation and a "frame" at their end. The first three
    columns are to tell subject, clip and onset: a line with neither clip nor onset is a remark.

    Raises DataError naming the column that is missing.
    """
    at, headings = _headings(sheet, columns[:2])
    places = {
        name: headings.index(_heading(name)) for name in (*columns, *optional) if _heading(name) in headings
    }
    missing = [column for column in columns if column not in places]
    if missing:
        found = ", ".join(as_text(cell) for cell in sheet.rows[at] if as_text(cell))
        raise DataError(f"{sheet.where}, row {at + 1}: has no column {', '.join(missing)}; it has {found}")
    rows = _rows(sheet, places, at + 1)
    return [row for row in rows if row.text(columns[1]) or row.text(columns[2])]


def _headings(sheet: Sheet, first: Sequence[str]) -> tuple[int, list[str]]:
    """0-based row of the headings, and the plain headings themselves."""
    for at, cells in enumerate(sheet.rows[:_HEADER_WITHIN]):
        headings = [_heading(as_text(cell)) for cell in cells]
        if all(_heading(column) in headings for column in first):
            return at, headings
    raise DataError(f"{sheet.where}: has no line of headings with {' and '.join(first)}")


def read_bare_table(sheet: Sheet, columns: Sequence[str]) -> list[Row]:
    """The rows of a sheet without headings, whose columns stand in the given order.

    Raises DataError where it has fewer columns than that.
    """
    width = max((len(cells) for cells in sheet.rows), default=0)
    if width < len(columns):
        raise DataError(
            f"{sheet.where}: has {width} columns; needed are {len(columns)}: {', '.join(columns)}"
        )
    rows = _rows(sheet, {column: place for place, column in enumerate(columns)}, 0)
    return [row for row in rows if any(row.text(column) for column in columns[:2])]


def _rows(sheet: Sheet, places: Mapping[str, int], start: int) -> Iterator[Row]:
    for number, cells in enumerate(sheet.rows[start:], start + 1):
        named = {column: cells[place] for column, place in places.items() if place < len(cells)}
        yield Row(f"{sheet.where}, row {number}", named)


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "", text.lower())


def _heading(text: str) -> str:
    return _plain(text).removesuffix("frame")
