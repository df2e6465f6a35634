"""`--check`: open a camera, look for two seconds, say what was found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from realtime.live.camera import open_live
from realtime.live.settings import CameraSettings
from realtime.sinks.records import Record
from realtime.sources.stream_status import StreamStatus
from realtime.types import Frame, Unreadable

LOOK_S = 2.0


def check(camera: CameraSettings, stop: threading.Event) -> Record:
    """A record of type "check": `ok`, and what the camera shows or why it does not."""
    statuses: list[StreamStatus] = []
    started_s = time.monotonic()
    with open_live(replace(camera, retries=0), statuses.append, stop) as source:
        if not source.connect():
            return {"type": "check", "ok": False, "reason": statuses[-1].reason}
        first_s = time.monotonic() - started_s
        frames = [frame for frame in _look(iter(source)) if isinstance(frame, Frame)]
        if not frames:
            return {"type": "check", "ok": False, "reason": "delivers no readable picture"}
        span_s = frames[-1].time_s - frames[0].time_s
        return {
            "type": "check",
            "ok": True,
            "width": source.info.width,
            "height": source.info.height,
            "fps": round(source.info.fps, 3),
            "measured_fps": round((len(frames) - 1) / span_s, 1) if span_s > 0 else None,
            "first_picture_s": round(first_s, 2),
            "faces": _faces(frames[-1]),
        }


def _look(frames: Iterator[Frame | Unreadable]) -> Iterator[Frame | Unreadable]:
    until_s = time.monotonic() + LOOK_S
    for frame in frames:
        yield frame
        if time.monotonic() > until_s:
            return


def _faces(frame: Frame) -> int:
    from realtime.faces import FaceTracker, TrackerConfig

    tracker = FaceTracker(TrackerConfig(max_faces=4))
    try:
        return len(tracker.push(frame))
    finally:
        tracker.close()
