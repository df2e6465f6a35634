"""The state of a review: what is open, what was said, undo, and the file that is written at every change."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from offline.datasets.corpus import KeyNumbers
from offline.review.items import Agenda, Item
from offline.review.table import Decision, Review, Times, checked_keys, read_reviews, write_reviews
from realtime.errors import DataError, OutputError, UsageError

DEFAULT_RATER = "rater"
MOST_COMMENT = 2000
_MOST_UNDO = 1000
TimesOf = Callable[[Item, KeyNumbers], Times]
"""Times of frames, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says of one clip."""

    decision: Decision
    keys: KeyNumbers
    label: str
    comment: str


class Desk:
    """What one rater says of an agenda. Safe to use from several threads.

    Every change is in the file before the call that makes it returns.
    """

    def __init__(self, agenda: Agenda, path: Path, rater: str | None) -> None:
        """Go on with the review in `path`, or begin it there.

        Raises DataError where the file is no review of this agenda, UsageError where it is of another
        rater, OutputError where it cannot be written.
        """
        self.agenda, self.path = agenda, path
        self._lock = threading.Lock()
        self._undo: list[tuple[int, Review | None]] = []
        self._typing: int | None = None
        self._reviews = read_reviews(path) if path.exists() else {}
        self.rater = self._rater(rater)
        self._check()
        write_reviews(path, self._reviews.values())
        self._seen = _state(path)

    def answer(self, number: int) -> Answer:
        """What was said of a clip, or what was coded."""
        item = self.agenda.items[number]
        review = self._reviews.get(item.id)
        if review is None:
            return Answer("", item.keys, item.label, "")
        return Answer(review.decision, review.keys, review.label, review.comment)

    def say(self, number: int, answer: Answer, times_of: TimesOf) -> None:
        """Take an answer and write it down.

        Raises DataError where it makes no sense or the file was changed by somebody else, OutputError
        where it cannot be written; then nothing has changed.
        """
        item = self.agenda.items[number]
        with self._lock:
            earlier, answer = self.answer(number), self._checked(answer)
            if answer == earlier:
                return
            before = self._reviews.get(item.id)
            self._write({**self._reviews, item.id: self._review(item, answer, times_of)})
            typing = number if replace(answer, comment=earlier.comment) == earlier else None
            if typing is None or typing != self._typing:  # a comment is taken back as a whole
                self._undo = [*self._undo[1 - _MOST_UNDO :], (number, before)]
            self._typing = typing

    def undo(self) -> int | None:
        """Take the last change back; gives the clip that it was about, None where there is none left.

        Raises DataError, OutputError as `say`.
        """
        with self._lock:
            if not self._undo:
                return None
            number, before = self._undo[-1]
            rest = dict(self._reviews)
            name = self.agenda.items[number].id
            if before is None:
                rest.pop(name, None)
            else:
                rest[name] = before
            self._write(rest)
            self._undo.pop()
            self._typing = None
            return number

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    def counts(self) -> dict[str, int]:
        """How many of the agenda's items were accepted, rejected and are open."""
        decisions = [self.answer(number).decision for number in range(len(self.agenda.items))]
        return {
            "accepted": decisions.count("accept"),
            "rejected": decisions.count("reject"),
            "open": decisions.count(""),
        }

    def _checked(self, answer: Answer) -> Answer:
        keys = checked_keys(answer.keys)
        if answer.decision == "accept" and keys.apex is None:
            raise DataError("an accepted clip needs an apex: set it first")
        if answer.label not in (*self.agenda.labels, ""):
            raise DataError(f"label '{answer.label}' is none of {', '.join(self.agenda.labels)}")
        if len(answer.comment) > MOST_COMMENT:
            raise DataError(f"a comment may have {MOST_COMMENT} characters, not {len(answer.comment)}")
        return replace(answer, comment=_one_line(answer.comment))

    def _review(self, item: Item, answer: Answer, times_of: TimesOf) -> Review:
        return Review(
            id=item.id,
            source=item.source,
            subject=item.subject,
            coded=item.keys,
            coded_label=item.label,
            rater=self.rater,
            decision=answer.decision,
            keys=answer.keys,
            times=times_of(item, answer.keys),
            label=answer.label,
            comment=answer.comment,
            reviewed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _write(self, reviews: Mapping[str, Review]) -> None:
        if _state(self.path) != self._seen:
            raise DataError(
                f"{self.path} was changed by somebody else: start this page again to go on from it"
            )
        order = {item.id: place for place, item in enumerate(self.agenda.items)}
        rows = sorted(reviews.values(), key=lambda review: order.get(review.id, len(order)))
        write_reviews(self.path, rows)
        self._seen = _state(self.path)
        self._reviews = {review.id: review for review in rows}

    def _rater(self, wanted: str | None) -> str:
        known = next((review.rater for review in self._reviews.values()), None)
        name = _one_line(wanted or "") or known or DEFAULT_RATER
        if known is not None and name != known:
            raise UsageError(f"{self.path} is the review of {known}: name another file with --out for {name}")
        return name

    def _check(self) -> None:
        items = {item.id: item for item in self.agenda.items}
        strange = [name for name in self._reviews if name not in items]
        if strange and len(strange) == len(self._reviews):
            raise DataError(
                f"{self.path}: reviews other clips than these ({strange[0]}): name another file with --out"
            )
        old = [name for name, r in self._reviews.items() if name in items and r.coded != items[name].keys]
        if old:
            raise DataError(
                f"{self.path}: {len(old)} clips were annotated anew since they were reviewed ({old[0]}): "
                "name another file with --out, or take these rows out"
            )


def _state(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes the file."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read back: {error.strerror or error}") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def _one_line(text: str) -> str:
    """Printable characters on one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def answer_from(data: Any) -> Answer:
    """An answer as the page sends it. Raises DataError for anything else."""
    try:
        keys = [data[name] for name in ("onset", "apex", "offset")]
        texts = [data[name] for name in ("decision", "label", "comment")]
        if not all(type(key) is int and 0 <= key < 10**9 for key in keys if key is not None):
            raise ValueError("frame numbers")
        if keys[0] is None or keys[2] is None or not all(isinstance(text, str) for text in texts):
            raise ValueError("texts")
        if texts[0] not in ("accept", "reject", ""):
            raise ValueError("decision")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("this is no answer to a clip") from error
    return Answer(texts[0], KeyNumbers(keys[0], keys[1], keys[2]), texts[1], texts[2])
