"""The window of a live camera, in the camera's own process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.sinks.window import WindowSink
    from realtime.sources.live import LiveSource

INSTEAD = "without it, all that is found goes to the outputs"


def camera_window(name: str, source: LiveSource, stop: threading.Event, *, allow_clips: bool) -> WindowSink:
    """A window whose `q` ends the camera; pausing it holds its picture only."""
    from realtime.sinks.window import WindowSink

    def latency_ms(index: int) -> float | None:
        moment = source.moment(index)
        return None if moment is None else 1000.0 * max(time.monotonic() - moment.monotonic_s, 0.0)

    clips = Path() if allow_clips else None
    return WindowSink(name, clips=clips, latency_ms=latency_ms, on_quit=stop.set, instead=INSTEAD)
