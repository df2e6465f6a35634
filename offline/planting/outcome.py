"""From the outcomes of planted events to figures, a table and a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from offline.figure_file import picture_bytes
from offline.planting.trial import ACTIVITIES, CALM_PX, MID_PX, Outcome, Trial

_GROUPS: Mapping[str, Callable[[Outcome], bool]] = {
    "calm": lambda o: o.activity == "calm",
    "mid-motion": lambda o: o.activity == "mid-motion",
    "busy": lambda o: o.activity == "busy",
    "unmeasured": lambda o: o.activity == "unmeasured",
    "observable": lambda o: o.observable,
    "unobservable": lambda o: not o.observable,
    "all": lambda o: True,
}


def summarize(trials: Sequence[Trial]) -> dict[str, Any]:
    """All figures of a set of recordings, JSON-ready: shares in 0..1, times in ms of stream time."""
    outcomes = [outcome for trial in trials for outcome in trial.outcomes]
    planted_min = sum(t.seconds * t.rounds for t in trials) / 60.0
    seconds = sum(t.seconds for t in trials)
    errors = np.abs([o.apex_error_ms for o in outcomes if o.apex_error_ms is not None])
    hidden = Counter[str]()
    for trial in trials:
        hidden.update({cause: share * trial.seconds for cause, share in trial.unobservable.items()})
    return {
        "recordings": len(trials),
        "seconds": seconds,
        "activity_limits_px": {"calm": CALM_PX, "mid-motion": MID_PX},
        "recall": {name: _by_amplitude([o for o in outcomes if holds(o)]) for name, holds in _GROUPS.items()},
        "false_alarms_per_minute": _rate(sum(t.false_alarms for t in trials), planted_min),
        "imprecise_per_minute": _rate(sum(t.imprecise for t in trials), planted_min),
        "untouched_alarms_per_minute": _rate(sum(t.untouched_alarms for t in trials), seconds / 60.0),
        "apex_error_ms": {"median": float(np.median(errors)), "p95": float(np.percentile(errors, 95))}
        if errors.size
        else None,
        "unobservable": {cause: s / seconds for cause, s in sorted(hidden.items())},
        "trials": [asdict(trial) for trial in trials],
    }


def wilson(found: int, planted: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), 0..1; the whole range where nothing was planted."""
    if planted == 0:
        return 0.0, 1.0
    z, share = 1.96, found / planted
    centre = share + z * z / (2 * planted)
    half = z * float(np.sqrt(share * (1 - share) / planted + z * z / (4 * planted**2)))
    scale = 1 + z * z / planted
    # at 0 and 1 rounding may put a limit on the wrong side of the share
    return min(max((centre - half) / scale, 0.0), share), max(min((centre + half) / scale, 1.0), share)


def table(figures: dict[str, Any]) -> str:
    """Recall by amplitude and host activity as text, and the alarms below it."""
    amplitudes = sorted({float(a) for rows in figures["recall"].values() for a in rows})
    lines = ["planted px at 200" + "".join(f"{name:>16}" for name in _GROUPS)]
    for amplitude in amplitudes:
        cells = [rows.get(f"{amplitude:g}") for rows in figures["recall"].values()]
        lines.append(f"{amplitude:>17g}" + "".join(f"{_cell(cell):>16}" for cell in cells))
    apex = figures["apex_error_ms"]
    lines += [
        "",
        f"false alarms a minute: {_number(figures['false_alarms_per_minute'])} beside planted events, "
        f"{_number(figures['untouched_alarms_per_minute'])} on the untouched footage "
        f"({figures['seconds']:.0f} s); planted but imprecise: {_number(figures['imprecise_per_minute'])}",
        f"apex error: {apex['median']:.0f} ms median, {apex['p95']:.0f} ms p95" if apex else "apex error: –",
    ]
    if hidden := figures["unobservable"]:
        parts = ", ".join(f"{cause} {share:.1%}" for cause, share in hidden.items())
        lines.append(f"time that was unobservable: {parts}")
    return "\n".join(lines)


def recall_picture(figures: dict[str, Any], form: str) -> bytes:
    """Recall against amplitude, one line per activity with 95 % intervals, as a PNG or SVG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for shift, name in zip((0.98, 1.0, 1.02), ACTIVITIES, strict=False):
        rows = sorted((float(a), row) for a, row in figures["recall"][name].items() if row["planted"])
        if not rows:
            continue
        share = np.array([row["recall"] for _, row in rows])
        low, high = np.array([row["interval"] for _, row in rows]).T
        planted = sum(row["planted"] for _, row in rows)
        axes.errorbar(
            [shift * a for a, _ in rows], share, np.array([share - low, high - share]), marker="o", capsize=3,
            label=f"{name} host ({planted} events)",
        )  # fmt: skip
    axes.set(ylim=(-0.02, 1.02), xlabel="largest displacement (px on a face of 200 px)", ylabel="recall")
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend(frameon=False)
    return picture_bytes(figure, form)


def _by_amplitude(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    amplitudes = sorted({o.amplitude_px for o in outcomes})
    return {f"{a:g}": _share([o for o in outcomes if o.amplitude_px == a]) for a in amplitudes}


def _share(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    found, planted = sum(o.found for o in outcomes), len(outcomes)
    return {
        "planted": planted,
        "found": found,
        "recall": found / planted if planted else None,
        "interval": list(wilson(found, planted)),
    }


def _rate(count: int, minutes: float) -> float | None:
    return count / minutes if minutes > 0 else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or not row["planted"]:
        return "–"
    return f"{row['recall']:.2f} ({row['found']}/{row['planted']})"
