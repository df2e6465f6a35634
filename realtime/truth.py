"""Known expressions of a stream, read from a truth file, to be drawn beside what was found."""

from __future__ import annotations

import json
from pathlib import Path

from realtime.errors import DataError
from realtime.report import TruthInterval


def read_truth(path: str) -> tuple[TruthInterval, ...]:
    """The `events` of a truth file (JSON, as `glimpse-offline synthesize` writes it).

    Raises `DataError` where the file is missing or holds no such list.
    """
    try:
        events = json.loads(Path(path).read_text(encoding="utf-8"))["events"]
        return tuple(
            TruthInterval(
                float(e["onset_s"]), float(e["apex_s"]), float(e["offset_s"]), e["label"] and str(e["label"])
            )
            for e in events
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: is no truth file: it has no list of events with onset_s, apex_s, offset_s"
        ) from error
