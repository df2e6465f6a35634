"""The process that is measured: a job comes as a line on standard input, a record goes to standard output.

It says "ready" when everything is loaded and starts with the next line, so that several start together.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realtime.bench.memory import peak_mb, resident_mb
from realtime.bench.stopwatch import Stopwatch, watched_stages
from realtime.bench.streams import Repeated
from realtime.bench.watch import Span, WatchedSink, WatchedSource
from realtime.errors import GlimpseError
from realtime.threads import share_cores


@dataclass(frozen=True, slots=True)
class Job:
    """One stream, once."""

    source: str
    """Video file or folder of images."""
    paced_fps: float | None
    """Frames per second at which a camera would deliver; None: as fast as possible."""
    frames: int | None
    """End after so many frames, warm-up included."""
    seconds: float | None
    """End after so much time by the clock, warm-up not included."""
    warm_up_s: float
    model: str
    device: str
    started_s: float
    """`time.time()` when the process was started."""

    def as_line(self) -> bytes:
        """The job as its process reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def measure(job: Job, wait: Callable[[], object]) -> dict[str, Any]:
    """Run the route over the stream and say what it cost; `wait` is called when everything is loaded."""
    from realtime.api import load_recognizer
    from realtime.config import PipelineConfig
    from realtime.pipeline import Pipeline
    from realtime.process import process
    from realtime.sinks import JsonLinesSink
    from realtime.sources import open_source

    if job.paced_fps is not None:
        share_cores()  # as in `glimpse live`
    config, enough = PipelineConfig(), threading.Event()
    path = os.path.join(os.curdir, job.source)  # a number as well is a file here
    recorded = Repeated(lambda: open_source(path), fps=job.paced_fps, frames=job.frames, enough=enough)
    recognizer = None
    if job.model != "none":
        recognizer = load_recognizer(job.model, device=job.device, config=config.recognition)  # type: ignore[arg-type]
    with Pipeline(config, recognizer) as pipeline, tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch(1000.0 / recorded.info.fps)
        span = Span(job.warm_up_s, job.seconds)
        sink = WatchedSink(JsonLinesSink(Path(folder) / "events.jsonl"), watch)
        loaded_s = time.time() - job.started_s
        wait()
        resident = resident_mb()
        with watched_stages(watch), _source(job, recorded, watch, span, enough) as source:
            process(source, pipeline, sink)
        return {
            **_figures(watch, source),
            "budget_ms": watch.budget_ms,
            "stream": {
                "width": source.info.width,
                "height": source.info.height,
                "fps": source.info.fps,
                "passes": recorded.passes,
            },
            "load_s": loaded_s,
            "first_event_s": None if sink.first_event_s is None else sink.first_event_s - job.started_s,
            "provider": recognizer.provider if recognizer else None,
            "rss_start_mb": resident,
            "rss_peak_mb": peak_mb(),
            "events": pipeline.counts["events"],
            "face_frames": pipeline.counts["face_frames"],
            "skipped": dict(pipeline.skipped),
        }


def _figures(watch: Stopwatch, source: WatchedSource) -> dict[str, Any]:
    frames, wall_s, stolen_s = watch.route.count, max(source.wall_s, 1e-9), source.stolen_s
    whole_ms = max(frames, 1) * watch.budget_ms
    stages = {
        name: {**times.as_record(), "share": times.sum_ms / whole_ms}
        for name, times in watch.stages.items()
        if times.count
    }
    return {
        "frames": frames,
        "wall_s": wall_s,
        "fps": frames / wall_s,
        "cores": source.cpu_s / wall_s,
        "stolen": None if stolen_s is None else stolen_s / wall_s,
        "route": {**watch.route.as_record(), "share": watch.route.sum_ms / whole_ms},
        "processor": {**watch.processor.as_record(), "share": watch.processor.sum_ms / whole_ms},
        "latency": watch.latency.as_record() if watch.latency.count else None,
        "stages": stages,
        "beside": {
            name: {**times.as_record(), "share": times.sum_ms / whole_ms}
            for name, times in watch.beside.items()
        },
        "late_frames": watch.late_frames,
        "dropped_frames": source.dropped,
        "warm_up": source.warm_up,
        "course": watch.course.as_record(),
    }


def _source(
    job: Job, recorded: Repeated, watch: Stopwatch, span: Span, enough: threading.Event
) -> AbstractContextManager[WatchedSource]:
    """The stream as `glimpse process` takes it, or paced as `glimpse live` takes it from a camera."""
    if job.paced_fps is None:
        return WatchedSource(recorded, watch, span, enough)
    from realtime.sources.feed import FileFeed
    from realtime.sources.live import LiveSource
    from realtime.sources.stream_status import LivePolicy

    live = LiveSource(
        job.source, lambda: FileFeed(recorded, real_pace=True), LivePolicy(retries=0), lambda status: None
    )

    def captured_s(index: int) -> float | None:
        moment = live.moment(index)
        return None if moment is None else moment.monotonic_s

    live.connect()
    return WatchedSource(live, watch, span, enough, captured_s)


def main() -> int:
    """Do one job; gives the exit code."""
    own_stdout = os.fdopen(os.dup(1), "wb")  # for the record alone: what libraries print goes to stderr
    os.dup2(2, 1)

    def tell(line: bytes) -> None:
        own_stdout.write(line + b"\n")
        own_stdout.flush()

    def wait() -> None:
        tell(b"ready")
        sys.stdin.buffer.readline()

    job = Job(**json.loads(sys.stdin.buffer.readline()))
    try:
        record = measure(job, wait)
    except GlimpseError as error:
        record = {"error": " ".join(str(error).split()), "exit_code": error.exit_code}
    tell(json.dumps(record).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
