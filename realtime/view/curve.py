"""The motion around one event as a small SVG."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from realtime.sinks.records import Record
from realtime.sinks.trace import Trace

_AROUND_S = 0.5
_WIDTH, _HEIGHT, _TOP = 300.0, 84.0, 14.0


def draw_curve(trace: Trace, event: Record) -> Markup:
    """Largest motion of a region from half a second before the onset to half a second after the offset.

    Onset, apex and offset are named lines. Empty where nothing was measured there.
    """
    from_s, to_s = event["onset_s"] - _AROUND_S, event["offset_s"] + _AROUND_S
    here = (trace.time_s >= from_s) & (trace.time_s <= to_s)
    time_s, motion = trace.time_s[here], trace.motion[here]
    if np.isfinite(motion).sum() < 2:
        return Markup("")
    top = max(float(np.nanmax(motion)), 0.5)
    scale = _WIDTH / (to_s - from_s)
    x, y = (time_s - from_s) * scale, _HEIGHT - (_HEIGHT - _TOP) * motion / top
    line, drawn = [], False
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        if np.isfinite(py):
            line.append(f"{'L' if drawn else 'M'}{px:.1f} {py:.1f}")
        drawn = bool(np.isfinite(py))
    marks = [
        _mark((event[f"{name}_s"] - from_s) * scale, name, anchor)
        for name, anchor in (("onset", "end"), ("apex", "middle"), ("offset", "start"))
    ]
    left, right = ((event[f"{name}_s"] - from_s) * scale for name in ("onset", "offset"))
    text = f"Motion around the event, largest {top:.2f} percent of the eye distance"
    box = f"0 0 {_WIDTH:.0f} {_HEIGHT + 14:.0f}"
    return Markup(
        f'<svg class="curve {_kind(event)}" viewBox="{box}" role="img" aria-label="{text}">'
        f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{_HEIGHT - _TOP}"/>'
        f'<path d="M0 {_HEIGHT}H{_WIDTH}"/><path class="motion" d="{"".join(line)}"/>{"".join(marks)}</svg>'
    )


def _kind(event: Record) -> str:
    return str(event["type"]).removesuffix("_expression")


def _mark(x: float, name: str, anchor: str) -> str:
    """A line and its name: the apex's above, the others' below, so that they never meet."""
    y = _TOP - 4.0 if name == "apex" else _HEIGHT + 11.0
    return (
        f'<path class="mark {name}" d="M{x:.1f} {_TOP}V{_HEIGHT}"/>'
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{name}</text>'
    )
