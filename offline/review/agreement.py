"""How far two raters agree: Cohen's kappa of decisions and labels, and how far apart their key frames are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets.corpus import KeyNumbers
from offline.review.table import KEYS, Review, read_reviews
from realtime.errors import DataError

_NORMAL_95 = 1.959963984540054
_SLACK_MS = 0.05
"""Times are written to a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance on one question (Cohen 1960)."""

    items: int
    """Answered by both."""
    agreed: float
    """Share of the same answer, 0..1; NaN without items."""
    kappa: float
    """−1..1; NaN where both gave one and the same answer throughout, or there are no items."""
    low: float
    high: float
    """95 % interval, NaN likewise; items are taken as independent."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart two raters set one key frame."""

    items: int
    mean_frames: float
    """Mean of the absolute differences; NaN without items, as all the following."""
    median_frames: float
    within_one_frame: float
    """Share, 0..1."""
    timed: int
    """Items of which both files have the time; the following are about these."""
    mean_ms: float
    median_ms: float
    within_tolerance: float
    """Share, 0..1."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two raters side by side."""

    raters: tuple[str, str]
    both: int
    """Clips or events that are in both files."""
    only: tuple[int, int]
    """Those that are in one file alone."""
    decision: Kappa
    """Accepted or rejected, of those that both decided."""
    label: Kappa
    """Of those that both accepted."""
    key_frames: Mapping[str, Distance]
    """Onset, apex and offset of those that both accepted."""
    tolerance_ms: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not defined is None."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def compare_reviews(first: Path, second: Path, tolerance_ms: float) -> Agreement:
    """The agreement of two review files.

    Raises DataError where one is none, where they have no clip in common, or where a clip was shown to
    the two with different key frames.
    """
    reviews = [read_reviews(path) for path in (first, second)]
    one, two = reviews
    pairs = [(review, two[name]) for name, review in one.items() if name in two]
    if not pairs:
        raise DataError(f"{first} and {second} have no clip in common: nothing to compare")
    apart = [a.id for a, b in pairs if a.coded != b.coded]
    if apart:
        raise DataError(
            f"{first} and {second}: {len(apart)} clips were shown with different key frames ({apart[0]}): "
            "both have to review the same annotations"
        )
    names = [next(iter(found.values())).rater for found in reviews]
    if names[0] == names[1]:
        names = [str(first), str(second)]
    accepted = [(a, b) for a, b in pairs if a.decision == b.decision == "accept"]
    return Agreement(
        raters=(names[0], names[1]),
        both=len(pairs),
        only=(len(one) - len(pairs), len(two) - len(pairs)),
        decision=kappa([(a.decision, b.decision) for a, b in pairs if a.decision and b.decision]),
        label=kappa([(a.label, b.label) for a, b in accepted]),
        key_frames={name: _distance(accepted, place, tolerance_ms) for place, name in enumerate(KEYS)},
        tolerance_ms=tolerance_ms,
    )


def kappa(answers: Sequence[tuple[str, str]]) -> Kappa:
    """Cohen's kappa of two raters' answers, with its large-sample 95 % interval.

    The standard error is that of Fleiss, Cohen & Everitt, "Large sample standard errors of kappa and
    weighted kappa", Psychological Bulletin 72 (1969); the interval is cut at −1 and 1.
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    count = len(answers)
    agreed = sum(a == b for a, b in answers) / count if count else math.nan
    names = sorted({answer for pair in answers for answer in pair})
    if len(names) < 2:
        return Kappa(count, agreed, math.nan, math.nan, math.nan)
    one, two = zip(*answers, strict=True)
    value = float(cohen_kappa_score(one, two, labels=names))
    shares = confusion_matrix(one, two, labels=names) / count
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(rows @ columns)
    same = float((np.diag(shares) * (1.0 - (rows + columns) * (1.0 - value)) ** 2).sum())
    off = shares * (columns[:, None] + rows[None, :]) ** 2
    other = float(off.sum() - np.trace(off)) * (1.0 - value) ** 2
    variance = (same + other - (value - chance * (1.0 - value)) ** 2) / (count * (1.0 - chance) ** 2)
    reach = _NORMAL_95 * math.sqrt(max(variance, 0.0))
    return Kappa(count, agreed, value, max(value - reach, -1.0), min(value + reach, 1.0))


def _distance(pairs: Sequence[tuple[Review, Review]], place: int, tolerance_ms: float) -> Distance:
    frames = np.array([abs(_frame(a.keys, place) - _frame(b.keys, place)) for a, b in pairs], dtype=float)
    times = [(a.times[place], b.times[place]) for a, b in pairs]
    apart_ms = np.array([1000.0 * abs(s - t) for s, t in times if s is not None and t is not None])
    return Distance(
        len(frames),
        _of(np.mean, frames),
        _of(np.median, frames),
        _of(np.mean, frames <= 1),
        len(apart_ms),
        _of(np.mean, apart_ms),
        _of(np.median, apart_ms),
        _of(np.mean, apart_ms <= tolerance_ms + _SLACK_MS),
    )


def _frame(keys: KeyNumbers, place: int) -> int:
    frame = (keys.onset, keys.apex, keys.offset)[place]
    assert frame is not None, "an accepted clip has an apex"
    return frame


def _of(figure: Any, values: np.ndarray[Any, Any]) -> float:
    return float(figure(values)) if len(values) else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def agreement_text(found: Agreement) -> str:
    """A few lines to print."""
    lines = [
        f"{found.raters[0]} and {found.raters[1]}: {found.both} clips in both files, "
        f"{found.only[0]} and {found.only[1]} in one alone",
        f"accept or reject: {_kappa_line(found.decision)}",
        f"label of what both accepted: {_kappa_line(found.label)}",
    ]
    for name, apart in found.key_frames.items():
        if not apart.items:
            continue
        line = (
            f"{name}: mean {apart.mean_frames:.2f}, median {apart.median_frames:g} frames apart; "
            f"{apart.within_one_frame:.0%} within one frame"
        )
        if apart.timed:
            line += (
                f"; mean {apart.mean_ms:.1f}, median {apart.median_ms:.1f} ms; "
                f"{apart.within_tolerance:.0%} within {found.tolerance_ms:g} ms"
            )
        lines.append(line)
    return "\n".join(lines)


def _kappa_line(answer: Kappa) -> str:
    if not answer.items:
        return "nothing that both answered"
    same = f"{answer.items} answered by both, {answer.agreed:.0%} alike"
    if math.isnan(answer.kappa):
        return f"{same}; kappa is not defined where there is only one answer"
    return f"{same}, Cohen's kappa {answer.kappa:.3f} (95 % {answer.low:.3f}..{answer.high:.3f})"
