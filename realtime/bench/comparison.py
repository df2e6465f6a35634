"""Two benchmarks side by side: the ratios of their figures, and which of them are more than noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from realtime.bench.record import SCHEMA, Record
from realtime.bench.stopwatch import STAGES
from realtime.errors import DataError

_BAND = 0.1
"""Single runs of one machine differ by this share without a cause."""
_MAX_BYTES = 50_000_000


def load_record(path: str) -> dict[str, Any]:
    """A record that `glimpse bench --json` wrote. Raises `DataError`."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_MAX_BYTES))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise DataError(f"{path}: is no benchmark; glimpse bench --json writes them")
    return record


def comparison(a: Record, b: Record) -> str:
    """The ratios B / A as a table. Raises `DataError` where one of the records is not whole."""
    try:
        return "\n".join(_lines(a, b))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(
            "one of the two benchmarks is not whole; measure it again with glimpse bench --json"
        ) from error


def _lines(a: Record, b: Record) -> Iterator[str]:
    for name, record in (("A", a), ("B", b)):
        machine = record["environment"]
        yield (
            f"{name}: {record['source']}, {_pace(record)}, streams: {len(record['streams']) or 1}, "
            f"runs: {len(record['runs'])}, {machine['cores']} cores, load average {machine['load_average']}"
            f"{_taken(record)}"
        )
    yield from (f"note: {text}" for text in _differences(a, b))
    yield ""
    yield f"{'':<22}{'A':>10}{'B':>10}{'B / A':>9}"
    for name, path in _rows(a, b):
        yield _row(name, path, a, b)


def _pace(record: Record) -> str:
    pace = record["paced_fps"]
    return f"paced at {pace:g} frames/s" if pace else "as fast as possible"


def _taken(record: Record) -> str:
    stolen = record.get("stolen")
    return f", {stolen:.1%} taken by the host" if stolen else ""


def _differences(a: Record, b: Record) -> Iterator[str]:
    """What else changed between the two."""
    for key, text in (
        ("source", "streams"),
        ("model", "models"),
        ("provider", "providers"),
    ):
        if a[key] != b[key]:
            yield f"the {text} differ: {a[key]} and {b[key]}"
    if a["paced_fps"] != b["paced_fps"]:
        yield f"the paces differ: {_pace(a)} and {_pace(b)}"
    if min(len(a["runs"]), len(b["runs"])) < 2:
        yield f"of a single run, a change by less than {_BAND:.0%} counts as noise; --runs 3 would tell"
    if len(a["streams"]) != len(b["streams"]):
        yield "the numbers of streams differ"
    machines = [(record["environment"]["cpu"], record["environment"]["cores"]) for record in (a, b)]
    if machines[0] != machines[1]:
        yield "the machines differ"


def _rows(a: Record, b: Record) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "frames/s", ("fps",)
    for key in ("p50", "p95", "p99", "max"):
        yield f"route {key}, ms", ("route", f"{key}_ms")
    for key in ("p50", "p99"):
        yield f"processor {key}, ms", ("processor", f"{key}_ms")
    for name in STAGES:
        if name in a["stages"] and name in b["stages"]:
            yield f"{name} mean, ms", ("stages", name, "mean_ms")
    yield "load, s", ("load_s",)
    yield "first event, s", ("first_event_s",)
    yield "memory peak, MB", ("rss_peak_mb",)


def _row(name: str, path: tuple[str, ...], a: Record, b: Record) -> str:
    before, after = _at(a, path), _at(b, path)
    if before is None or after is None:
        return f"{name:<22}{_shown(before):>10}{_shown(after):>10}{'–':>9}"
    if before == 0.0:
        return f"{name:<22}{_shown(before):>10}{_shown(after):>10}{'–' if after else '×1.00':>9}"
    ratio = after / before
    word = "" if not _is_noise(path, a, b, ratio) else "   within noise"
    return f"{name:<22}{_shown(before):>10}{_shown(after):>10}{f'×{ratio:.2f}':>9}{word}"


def _is_noise(path: tuple[str, ...], a: Record, b: Record, ratio: float) -> bool:
    """Whether the ranges over the runs overlap; with single runs, whether the ratio lies within 10 % of 1."""
    first, second = ([v for run in r["runs"] if (v := _at(run, path)) is not None] for r in (a, b))
    if min(len(first), len(second)) < 2:
        return abs(ratio - 1.0) <= _BAND
    return max(min(first), min(second)) <= min(max(first), max(second))


def _at(record: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return float(record) if isinstance(record, (int, float)) else None


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
