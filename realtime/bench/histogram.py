"""Durations in a fixed amount of memory, however many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_LEAST_MS = 1e-3
_STEP = 1.01
_LOG_STEP = math.log(_STEP)
_BUCKETS = math.ceil(math.log(1e8) / _LOG_STEP)


class Histogram:
    """Counts of durations in buckets 1 % apart, from 1 µs to 100 s; what lies outside goes to the outermost.

    Quantiles are read off the buckets, so they are right to 0.5 %; mean and largest are exact.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0

    def add(self, duration_ms: float) -> None:
        """Count one."""
        bucket = int(math.log(max(duration_ms, _LEAST_MS) / _LEAST_MS) / _LOG_STEP)
        self._counts[min(bucket, _BUCKETS - 1)] += 1
        self.count += 1
        self.sum_ms += duration_ms
        self.max_ms = max(self.max_ms, duration_ms)

    def quantile_ms(self, share: float) -> float:
        """Duration that the share 0..1 of all stay below; NaN where there are none."""
        if not self.count:
            return math.nan
        cumulated = np.cumsum(self._counts)
        bucket = int(np.searchsorted(cumulated, share * self.count))
        return min(float(_LEAST_MS * _STEP ** (bucket + 0.5)), self.max_ms)

    def as_record(self) -> dict[str, Any]:
        """p50, p95, p99, max and mean in ms, and the counts by bucket, empty ones left out."""
        return {
            **({f"p{q}_ms": self.quantile_ms(q / 100) for q in (50, 95, 99)} if self.count else {}),
            "max_ms": self.max_ms,
            "mean_ms": self.sum_ms / max(self.count, 1),
            "count": self.count,
            "buckets": {str(i): n for i, n in enumerate(self._counts) if n},
        }

    @classmethod
    def merged(cls, records: list[Mapping[str, Any]]) -> Histogram:
        """Several of `as_record` as one."""
        whole = cls()
        for record in records:
            for bucket, number in record["buckets"].items():
                whole._counts[int(bucket)] += number
            whole.count += record["count"]
            whole.sum_ms += record["mean_ms"] * record["count"]
            whole.max_ms = max(whole.max_ms, record["max_ms"])
        return whole


def bucket_edges_ms(record: Mapping[str, Any]) -> tuple[list[float], list[int]]:
    """Edges (n + 1) and counts (n) of the buckets of an `as_record`, between its first and its last."""
    numbers = {int(bucket): count for bucket, count in record["buckets"].items()}
    first, last = min(numbers, default=0), max(numbers, default=-1)
    edges = [_LEAST_MS * _STEP**bucket for bucket in range(first, last + 2)]
    return edges, [numbers.get(bucket, 0) for bucket in range(first, last + 1)]
