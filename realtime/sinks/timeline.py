"""The timeline of a run as an inline SVG that takes its colours from the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realtime.sinks.records import Record
from realtime.sinks.trace import Trace
from realtime.types import F64

_ROW_S = 20.0
_MAX_ROWS = 12
_MAX_DRAWN = 2000
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "glimpse",
    "font.family": "sans-serif",
    "font.size": 9,
    "hatch.linewidth": 0.6,
    "path.simplify_threshold": 0.3,
}
# stand-ins that become CSS variables of the page, so that one drawing serves light and dark
_PAINT = {
    "--ink": "#010203",
    "--soft": "#020304",
    "--line": "#030405",
    "--motion": "#040506",
    "--head": "#050607",
    "--micro": "#060708",
    "--macro": "#070809",
    "--truth": "#08090a",
    "--gap": "#090a0b",
}

_HATCHED: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": _PAINT["--line"],
    "hatch": "////",
    "linewidth": 0,
}


@dataclass(frozen=True, slots=True)
class TimelineData:
    """What the timeline shows."""

    trace: Trace
    events: Sequence[Record] = ()
    """Event records of schema glimpse/1."""
    hidden: Sequence[Record] = ()
    """Records of unobservable stretches."""
    truth: Sequence[tuple[float, float | None, float, str | None]] = field(default=())
    """Onset, apex (or None), offset in s, and label of known expressions."""
    has_truth: bool = False
    """Whether to draw a lane for the truth, be it empty."""


def draw_timeline(data: TimelineData) -> str:
    """An `<svg>` element: rows of at least 20 s, each with the motion and the intervals below it."""
    time_s, motion = data.trace.time_s, data.trace.motion
    end_s = max([*time_s[-1:], *(e["offset_s"] for e in data.events), *(t[2] for t in data.truth), 0.5])
    rows = min(max(math.ceil(end_s / _ROW_S), 1), _MAX_ROWS)
    span_s = max(end_s / rows, _ROW_S) if rows > 1 else end_s
    lanes = 2 if data.has_truth else 1
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(10.4, 0.75 + rows * (1.55 + 0.25 * lanes)), layout="constrained")
        figure.patch.set_alpha(0.0)
        grid = figure.subplots(rows, 1, squeeze=False)
        top = _top(motion)
        for row, axes in enumerate(grid[:, 0]):
            start_s = row * span_s
            _draw_row(axes, data, (start_s, start_s + span_s), top, lanes)
        grid[-1, 0].set_xlabel("stream time (s)", color=_PAINT["--ink"])
        return _to_svg(figure)


def _top(motion: F64) -> float:
    seen = motion[np.isfinite(motion)]
    return max(1.25 * float(np.quantile(seen, 0.998)), 1.0) if seen.size else 1.0


def _draw_row(axes: Axes, data: TimelineData, window: tuple[float, float], top: float, lanes: int) -> None:
    time_s, motion, rigid = _thin(data.trace, window)
    lane = 0.17 * top
    _style(axes, window, top, lanes * lane)
    axes.axhline(0.0, color=_PAINT["--line"], linewidth=0.8)
    for stretch in data.hidden:
        if stretch["to_s"] >= window[0] and stretch["from_s"] <= window[1]:
            span = (stretch["from_s"], stretch["to_s"])
            axes.fill_between(span, 0.0, top, color=_PAINT["--gap"], linewidth=0)
            axes.fill_between(span, 0.0, top, **_HATCHED)
    if time_s.size:
        axes.plot(time_s, np.minimum(rigid, top), color=_PAINT["--head"], linewidth=0.8)
        axes.plot(time_s, np.minimum(motion, top), color=_PAINT["--motion"], linewidth=1.1)
    _lane_name(axes, window, "found", -0.5 * lane)
    for number, event in enumerate(data.events, 1):
        if event["offset_s"] >= window[0] and event["onset_s"] <= window[1]:
            _draw_event(axes, event, number, lane, top)
    if data.has_truth:
        _lane_name(axes, window, "truth", -1.5 * lane)
        for onset_s, apex_s, offset_s, _ in data.truth:
            if offset_s >= window[0] and onset_s <= window[1]:
                _bar(axes, (onset_s, apex_s, offset_s), -1.5 * lane, 0.3 * lane, "--truth", "..")


def _thin(trace: Trace, window: tuple[float, float]) -> tuple[F64, F64, F64]:
    """Time, motion and head motion inside `window`; peaks are kept where points are too many to draw."""
    here = (trace.time_s >= window[0]) & (trace.time_s <= window[1])
    time_s, motion, rigid = trace.time_s[here], trace.motion[here], trace.rigid[here]
    if time_s.size <= _MAX_DRAWN:
        return time_s, motion, rigid
    starts = np.arange(0, time_s.size, math.ceil(time_s.size / _MAX_DRAWN))
    return time_s[starts], np.fmax.reduceat(motion, starts), np.fmax.reduceat(rigid, starts)


def _style(axes: Axes, window: tuple[float, float], top: float, below: float) -> None:
    axes.patch.set_alpha(0.0)
    axes.set_xlim(*window)
    axes.set_ylim(-below, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick < top])
    axes.tick_params(colors=_PAINT["--soft"], labelsize=8)
    axes.grid(axis="x", color=_PAINT["--line"], linewidth=0.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_PAINT["--line"])


def _lane_name(axes: Axes, window: tuple[float, float], text: str, y: float) -> None:
    x = window[0] - 0.004 * (window[1] - window[0])
    axes.text(x, y, text, color=_PAINT["--soft"], fontsize=8, ha="right", va="center")


def _draw_event(axes: Axes, event: Record, number: int, lane: float, top: float) -> None:
    micro = event["type"] == "micro_expression"
    paint = "--micro" if micro else "--macro"
    times = (event["onset_s"], event["apex_s"], event["offset_s"])
    axes.axvspan(times[0], times[2], ymin=0.0, color=_PAINT[paint], alpha=0.16, linewidth=0)
    axes.axvline(event["apex_s"], color=_PAINT[paint], linewidth=0.9, linestyle="-" if micro else "--")
    _bar(axes, times, -0.5 * lane, 0.3 * lane, paint, None if micro else "////")
    if axes.get_xlim()[0] <= times[1] < axes.get_xlim()[1]:
        style: dict[str, Any] = {"color": _PAINT[paint], "fontsize": 9, "fontweight": "bold"}
        axes.text(times[1], top, str(number), ha="center", va="bottom", url=f"#event-{number}", **style)


def _bar(
    axes: Axes,
    times: tuple[float, float | None, float],
    y: float,
    half: float,
    paint: str,
    hatch: str | None,
) -> None:
    onset_s, apex_s, offset_s = times
    axes.fill_between(
        [onset_s, offset_s],
        y - half,
        y + half,
        facecolor="none" if hatch else _PAINT[paint],
        edgecolor=_PAINT[paint],
        hatch=hatch,
        linewidth=0.8,
    )
    if apex_s is not None:
        axes.plot([apex_s], [y], marker="|", markersize=9, color=_PAINT["--ink"], markeredgewidth=1.4)


def _to_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img" aria-label="Timeline"', svg, count=1)
    for name, colour in _PAINT.items():
        svg = svg.replace(colour, f"var({name})")
    return svg
