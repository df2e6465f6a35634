"""The two ends of the route while it is measured: where frames come in, and where results go out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from realtime.bench.host import stolen_s
from realtime.bench.stopwatch import Stopwatch
from realtime.sinks import EventSink
from realtime.types import (
    FacialEvent,
    Frame,
    FrameRow,
    FrameSource,
    ModelInfo,
    Notice,
    RunSummary,
    StreamInfo,
    Unreadable,
)


@dataclass(frozen=True, slots=True)
class Span:
    """What is measured, and what comes before."""

    warm_up_s: float
    """Stream time at the beginning that is shown apart."""
    seconds: float | None
    """Length of the measurement by the clock; None: until the stream ends."""


class WatchedSource:
    """A stream whose frames are timed: from asking for one until the next is asked for.

    With `captured`, which says when a frame was captured (`time.monotonic`), a camera sets the pace: then the
    route starts when a frame is taken, waiting for one is not counted, and the time since the capture is.
    """

    def __init__(
        self,
        source: FrameSource,
        watch: Stopwatch,
        span: Span,
        enough: threading.Event,
        captured: Callable[[int], float | None] | None = None,
    ) -> None:
        self._source, self._watch, self._span = source, watch, span
        self._enough, self._captured = enough, captured
        self.info = source.info
        self.dropped = 0
        """Frames that the route was too slow for, warm-up left out."""
        self.warm_up: dict[str, Any] | None = None
        """What the warm-up took; None while it lasts."""
        self.wall_s = self.cpu_s = 0.0
        """Of the measurement, up to the last frame."""
        self._stolen_before_s: float | None = None

    def __enter__(self) -> WatchedSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(None, None, None)

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        items = iter(self._source)
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        self._stolen_before_s = stolen_s()
        while (item := self._next(items)) is not None:
            if self.warm_up is None and isinstance(item, Frame) and item.time_s >= self._span.warm_up_s:
                self._end_warm_up(time.perf_counter() - started_s)
                started_s, started_cpu_s = time.perf_counter(), time.process_time()
                self._stolen_before_s = stolen_s()
            yield item
            self._done(item)
            self.wall_s = time.perf_counter() - started_s
            self.cpu_s = time.process_time() - started_cpu_s
            if self.warm_up and self._span.seconds is not None and self.wall_s >= self._span.seconds:
                self._enough.set()

    @property
    def stolen_s(self) -> float | None:
        """How long others had a core since the measurement began, mean of all cores; None where this system
        does not tell."""
        now_s = stolen_s()
        if now_s is None or self._stolen_before_s is None:
            return None
        return max(now_s - self._stolen_before_s, 0.0)

    def _next(self, items: Iterator[Frame | Unreadable]) -> Frame | Unreadable | None:
        self._watch.begin()
        started_s = time.perf_counter()
        item = next(items, None)
        if self._captured is not None:
            self._watch.begin()
        else:
            self._watch.add("decode", 1000.0 * (time.perf_counter() - started_s))
        return item

    def _done(self, item: Frame | Unreadable) -> None:
        if isinstance(item, Unreadable):
            self.dropped += item.cause == "dropped"
            return
        captured_s = self._captured(item.index) if self._captured is not None else None
        self._watch.end(None if captured_s is None else 1000.0 * (time.monotonic() - captured_s))

    def _end_warm_up(self, wall_s: float) -> None:
        route = self._watch.route
        self.warm_up = {
            "frames": route.count,
            "wall_s": wall_s,
            "mean_ms": route.sum_ms / max(route.count, 1),
            "max_ms": route.max_ms,
        }
        self._watch.clear()
        self.dropped = 0


class WatchedSink:
    """An output that is timed; it remembers when the first event was written."""

    def __init__(self, sink: EventSink, watch: Stopwatch) -> None:
        self._sink = sink
        self._timed = {name: watch.timed("sinks", getattr(sink, name)) for name in _WRITES}
        self.first_event_s: float | None = None
        """`time.time()` when the first event had been written."""

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        self._sink.open(info, model)

    def write_event(self, event: FacialEvent) -> None:
        self._timed["write_event"](event)
        if self.first_event_s is None:
            self.first_event_s = time.time()

    def write_notice(self, notice: Notice) -> None:
        self._timed["write_notice"](notice)

    def write_frame(self, row: FrameRow) -> None:
        self._timed["write_frame"](row)

    def close(self, summary: RunSummary) -> None:
        self._sink.close(summary)

    def abort(self) -> str | None:
        return self._sink.abort()


_WRITES = ("write_event", "write_notice", "write_frame")
