"""A run as one HTML page: what was found, when, where on the face, and how good the stream was.

The page needs nothing but itself, and shows no picture of anyone unless it is given one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.sinks.records import Record
from realtime.sinks.timeline import TimelineData, draw_timeline
from realtime.sinks.trace import Trace
from realtime.types import TruthInterval
from realtime.view.event_card import event_card, settings_rows
from realtime.view.markdown import to_html
from realtime.view.names import CAUSES, words
from realtime.view.page import environment, percent
from realtime.view.pictures import EventPictures


@dataclass(frozen=True, slots=True, eq=False)
class ReportExtras:
    """What a report can hold beside the records."""

    truth: Sequence[TruthInterval] | None = None
    """Known expressions to draw."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Configuration to print, by name."""
    pictures: Mapping[str, EventPictures] = field(default_factory=dict)
    """By the event's id."""
    quality: Sequence[tuple[str, str]] = ()
    """Further figures of the stream's quality: name and value."""
    model_card: str = ""
    """Markdown."""


def render_report(
    records: Sequence[Record], trace: Trace | None = None, extras: ReportExtras | None = None
) -> str:
    """The report of one run as an HTML page.

    `records`: the lines of schema glimpse/1, in order. `trace`: motion over time. The same arguments give the
    same text.
    """
    trace, extras = trace or Trace(), extras or ReportExtras()
    stream = next((r for r in records if r["type"] == "stream"), None)
    summary = next((r for r in records if r["type"] == "summary"), None)
    events = [r for r in records if r["type"] in ("micro_expression", "macro_expression")]
    truth = extras.truth
    data = TimelineData(
        trace=trace,
        events=events,
        hidden=[r for r in records if r["type"] == "unobservable"],
        truth=[(t.onset_s, t.apex_s, t.offset_s, t.label) for t in truth or ()],
        has_truth=truth is not None,
    )
    duration_s = float(trace.time_s[-1] - trace.time_s[0]) if trace.time_s.size else 0.0
    hidden_share = sum(summary["unobservable"].values()) if summary else 0.0
    pictures = extras.pictures
    page = environment().get_template("report.html.j2")
    return page.render(
        stream=stream,
        summary=summary,
        facts=_facts(events, summary, duration_s, truth),
        seen=_seen(summary),
        hidden_share=hidden_share,
        duration_s=duration_s,
        cards=[event_card(n, e, trace, pictures.get(e["id"])) for n, e in enumerate(events, 1)],
        shows_faces=any(item.faces for item in pictures.values()),
        notes=[*(stream or {}).get("notes", ()), *(summary or {}).get("notes", ())],
        timeline=draw_timeline(data),
        truth=truth,
        quality=extras.quality,
        settings=settings_rows(extras.settings),
        card_text=to_html(extras.model_card),
    )


def _facts(
    events: Sequence[Record],
    summary: Record | None,
    duration_s: float,
    truth: Sequence[TruthInterval] | None,
) -> list[tuple[str, str]]:
    kinds = Counter(event["type"] for event in events)
    labels = Counter(event["label"] for event in events if event["label"])
    facts = [("Micro-expressions", str(kinds["micro_expression"]))]
    facts += [(words(label).capitalize(), str(count)) for label, count in labels.most_common()]
    facts.append(("Macro-expressions", str(kinds["macro_expression"])))
    if duration_s:
        facts.append(("Duration", f"{duration_s:.1f} s"))
    if summary:
        hidden = sum(summary["unobservable"].values())
        facts += [("Frames", str(summary["frames"])), ("Not observable", percent(hidden))]
        if summary["wall_s"] is not None:
            facts.append(("Run took", f"{summary['wall_s']:.1f} s"))
    if truth is not None:
        facts.append(("Known expressions", str(len(truth))))
    return facts


def _seen(summary: Record | None) -> list[tuple[str, float]]:
    """Share of the time that was observable, then of each cause why it was not, largest first."""
    if summary is None:
        return []
    causes = sorted(summary["unobservable"].items(), key=lambda item: -item[1])
    hidden = [(f"not: {CAUSES.get(cause, words(cause))}", share) for cause, share in causes]
    return [("observable", max(1.0 - sum(share for _, share in causes), 0.0)), *hidden]
