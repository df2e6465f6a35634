"""What the stages cost, from outside: their methods are wrapped while a run is measured, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from time import perf_counter, thread_time
from typing import Any

from realtime.bench.histogram import Histogram
from realtime.bench.memory import resident_mb

STAGES = ("decode", "face", "align", "flow", "spot", "recognise", "sinks", "rest")
"""In the order of the route; "rest" is what the route takes besides them."""
_MAX_SLICES = 512


class Course:
    """Means over time: at most 512 slices of equally many frames, twice as long whenever they are full."""

    def __init__(self, frames_per_slice: int = 16) -> None:
        self._length = frames_per_slice
        self._slices: list[tuple[list[float], float]] = []
        self._open = [0.0] * len(STAGES)
        self._count = 0

    def add(self, costs_ms: list[float]) -> None:
        """Take a frame: what each of `STAGES` cost."""
        self._open = [total + cost for total, cost in zip(self._open, costs_ms, strict=True)]
        self._count += 1
        if self._count == self._length:
            self._slices.append((self._open, resident_mb() or 0.0))
            self._open, self._count = [0.0] * len(STAGES), 0
            if len(self._slices) == _MAX_SLICES:
                self._halve()

    def as_record(self) -> dict[str, Any]:
        """Frames at the end of each slice, mean ms per frame of each stage, and MB resident then."""
        means = [[total / self._length for total in totals] for totals, _ in self._slices]
        return {
            "frames": [(number + 1) * self._length for number in range(len(self._slices))],
            "stages_ms": {name: [row[i] for row in means] for i, name in enumerate(STAGES)},
            "rss_mb": [resident for _, resident in self._slices],
        }

    def _halve(self) -> None:
        pairs = zip(self._slices[::2], self._slices[1::2], strict=True)
        self._slices = [
            ([a + b for a, b in zip(first[0], second[0], strict=True)], second[1]) for first, second in pairs
        ]
        self._length *= 2


class Stopwatch:
    """Time by stage and for the whole route, frame by frame, in a fixed amount of memory.

    `begin` and `end` enclose a frame, in one thread; `add` says what a part of it cost. Parts that other
    threads do at the same time are kept apart, as `beside`. `route` is time by the clock, `processor` that
    part of it in which the route's own thread worked; in the rest it waited, for its helpers or for a core.
    """

    def __init__(self, budget_ms: float) -> None:
        self.budget_ms = budget_ms
        self._thread = threading.get_ident()
        self._frame: dict[str, float] = {}
        self._started_s, self._started_cpu_s = perf_counter(), thread_time()
        self.clear()

    def clear(self) -> None:
        """Forget what was measured so far."""
        self.route = Histogram()
        self.processor = Histogram()
        self.latency = Histogram()
        self.stages = {name: Histogram() for name in STAGES}
        self.beside: dict[str, Histogram] = {}
        self.course = Course()
        self.late_frames = 0

    def begin(self) -> None:
        """A frame starts on its way."""
        self._frame = {}
        self._started_s, self._started_cpu_s = perf_counter(), thread_time()

    def add(self, stage: str, duration_ms: float) -> None:
        """A part of the current frame's way."""
        if threading.get_ident() == self._thread:
            self._frame[stage] = self._frame.get(stage, 0.0) + duration_ms
        else:
            self.beside.setdefault(stage, Histogram()).add(duration_ms)

    def end(self, waited_ms: float | None = None) -> None:
        """The frame is done. `waited_ms`: from its capture to its end, where a camera sets the pace."""
        route_ms = 1000.0 * (perf_counter() - self._started_s)
        self.processor.add(1000.0 * (thread_time() - self._started_cpu_s))
        self._frame["rest"] = max(route_ms - sum(self._frame.values()), 0.0)
        for name, cost_ms in self._frame.items():
            self.stages[name].add(cost_ms)
        self.route.add(route_ms)
        if waited_ms is not None:
            self.latency.add(waited_ms)
        self.late_frames += (route_ms if waited_ms is None else waited_ms) > self.budget_ms
        self.course.add([self._frame.get(name, 0.0) for name in STAGES])

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted as part of `stage`."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started_s = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.add(stage, 1000.0 * (perf_counter() - started_s))

        return timed

    def timed_reading(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same for one that gives a generator, whose steps count where another thread takes them."""

        @wraps(function)
        def reading(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = function(*args, **kwargs)
            try:
                while True:
                    started_s = perf_counter()
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                    if threading.get_ident() != self._thread:
                        self.add(stage, 1000.0 * (perf_counter() - started_s))
                    yield item
            finally:
                items.close()

        return reading


@contextmanager
def watched_stages(watch: Stopwatch) -> Iterator[None]:
    """While this lasts, the route's stages tell the stopwatch what they cost."""
    with ExitStack() as stack:
        for stage, owner, name in _methods():
            original = getattr(owner, name)
            stack.callback(setattr, owner, name, original)
            timed = watch.timed_reading if name == "_read" else watch.timed
            setattr(owner, name, timed(stage, original))
        yield


def _methods() -> Iterator[tuple[str, type, str]]:
    """Stage, class and method; in one thread none of them calls another."""
    from realtime.face_route import FaceRoute
    from realtime.faces import FaceAligner, FaceTracker
    from realtime.flow import FlowMeter
    from realtime.quality import FaceGate
    from realtime.sources import ImageFolderSource, VideoSource
    from realtime.spotting import Spotter

    yield "decode", VideoSource, "_read"
    yield "decode", ImageFolderSource, "_read"
    yield "face", FaceTracker, "push"
    yield "face", FaceTracker, "_look_at"
    yield "align", FaceAligner, "push"
    yield "align", FaceGate, "push"
    yield "flow", FlowMeter, "push"
    yield "spot", Spotter, "push"
    yield "spot", Spotter, "flush"
    yield "recognise", FaceRoute, "_recognize"
