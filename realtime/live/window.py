"""The window of a live camera, in the camera's own process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.sinks.window import WindowSink
    from realtime.sources.live import LiveSource

INSTEAD = "--web shows the same on a page, in a browser here or on another machine"


def latency_of(source: LiveSource) -> Callable[[int], float | None]:
    """Gives, for a frame's number, how late the route is with it, ms."""

    def latency_ms(index: int) -> float | None:
        moment = source.moment(index)
        return None if moment is None else 1000.0 * max(time.monotonic() - moment.monotonic_s, 0.0)

    return latency_ms


def camera_window(name: str, source: LiveSource, stop: threading.Event, *, allow_clips: bool) -> WindowSink:
    """A window whose `q` ends the camera; pausing it holds its picture only."""
    from realtime.sinks.window import WindowSink

    clips = Path() if allow_clips else None
    return WindowSink(name, clips=clips, latency_ms=latency_of(source), on_quit=stop.set, instead=INSTEAD)
