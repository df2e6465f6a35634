"""From the settings of a camera to its connection."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from realtime.live.settings import CameraSettings
from realtime.sources import open_source
from realtime.sources.clock import MAX_GAP_S
from realtime.sources.feed import DeviceFeed, Feed, FileFeed, is_device
from realtime.sources.live import LiveSource
from realtime.sources.stream_status import LivePolicy, StreamStatus


def open_live(
    camera: CameraSettings,
    tell: Callable[[StreamStatus], object],
    stop: threading.Event,
    *,
    seconds: float | None = None,
    attempt: int = 0,
) -> LiveSource:
    """A source that is not connected yet. `stop` ends it; `seconds`: length of the run; `attempt`: how many
    have failed in a row before."""
    policy = policy_of(camera, seconds)
    return LiveSource(camera.shown_source, connector(camera), policy, tell, stop=stop, attempt=attempt)


def connector(camera: CameraSettings) -> Callable[[], Feed]:
    """Gives a new connection at every call."""
    if camera.is_file:
        return lambda: FileFeed(
            open_source(os.path.join(os.curdir, camera.source), fps=camera.fps or None),
            real_pace=camera.pace == "real",
        )
    if is_device(camera.source):
        return lambda: DeviceFeed(camera.source, camera.fps or None)
    from realtime.sources.stream import StreamFeed, StreamOptions

    options = StreamOptions(camera.open_timeout_s, camera.read_timeout_s, camera.rtsp_transport)
    return lambda: StreamFeed(camera.source, options)


def policy_of(camera: CameraSettings, seconds: float | None) -> LivePolicy:
    """When to worry about a camera, and when to give up."""
    retries = 0 if camera.is_file else None if camera.retries < 0 else camera.retries
    pause_s = MAX_GAP_S if camera.is_file else 0.0  # that long may a recording stand still
    return LivePolicy(
        stall_s=camera.stall_s + pause_s,
        open_timeout_s=camera.open_timeout_s,
        read_timeout_s=camera.read_timeout_s + pause_s,
        buffer_s=camera.buffer_s,
        retries=retries,
        seconds=seconds,
        lossless=camera.is_file and camera.pace == "fast",
    )
