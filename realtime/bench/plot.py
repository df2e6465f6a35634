"""A benchmark as a picture: what the stages cost over time, and how the latencies lie."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from realtime.bench.histogram import bucket_edges_ms
from realtime.bench.record import Record
from realtime.bench.stopwatch import STAGES
from realtime.errors import UsageError

FORMATS = (".png", ".svg", ".pdf")
_COLOURS = ("#4e79a7", "#f28e2b", "#76b7b2", "#59a14f", "#edc948", "#e15759", "#b07aa1", "#bab0ac")
_BUDGET = "#c0392b"
_POINTS = 96
_BARS = 60


def check_format(path: str) -> None:
    """Raise `UsageError` for a file name that names no known format."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {path}: name a file ending in {', '.join(FORMATS)}")


def picture(record: Record, path: str) -> bytes:
    """The picture as a file of the kind that the ending of `path` says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(record), x=0.01, ha="left", fontsize=12)
    rows = figure.add_gridspec(3, 1, height_ratios=(0.55, 1.5, 1.5))
    _bar(figure.add_subplot(rows[0]), record)
    _course(figure.add_subplot(rows[1]), record)
    _latencies(figure.add_subplot(rows[2]), record)
    data = io.BytesIO()
    figure.savefig(data, format=Path(path).suffix[1:], dpi=130)
    return data.getvalue()


def _title(record: Record) -> str:
    pace = f"paced at {record['paced_fps']:g} frames/s" if record["paced_fps"] else "as fast as possible"
    several = f"{len(record['streams'])} streams, " if record["streams"] else ""
    name = os.path.basename(record["source"])
    return f"glimpse bench: {name}, {several}{pace} – {record['fps']:.0f} frames/s"


def _bar(axes: Any, record: Record) -> None:
    """Mean cost of a frame by stage, against the budget."""
    left = beside = 0.0
    for name, colour in zip(STAGES, _COLOURS, strict=True):
        if name in record["beside"]:
            width = record["beside"][name]["share"] * record["budget_ms"]
            axes.barh(-0.6, width, left=beside, color=colour, height=0.4, alpha=0.6)
            beside += width
        if name not in record["stages"]:
            continue
        width = record["stages"][name]["share"] * record["budget_ms"]
        axes.barh(0, width, left=left, color=colour, label=f"{name}  {width:.2f}", height=0.6)
        left += width
    axes.axvline(record["budget_ms"], color=_BUDGET, lw=1.5)
    axes.annotate(
        f"budget {record['budget_ms']:.3g}", (record["budget_ms"], 0.42), color=_BUDGET, fontsize=9,
        ha="right", va="bottom", xytext=(-4, 0), textcoords="offset points",
    )  # fmt: skip
    axes.set(
        xlim=(0.0, 1.06 * max(left, beside, record["budget_ms"])),
        ylim=(-0.9 if beside else -0.4, 0.75),
        yticks=[],
    )
    if beside:
        axes.annotate(
            f"in threads beside the route: {_named(record)}", (beside, -0.6), va="center", fontsize=8.5,
            color="#555555", xytext=(5, 0), textcoords="offset points",
        )  # fmt: skip
    axes.set_title("mean cost of a frame, ms", loc="left", fontsize=10)
    axes.legend(ncols=len(STAGES), loc="upper left", bbox_to_anchor=(0.0, -0.28), frameon=False, fontsize=8.5,
                handlelength=1.0, columnspacing=1.2, borderpad=0.0)  # fmt: skip
    _plain(axes, "left")


def _named(record: Record) -> str:
    return ", ".join(
        f"{name} {times['share'] * record['budget_ms']:.2f}" for name, times in record["beside"].items()
    )


def _course(axes: Any, record: Record) -> None:
    """The same over the run, with the memory."""
    course = (record["streams"] or [record])[0]["course"]
    axes.set_title(
        "over the run, ms a frame" + (" (stream 0)" if record["streams"] else ""), loc="left", fontsize=10
    )
    _plain(axes)
    if not course["frames"]:
        return
    frames = _thinned(course["frames"], last=True)
    costs = [_thinned(course["stages_ms"][name]) for name in STAGES]
    axes.stackplot(frames, costs, colors=_COLOURS, lw=0)
    axes.axhline(record["budget_ms"], color=_BUDGET, lw=1.5)
    top = max(float(np.sum(costs, axis=0).max()), record["budget_ms"])
    axes.set(xlim=(frames[0], max(frames[-1], frames[0] + 1)), ylim=(0.0, 1.15 * top), xlabel="frame")
    if all(course["rss_mb"]):
        memory = axes.twinx()
        memory.plot(course["frames"], course["rss_mb"], color="#333333", lw=1.2, ls=(0, (4, 2)))
        memory.set_ylim(0.0, 1.15 * max(course["rss_mb"]))
        memory.set_ylabel("memory, MB (dashed)", fontsize=9)
        _plain(memory, "left")
        memory.spines["right"].set_visible(True)


def _thinned(values: list[float], *, last: bool = False) -> Any:
    """Means, or last values, of pieces of a list, at most 96."""
    length = -(-len(values) // _POINTS)
    pieces = [values[start : start + length] for start in range(0, len(values), length)]
    return np.array([piece[-1] if last else np.mean(piece) for piece in pieces])


def _latencies(axes: Any, record: Record) -> None:
    """How many frames took how long."""
    from matplotlib.ticker import LogLocator, NullFormatter

    paced = record["latency"] is not None
    times = record["latency"] or record["route"]
    title = "frames by time from capture to result, ms" if paced else "frames by time on the route, ms"
    axes.set_title(title, loc="left", fontsize=10)
    edges, counts = bucket_edges_ms(times)
    if counts:
        low, high = edges[0], edges[-1]
        bins = np.geomspace(low, high, _BARS + 1)
        centres = np.sqrt(np.asarray(edges[:-1]) * np.asarray(edges[1:]))
        heights, *_ = axes.hist(
            centres, bins=bins, weights=counts, color="#8fb1d3", edgecolor="white", lw=0.4
        )
        axes.set(xscale="log", yscale="log", ylim=(0.7, 8.0 * float(np.max(heights))))
    marks = [("p50", times["p50_ms"]), ("p99", times["p99_ms"]), ("budget", record["budget_ms"])]
    for row, (name, value) in enumerate(marks):
        colour = _BUDGET if name == "budget" else "#333333"
        axes.axvline(value, color=colour, lw=1.2)
        axes.annotate(
            f"{name} {value:.3g}", (value, 0.97 - 0.1 * row), xycoords=("data", "axes fraction"), va="top",
            color=colour, fontsize=9, bbox={"color": "white", "pad": 1.0, "lw": 0},
            xytext=(4, 0), textcoords="offset points",
        )  # fmt: skip
    if counts:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    _plain(axes)


def _plain(axes: Any, *hidden: str) -> None:
    for side in ("top", "right", *hidden):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)
