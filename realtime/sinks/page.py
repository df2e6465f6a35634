"""A run as one HTML page: what was found, when, where on the face, and how good the stream was.

The page needs nothing but itself and holds no picture of anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from realtime.sinks.records import Record
from realtime.sinks.timeline import TimelineData, draw_timeline
from realtime.sinks.trace import Trace
from realtime.types import TruthInterval

_TOP_REGIONS = 5
_TOP_REASONS = 3


def render_report(
    records: Sequence[Record],
    trace: Trace | None = None,
    *,
    truth: Sequence[TruthInterval] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The report of one run as an HTML page.

    `records`: the lines of schema glimpse/1, in order. `trace`: motion over time. `truth`: known
    expressions. `settings`: configuration to print, by name. The same arguments give the same text.
    """
    stream = next((r for r in records if r["type"] == "stream"), None)
    summary = next((r for r in records if r["type"] == "summary"), None)
    events = [r for r in records if r["type"] in ("micro_expression", "macro_expression")]
    hidden = [r for r in records if r["type"] == "unobservable"]
    data = TimelineData(
        trace=trace or Trace(),
        events=events,
        hidden=hidden,
        truth=[(t.onset_s, t.apex_s, t.offset_s, t.label) for t in truth or ()],
        has_truth=truth is not None,
    )
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            stream=stream,
            summary=summary,
            events=[_event_view(event) for event in events],
            counts=_counts(events),
            notes=[*(stream or {}).get("notes", ()), *(summary or {}).get("notes", ())],
            timeline=draw_timeline(data),
            truth=truth,
            settings=_flatten(settings or {}),
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("realtime", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    environment.filters["clock"] = _clock
    return environment


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(float(seconds) * 1000), 60_000)
    return f"{minutes}:{rest / 1000:06.3f}"


def _event_view(event: Record) -> dict[str, Any]:
    """An event with its probabilities and its strongest regions as (name, share) pairs, largest first."""
    ranked = sorted(event["regions"].items(), key=lambda item: -item[1])
    probabilities = event["probabilities"]
    return {
        **event,
        "kind": event["type"].removesuffix("_expression"),
        "bars": None if probabilities is None else sorted(probabilities.items(), key=lambda item: -item[1]),
        "places": ranked[:_TOP_REGIONS],
        "reasons": _reasons(event.get("explanation")),
        "delay_ms": round((event["decided_s"] - event["apex_s"]) * 1000),
    }


def _reasons(explanation: Record | None) -> list[tuple[str, float]]:
    """Regions, then blocks, that spoke most for the label, largest first; those that did not are left out."""
    if explanation is None:
        return []
    chosen = []
    for kind in ("regions", "blocks"):
        ranked = sorted(explanation[kind].items(), key=lambda item: -item[1])
        chosen += [(name, value) for name, value in ranked[:_TOP_REASONS] if value > 0.0]
    return chosen


def _counts(events: Sequence[Record]) -> dict[str, int]:
    kinds = [event["type"] for event in events]
    return {"micro": kinds.count("micro_expression"), "macro": kinds.count("macro_expression")}


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
