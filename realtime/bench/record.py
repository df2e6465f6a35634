"""From what single processes measured to the record of a benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from realtime.bench.histogram import Histogram
from realtime.bench.memory import slope

SCHEMA = "glimpse-bench/1"
Record = Mapping[str, Any]
_TRACES = frozenset({"buckets", "course"})


def with_slope(measured: Record) -> dict[str, Any]:
    """A worker's record with the slope of its memory."""
    course = measured["course"]
    return {**measured, "rss_slope": slope(course["frames"], course["rss_mb"])}


def together(streams: Sequence[Record]) -> dict[str, Any]:
    """Streams that ran at once as one run: throughputs and memory are summed, frames pooled."""
    if len(streams) == 1:
        return {**streams[0], "streams": []}
    whole = {**streams[0]}
    for key in ("frames", "fps", "cores", "late_frames", "dropped_frames", "events", "face_frames"):
        whole[key] = sum(stream[key] for stream in streams)
    for key in ("rss_start_mb", "rss_peak_mb"):
        whole[key] = sum(stream[key] or 0.0 for stream in streams) or None
    for key in ("wall_s", "load_s"):
        whole[key] = max(stream[key] for stream in streams)
    firsts = [stream["first_event_s"] for stream in streams if stream["first_event_s"] is not None]
    whole["first_event_s"] = max(firsts, default=None)
    for part in ("route", "processor"):
        whole[part] = _pooled([stream[part] for stream in streams])
    whole["stolen"] = max((s["stolen"] for s in streams if s["stolen"] is not None), default=None)
    latencies = [stream["latency"] for stream in streams]
    whole["latency"] = Histogram.merged(latencies).as_record() if all(latencies) else None
    for part in ("stages", "beside"):
        names = [name for stream in streams for name in stream[part]]
        whole[part] = {
            name: _pooled([stream[part][name] for stream in streams if name in stream[part]])
            for name in dict.fromkeys(names)
        }
    return {**whole, "streams": list(streams)}


def middle(runs: Sequence[Record]) -> dict[str, Any]:
    """The median of several runs, figure by figure; traces and texts are those of the median run."""
    by_speed = sorted(runs, key=lambda run: float(run["fps"]))
    typical = by_speed[(len(runs) - 1) // 2]
    whole: dict[str, Any] = _middle(typical, runs)
    spread = ("fps", "rss_peak_mb", "first_event_s", "load_s", "late_frames", "dropped_frames", "stolen")
    whole["runs"] = [
        {
            **{key: run[key] for key in spread},
            "route": _figures(run["route"]),
            "processor": _figures(run["processor"]),
            "stages": {name: _figures(stage) for name, stage in run["stages"].items()},
        }
        for run in runs
    ]
    return whole


def _pooled(parts: Sequence[Record]) -> dict[str, Any]:
    """Durations of several streams; the share is the mean, weighted by nothing: streams are alike."""
    share = sum(part["share"] for part in parts) / len(parts)
    return {**Histogram.merged(list(parts)).as_record(), "share": share}


def _middle(typical: Any, runs: Sequence[Any], key: str = "") -> Any:
    if key in _TRACES:
        return typical
    if isinstance(typical, Mapping):
        return {
            name: _middle(
                value, [run[name] for run in runs if isinstance(run, Mapping) and name in run], name
            )
            for name, value in typical.items()
        }
    numbers = [run for run in runs if isinstance(run, (int, float)) and not isinstance(run, bool)]
    if isinstance(typical, (int, float)) and not isinstance(typical, bool) and len(numbers) == len(runs):
        return median(numbers)
    return typical


def _figures(times: Record) -> dict[str, float]:
    return {key: times[key] for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms")}


def rounded(value: Any) -> Any:
    """The record with figures of five digits; what is not finite becomes None: JSON has no word for it."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
