"""Known expressions of a stream, read from a truth file, to be drawn beside what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.errors import DataError
from realtime.types import TruthInterval

_KINDS = ("micro_expression", "macro_expression")
MAX_TIME_S = 1e7
"""No stream is longer than this (four months)."""


def read_truth(path: str) -> tuple[TruthInterval, ...]:
    """The `events` of a truth file (JSON, as `glimpse-offline synthesize` writes it).

    Raises `DataError` where the file is missing or holds no such list.
    """
    try:
        events = json.loads(Path(path).read_text(encoding="utf-8"))["events"]
        return tuple(_interval(event) for event in events)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path}: is no truth file: it has no list of events with onset_s, apex_s, offset_s"
        ) from error


def _interval(event: Any) -> TruthInterval:
    onset_s, apex_s, offset_s = (float(event[key]) for key in ("onset_s", "apex_s", "offset_s"))
    if not all(abs(time_s) <= MAX_TIME_S for time_s in (onset_s, apex_s, offset_s)):  # NaN is refused too
        raise ValueError("a time is out of range")
    label, kind = event["label"], event.get("kind")
    return TruthInterval(onset_s, apex_s, offset_s, label and str(label), kind if kind in _KINDS else None)
