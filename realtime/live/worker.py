"""The process of one camera: settings come as a line on standard input, records go to standard output.

It stops when its input ends: so no camera outlives its supervisor. A signal from anybody else makes it finish
and ask for a successor.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

from realtime.config import build, parse_config
from realtime.errors import GlimpseError
from realtime.live.camera import open_live
from realtime.live.camera_process import RENEW
from realtime.live.camera_sink import CameraSink
from realtime.live.check import check
from realtime.live.page.feed import PageFeed
from realtime.live.records import of_camera
from realtime.live.settings import CameraSettings
from realtime.live.window import camera_window, latency_of
from realtime.sinks import PictureSink, SinkGroup
from realtime.sinks.records import Record, to_line
from realtime.sources.live import LiveSource
from realtime.sources.stream_status import StreamStatus
from realtime.threads import share_cores
from realtime.types import ModelInfo, RunSummary

CRASHED = 70
GAUGES_EVERY_S = 1.0
CONFIDENCE_SET = "spotter.confidence is {:g} from here on: it was set on the live page"


class Lines:
    """Records to the supervisor, from several threads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lock = file, threading.Lock()

    def send(self, record: Record) -> None:
        """Write a record; where nobody listens any more, this process has no purpose."""
        try:
            with self._lock:
                self._file.write(to_line(record))
                self._file.flush()
        except OSError:
            os._exit(CRASHED)


class Stop:
    """An event that ends the run, and who asked for it."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._causes: set[str] = set()

    def watch(self) -> None:
        """From now on, the end of the input and SIGTERM set the event."""
        out_fd, in_fd = os.pipe()
        # a handler runs between any two steps of the main thread: it must take no lock, not even an event's
        signal.signal(signal.SIGTERM, lambda *_: os.write(in_fd, b"x"))
        for cause, wait in (
            ("supervisor", lambda: sys.stdin.buffer.read(1)),
            ("signal", lambda: os.read(out_fd, 1)),
        ):
            threading.Thread(target=self._await, args=(cause, wait), daemon=True).start()

    @property
    def is_of_others(self) -> bool:
        """Whether a signal came, but no word from the supervisor."""
        return self._causes == {"signal"}

    def _await(self, cause: str, wait: Callable[[], object]) -> None:
        wait()
        self._causes.add(cause)
        self.event.set()


def main() -> int:
    """Run one camera; gives the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor says when to stop
    lines = Lines(_own_stdout())
    job = json.loads(sys.stdin.buffer.readline())
    name, stop = job["camera"], Stop()
    stop.watch()
    try:
        camera = build(CameraSettings, job["settings"], name)
        if job["check"]:
            lines.send(of_camera(check(camera, stop.event), name, time.time()))
            return 0
        code = run_camera(name, camera, job, lines.send, stop.event)
        return RENEW if stop.is_of_others else code
    except GlimpseError as error:
        failure = {"type": "status", "state": "failed", "reason": " ".join(str(error).split())}
        lines.send(of_camera(failure, name, time.time()))
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return CRASHED


def run_camera(
    name: str,
    camera: CameraSettings,
    job: dict[str, Any],
    emit: Callable[[Record], object],
    stop: threading.Event,
) -> int:
    """The whole run of a camera: connect, process, summarise; gives the exit code."""
    from realtime.api import load_recognizer
    from realtime.pipeline import Pipeline
    from realtime.process import process, write_decided

    share_cores()  # cameras run side by side, each in its process
    config, recognizer = parse_config(job["route"]), None
    if job["model"] != "none":
        recognizer = load_recognizer(job["model"], device=job["device"], config=config.recognition)
    model = ModelInfo(recognizer.bundle.name, recognizer.bundle.id) if recognizer else None
    sink, window = CameraSink(name, emit), None
    views: list[PictureSink] = []
    with Pipeline(config, recognizer) as pipeline:

        def tell(status: StreamStatus) -> None:
            if not status.warning:
                decided = pipeline.flush()  # nothing spans a hole, or a change
                for view in views:
                    view.watch(None, pipeline, decided)
                write_decided(sink, pipeline, decided)
            sink.tell(status)  # after what belongs to the time before
            if window is not None:
                window.show_status(status.state)

        with open_live(camera, tell, stop, seconds=job["seconds"], attempt=job["attempt"]) as source:
            sink.source = source
            threading.Thread(target=_report, args=(sink, source, emit, name), daemon=True).start()
            if job["show"]:
                window = camera_window(name, source, stop, allow_clips=job["allow_clips"])
                window.start()  # before pictures come, which would wait for it
                views.append(window)
            if job["link"] is not None:

                def set_confidence(value: float) -> None:
                    pipeline.set_confidence(value)
                    sink.tell(StreamStatus(source.state, warning=CONFIDENCE_SET.format(value)))

                feed = PageFeed(name, sink.full_id, latency_of(source), set_confidence)
                feed.start(job["link"])
                views.append(feed)
            if source.connect():
                process(source, pipeline, SinkGroup([*views, sink]), model=model)
            else:
                sink.close(RunSummary(0, 0, 0, notes=source.notes))
            emit(of_camera(_gauges(sink, source), name, time.time()))
            return RENEW if source.is_clogged else 1 if source.state == "failed" else 0


def _report(sink: CameraSink, source: LiveSource, emit: Callable[[Record], object], name: str) -> None:
    while True:
        time.sleep(GAUGES_EVERY_S)
        emit(of_camera(_gauges(sink, source), name, time.time()))


def _gauges(sink: CameraSink, source: LiveSource) -> Record:
    return {
        "type": "gauges",
        **sink.gauges.as_record(),
        "reconnects": source.reconnects,
        "gap_s": round(source.gap_s, 3),
        "waiting_s": round(source.waiting_s, 3),
        "idle_s": round(source.idle_s, 3),
        "attempt": source.attempt,
        "cpu_s": round(time.process_time(), 3),
    }


def _own_stdout() -> BinaryIO:
    """Standard output for the records alone: what libraries print goes to standard error."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a reader that hangs in a library would hold up, or crash, an ordinary end
