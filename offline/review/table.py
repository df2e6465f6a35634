"""A review as a CSV file: one row per clip or event that an expert has looked at, of one rater.

Columns:
    id                clip or event: `dataset/subject/clip` or `events/film/event`
    source            the dataset's name, or the film's
    subject           person, blank for events
    coded_onset_frame, coded_apex_frame, coded_offset_frame, coded_label
                      what the expert was shown; a review of other numbers is out of date
    rater             who looked
    decision          accept, reject, or blank while undecided
    onset_frame, apex_frame, offset_frame
                      0-based frame numbers as the expert left them; a blank apex is one that is not known
    onset_s, apex_s, offset_s
                      times of these frames in the film, s; blank where the pictures were never opened
    label, comment    as the expert left them
    reviewed_at       time of the last change, ISO 8601, UTC
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from offline.datasets.corpus import KeyNumbers
from offline.datasets.left_out import csv_table
from realtime.errors import DataError
from realtime.sinks.files import write_together

Decision = Literal["accept", "reject", ""]
Times = tuple[float | None, float | None, float | None]
KEYS = ("onset", "apex", "offset")
COLUMNS = (
    *("id", "source", "subject"),
    *(f"coded_{name}_frame" for name in KEYS),
    *("coded_label", "rater", "decision"),
    *(f"{name}_frame" for name in KEYS),
    *(f"{name}_s" for name in KEYS),
    *("label", "comment", "reviewed_at"),
)
UNKNOWN: Times = (None, None, None)


@dataclass(frozen=True, slots=True)
class Review:
    """What one expert said of one clip or event."""

    id: str
    source: str
    subject: str
    coded: KeyNumbers
    """Key frames that the expert was shown."""
    coded_label: str
    rater: str
    decision: Decision
    keys: KeyNumbers
    """Key frames as the expert left them."""
    times: Times
    """Their times, s."""
    label: str
    comment: str
    reviewed_at: str

    @property
    def moved(self) -> bool:
        """Whether a key frame was changed."""
        return self.keys != self.coded

    @property
    def relabelled(self) -> bool:
        """Whether the label was changed."""
        return self.label != self.coded_label


def read_reviews(path: Path) -> dict[str, Review]:
    """The reviews of a file by their ids, in its order; it may hold none yet.

    Raises DataError naming file, line and column where it is no review file of one rater.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise DataError(
                f"{path}: is no review file: it has no column {', '.join(missing[:3])}"
                f"{' …' if len(missing) > 3 else ''}; glimpse-offline review makes one"
            )
        found: dict[str, Review] = {}
        for row in rows:
            review = _review(row, f"{path}, line {rows.line_num}")
            if review.id in found:
                raise DataError(f"{path}, line {rows.line_num}: a second review of {review.id}")
            found[review.id] = review
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file in UTF-8 ({error})") from error
    raters = sorted({review.rater for review in found.values()})
    if len(raters) > 1:
        raise DataError(f"{path}: holds reviews by {' and '.join(raters[:3])}: one file per rater")
    return found


def write_reviews(path: Path, reviews: Iterable[Review]) -> None:
    """Write the file, whole or not at all. Raises OutputError."""
    write_together({path: csv_table(COLUMNS, [_cells(review) for review in reviews])})


def _cells(review: Review) -> tuple[object, ...]:
    return (
        *(review.id, review.source, review.subject),
        *_numbers(review.coded),
        *(review.coded_label, review.rater, review.decision),
        *_numbers(review.keys),
        *("" if time_s is None else f"{time_s:.4f}" for time_s in review.times),
        *(review.label, review.comment, review.reviewed_at),
    )


def _numbers(keys: KeyNumbers) -> tuple[object, ...]:
    return (keys.onset, "" if keys.apex is None else keys.apex, keys.offset)


def _review(row: Mapping[str, str | None], where: str) -> Review:
    cells = {name: (row[name] or "").strip() for name in COLUMNS}
    for name in ("id", "rater"):
        if not cells[name]:
            raise DataError(f"{where}: column {name} is empty")
    decision = _decision(cells["decision"], where)
    keys = _keys(cells, "", where)
    if decision == "accept" and keys.apex is None:
        raise DataError(f"{where}: column apex_frame is empty, but the clip is accepted")
    onset_s, apex_s, offset_s = (_time(cells, f"{name}_s", where) for name in KEYS)
    return Review(
        id=cells["id"],
        source=cells["source"],
        subject=cells["subject"],
        coded=_keys(cells, "coded_", where),
        coded_label=cells["coded_label"],
        rater=cells["rater"],
        decision=decision,
        keys=keys,
        times=(onset_s, apex_s, offset_s),
        label=cells["label"],
        comment=cells["comment"],
        reviewed_at=cells["reviewed_at"],
    )


def _decision(text: str, where: str) -> Decision:
    for known in get_args(Decision):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise DataError(f"{where}: column decision is '{text}', not accept, reject or blank")


def _keys(cells: Mapping[str, str], prefix: str, where: str) -> KeyNumbers:
    onset, apex, offset = (_number(cells, f"{prefix}{name}_frame", where) for name in KEYS)
    if onset is None or offset is None:
        raise DataError(f"{where}: column {prefix}{'onset' if onset is None else 'offset'}_frame is empty")
    try:
        return checked_keys(KeyNumbers(onset, apex, offset))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def checked_keys(keys: KeyNumbers) -> KeyNumbers:
    """The key frames themselves; raises DataError where they are not in order."""
    onset, apex, offset = keys.onset, keys.apex, keys.offset
    if onset >= offset or (apex is not None and not onset <= apex <= offset):
        between = "" if apex is None else f", apex {apex}"
        raise DataError(f"onset {onset}{between} and offset {offset} are not in order")
    return keys


def _number(cells: Mapping[str, str], name: str, where: str) -> int | None:
    text = cells[name]
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(f"{where}: column {name} is '{text}', not a frame number from 0 on")
    return int(text)


def _time(cells: Mapping[str, str], name: str, where: str) -> float | None:
    text = cells[name]
    try:
        time_s = float(text) if text else None
    except ValueError:
        time_s = -1.0
    if time_s is not None and not 0.0 <= time_s < 1e7:  # NaN is refused too
        raise DataError(f"{where}: column {name} is '{text}', not a time in seconds")
    return time_s
