"""The JSON Lines records of a live run: those of a recorded one, and who, when and in which state."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from realtime.sinks.records import Record
from realtime.sources.stream_status import StreamStatus


def wall_time(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_camera(record: Record, camera: str, now_s: float) -> Record:
    """The record with its camera, and the wall clock time at which it was made."""
    return {"type": record["type"], "camera": camera, "wall_time": wall_time(now_s), **record}


def status_record(status: StreamStatus) -> Record:
    """A change of state; what is not known is left out."""
    info = status.info
    values: dict[str, Any] = {
        "reason": status.reason,
        "attempt": status.attempt,
        "wait_s": _rounded(status.wait_s),
        "gap_s": _rounded(status.gap_s),
        "width": info.width if info else None,
        "height": info.height if info else None,
        "fps": _rounded(info.fps) if info else None,
        "warning": status.warning,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return {"type": "status", "state": status.state, **known}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
