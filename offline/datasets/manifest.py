"""One's own data: a CSV file with one annotated movement per row.

    path,onset,apex,offset,label,subject
    clips/p01_003.mp4,12,18,27,surprise,p01
    frames/p02_001/,0,9,21,disgust,p02

`path` is a video file or a folder of numbered images, relative to the CSV file; onset, apex and offset
are 0-based frame numbers; a blank apex is one that is not known. Optional are the columns `fps`, the frame
rate of a folder of images (else 30), `dataset`, the set that a row is from, whose people are then kept apart
from those of others, and `clip`, the movement's name. Further columns are ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from offline.datasets.clips import Clip
from offline.datasets.registry import known_name, person
from offline.datasets.tables import CONTROLS
from realtime.errors import DataError, UsageError
from realtime.sources.common import check_fps

NAME = "manifest"
_MOST_FRAMES = 10**9
COLUMNS = ("path", "onset", "apex", "offset", "label", "subject")


def read_manifest(path: Path) -> Iterator[Clip]:
    """The rows of the file, at least one. Raises DataError naming file, line and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}"
                )
            empty = True
            for row in rows:
                empty = False
                yield _clip(path, rows.line_num, row)
            if empty:
                raise DataError(f"{path}: has no rows")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file in UTF-8 ({error})") from error


def _clip(path: Path, line: int, row: dict[str, str]) -> Clip:
    where = f"{path}, line {line}"
    onset, offset = (_frame_number(row[name], name, where) for name in ("onset", "offset"))
    apex = _frame_number(row["apex"], "apex", where) if (row["apex"] or "").strip() else None
    if onset >= offset or (apex is not None and not onset <= apex <= offset):
        between = "" if apex is None else f", apex {apex}"
        raise DataError(f"{where}: onset {onset}{between} and offset {offset} are not in order")
    for name in ("path", "label", "subject"):
        if not (row[name] or "").strip():
            raise DataError(f"{where}: column {name} is empty")
    for name in ("label", "subject", "dataset", "clip"):
        if CONTROLS.search((row.get(name) or "").strip()):
            raise DataError(f"{where}: column {name} holds a character that cannot be shown")
    subject, dataset = row["subject"].strip(), known_name((row.get("dataset") or "").strip())
    return Clip(
        path=path.parent / row["path"].strip(),
        onset=onset,
        apex=apex,
        offset=offset,
        label=row["label"].strip(),
        subject=person(dataset, subject) if dataset else subject,
        where=where,
        fps=_rate(row.get("fps"), where),
        dataset=dataset or NAME,
        name=(row.get("clip") or "").strip() or row["path"].strip(),
    )


def _rate(text: str | None, where: str) -> float | None:
    if not (text or "").strip():
        return None
    try:
        rate = float(text or "")
        check_fps(rate)
    except (ValueError, UsageError):
        raise DataError(f"{where}: column fps is '{text}', not a frame rate") from None
    return rate


def _frame_number(text: str | None, name: str, where: str) -> int:
    try:
        number = int((text or "").strip())
    except ValueError:
        number = -1
    if not 0 <= number < _MOST_FRAMES:
        raise DataError(f"{where}: column {name} is '{text or ''}', not a frame number from 0 on")
    return number
