"""A benchmark's record as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from realtime.bench.memory import LEAST_FRAMES
from realtime.bench.record import Record
from realtime.bench.stopwatch import STAGES

_COLUMNS = f"{'':<12}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>9}{'mean':>8}{'budget':>9}{'frames':>9}"


def table(record: Record) -> str:
    """Everything in a few lines; times in ms."""
    return "\n".join(_lines(record))


def _lines(record: Record) -> Iterator[str]:
    yield _headline(record)
    yield ""
    yield _COLUMNS
    for name in STAGES:
        if name in record["stages"]:
            yield _row(name, record["stages"][name])
    for name, times in record["beside"].items():
        yield _row(f"{name} *", times)
    yield _row("route", record["route"])
    yield _row("processor", record["processor"])
    if record["latency"]:
        yield _row("latency", record["latency"])
    yield ""
    if record["beside"]:
        yield "* in a thread of its own, beside the route"
    yield "processor: what of the route its own thread worked; it waited the rest, for helpers or for a core"
    for name, text in _remarks(record):
        yield f"{name:<14}{text}"
    if record["streams"]:
        yield ""
        yield from _streams(record["streams"])


def _headline(record: Record) -> str:
    stream, paced = record["stream"], record["paced_fps"]
    pace = f"paced at {paced:g} frames/s" if paced else "as fast as possible"
    count = len(record["streams"])
    several = f"{count} streams at once, " if count else ""
    runs = len(record["runs"])
    medians = f", medians of {runs} runs" if runs > 1 else ""
    return (
        f"{record['source']}: {stream['width']:g}×{stream['height']:g}, {stream['fps']:g} frames/s, "
        f"{several}{pace}{medians}; ms per frame, budget {record['budget_ms']:g} ms"
    )


def _row(name: str, times: Record) -> str:
    figures = (times[key] for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms"))
    p50, p95, p99, most, mean = figures
    share = f"{times['share']:>9.1%}" if "share" in times else f"{'':>9}"
    return f"{name:<12}{p50:>8.2f}{p95:>8.2f}{p99:>8.2f}{most:>9.1f}{mean:>8.2f}{share}{times['count']:>9.0f}"


def _remarks(record: Record) -> Iterator[tuple[str, str]]:
    in_all = "in all " if record["streams"] else ""
    yield (
        "throughput",
        f"{record['fps']:.1f} frames/s {in_all}over {record['wall_s']:.1f} s, {record['cores']:.2f} cores",
    )
    share = record["late_frames"] / max(record["frames"], 1)
    late = f"{record['late_frames']:g} frames ({share:.2%})"
    if record["paced_fps"]:
        late += f" known later than the budget after their time, {record['dropped_frames']:g} dropped"
    else:
        late += " took longer than the budget"
    yield "late", late
    yield "provider", record["provider"] or "none: movements are not labelled"
    yield "memory", _memory(record)
    warm = record["warm_up"]
    if warm:
        yield (
            "warm-up",
            f"{record['load_s']:.1f} s to load, then {warm['frames']:g} frames in {warm['wall_s']:.2f} s "
            f"(mean {warm['mean_ms']:.1f}, max {warm['max_ms']:.0f} ms), not counted above",
        )
    first = record["first_event_s"]
    found = f"{record['events']:g}" + (f", the first {first:.1f} s after the start" if first else "")
    yield "events", found
    machine = record["environment"]
    taken = f", {record['stolen']:.1%} of its time taken by its host" if record["stolen"] is not None else ""
    yield (
        "machine",
        f"{machine['cores']} cores, {machine['cpu']}, load average {machine['load_average']}{taken}",
    )


def _memory(record: Record) -> str:
    peak, slope = record["rss_peak_mb"], record["rss_slope"]
    text = "unknown" if peak is None else f"{peak:.0f} MB at most"
    if peak is not None and not slope:
        text += f"; how it grows shows from {LEAST_FRAMES} frames on"
    if slope:
        zero = "zero within noise" if slope["is_zero"] else "not zero"
        text += (
            f", {slope['mb_per_1000_frames']:+.4f} MB per 1000 frames "
            f"({slope['low']:+.4f} to {slope['high']:+.4f}: {zero})"
        )
    return text


def _streams(streams: list[Any]) -> Iterator[str]:
    yield f"{'stream':<8}{'frames/s':>10}{'p50':>8}{'p99':>8}{'late':>8}{'dropped':>9}{'cores':>8}{'MB':>7}"
    for number, stream in enumerate(streams):
        route = stream["latency"] or stream["route"]
        yield (
            f"{number:<8}{stream['fps']:>10.1f}{route['p50_ms']:>8.2f}{route['p99_ms']:>8.2f}"
            f"{stream['late_frames']:>8}{stream['dropped_frames']:>9}{stream['cores']:>8.2f}"
            f"{stream['rss_peak_mb'] or 0:>7.0f}"
        )
