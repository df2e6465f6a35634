"""The JSON Lines records of schema glimpse/1: their keys, their order, their rounding.

Seconds have three decimals (whole milliseconds), probabilities four, region shares three and
strengths two. Described in `realtime/schema/glimpse-1.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from realtime.types import (
    FacialEvent,
    ModelInfo,
    Notice,
    Provisional,
    Recognition,
    RunSummary,
    StreamInfo,
    Unobservable,
)

SCHEMA = "glimpse/1"

Record = dict[str, Any]
RECORD_BEGINS = b'{"type":'
"""How every line of them begins."""


def stream_record(info: StreamInfo, model: ModelInfo | None) -> Record:
    """The first line: what was read, and with which model. `notes` only where there are some."""
    record: Record = {
        "type": "stream",
        "schema": SCHEMA,
        "source": info.source,
        "width": info.width,
        "height": info.height,
        "fps": _round(info.fps, 3),
        "model": {"name": model.name, "id": model.id} if model else None,
    }
    if info.notes:
        record["notes"] = list(info.notes)
    return record


def event_record(event: FacialEvent) -> Record:
    """One line per event; `verdict` only with a threshold for it, `explanation` only on request."""
    keys, recognition = event.key_frames, event.recognition
    onset_s, apex_s, offset_s = (_round(t, 3) for t in (keys.onset_s, keys.apex_s, keys.offset_s))
    record: Record = {
        "type": event.kind,
        "id": event.id,
        "face": event.face,
        "onset_s": onset_s,
        "apex_s": apex_s,
        "offset_s": offset_s,
        "onset_frame": keys.onset_frame,
        "apex_frame": keys.apex_frame,
        "offset_frame": keys.offset_frame,
        "duration_ms": _round((offset_s - onset_s) * 1000.0, 0),
        "strength": _round(keys.strength, 2),
        "label": event.label,
        "probabilities": _rounded(recognition.probabilities, 4) if recognition else None,
        **_action_units(recognition),
        "regions": _rounded(keys.regions, 3),
        "decided_s": _round(keys.decided_s, 3),
    }
    if recognition is not None and recognition.uncertain is not None:
        record["verdict"] = "uncertain" if recognition.uncertain else "certain"
    if recognition is not None and recognition.explanation is not None:
        about = recognition.explanation
        record["explanation"] = {"regions": _rounded(about.regions, 3), "blocks": _rounded(about.blocks, 3)}
    return record


def _action_units(recognition: Recognition | None) -> Record:
    """Only where the bundle knows action units."""
    if recognition is None or not recognition.action_units:
        return {}
    return {"action_units": _rounded(recognition.action_units, 2), "sides": dict(recognition.sides)}


def notice_record(notice: Notice) -> Record:
    """One line per notice; `face` of an unobservable stretch only where several faces are followed."""
    if isinstance(notice, Unobservable):
        from_s, to_s = _round(notice.from_s, 3), _round(notice.to_s, 3)
        face = {} if notice.face is None else {"face": notice.face}
        return {"type": "unobservable", **face, "from_s": from_s, "to_s": to_s, "cause": notice.cause}
    about: Record = {"id": notice.id, "face": notice.face}
    decided: Record = {"decided_s": _round(notice.decided_s, 3)}
    if isinstance(notice, Provisional):
        times = {"onset_s": _round(notice.onset_s, 3), "apex_s": _round(notice.apex_s, 3)}
        return {"type": "provisional", **about, **times, "strength": _round(notice.strength, 2), **decided}
    return {"type": "withdrawn", **about, **decided}


def summary_record(summary: RunSummary) -> Record:
    """The last line. `skipped` and `unobservable` are ordered by cause; `notes` only where there are some."""
    record: Record = {
        "type": "summary",
        "frames": summary.frames,
        "face_frames": summary.face_frames,
        "skipped": {cause: summary.skipped[cause] for cause in sorted(summary.skipped)},
        "unobservable": _rounded(dict(sorted(summary.unobservable.items())), 4),
        "events": summary.events,
        "wall_s": None if summary.wall_s is None else _round(summary.wall_s, 3),
    }
    if summary.notes:
        record["notes"] = list(summary.notes)
    return record


def to_line(record: Record) -> bytes:
    """A record as one line of UTF-8 JSON, ended by a newline.

    A NaN or infinity in a record is a mistake of the caller: `ValueError`.
    """
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # undecodable bytes of a file name become the JSON escape of their surrogate
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _rounded(values: Mapping[str, float], digits: int) -> dict[str, float]:
    return {name: _round(value, digits) for name, value in values.items()}


def _round(value: float, digits: int) -> float:
    return round(float(value), digits) + 0.0  # + 0.0 turns -0.0 into 0.0
