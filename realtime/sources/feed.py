"""One connection to a camera, a network stream or a file played at its own pace."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

from realtime.errors import SourceError
from realtime.redaction import without_credentials
from realtime.sources.common import DEFAULT_FPS, Capture, as_bgr8, check_size, is_sane_fps, quiet
from realtime.types import U8, Frame, FrameSource, readonly

_MAX_MISSES = 25
_MAX_MISSING_S = 2.0
_FPS_OF_BARE_JPEG = 25.0


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """What a connection shows."""

    width: int
    height: int
    fps: float
    """As stated, or assumed where `notes` say so."""
    finite: bool = False
    """Whether it has an end of its own, as a file has: then it is not connected again."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as it arrived."""

    number: int
    """0-based count of the pictures of this connection."""
    arrival_s: float
    """`time.monotonic()` when it was there."""
    wall_s: float
    """`time.time()` then."""
    stamp_s: float
    """Time stamp of the feed, s; NaN where it has none that can be believed."""
    image: U8 | None
    """BGR; None for one that could not be decoded."""


class Feed(Protocol):
    """A connection: opened once, read until None, closed. Every call may block or even hang."""

    def open(self) -> FeedInfo:
        """Connect. Raises `SourceError`."""

    def read(self) -> Shot | None:
        """The next picture; None at the end."""

    def close(self) -> None:
        """Let go; safe to call twice."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How to connect."""

    open_timeout_s: float = 8.0
    read_timeout_s: float = 5.0
    fps: float | None = None
    """Rate to ask a camera for."""


class CaptureFeed:
    """A device number or a URL that OpenCV opens.

    The stamps of FFmpeg are believed but for bare JPEG pictures over HTTP, which carry none: FFmpeg counts
    them at 25 a second whatever their rate, and that is how they are known. A device has no stamps.

    A change of the picture's size inside a connection is not visible through OpenCV, which goes on at the
    first size: to the route the face jumps, and what was going on ends. A new connection has its own size.
    """

    def __init__(self, target: int | str, options: FeedOptions) -> None:
        self._target, self._options = target, options
        self._name = f"camera:{target}" if isinstance(target, int) else without_credentials(target)
        self._capture: Capture | None = None
        self._stamped = False
        self._number = -1

    def open(self) -> FeedInfo:
        with quiet():
            self._capture = capture = self._open()
        if not capture.isOpened():
            raise SourceError(f"{self._name}: cannot be opened")
        if isinstance(self._target, int) and self._options.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self._options.fps)
        width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        check_size(self._name, width, height)
        finite = self._is_finite(capture)
        stated = float(capture.get(cv2.CAP_PROP_FPS))
        bare = not finite and stated == _FPS_OF_BARE_JPEG and self._is_jpeg_over_http(capture)
        self._stamped = not isinstance(self._target, int) and not bare
        rate = stated if is_sane_fps(stated) else self._options.fps or DEFAULT_FPS
        notes = () if rate == stated else (f"states no frame rate; {rate:g} per second assumed",)
        return FeedInfo(width, height, rate, finite, notes)

    def read(self) -> Shot | None:
        capture = self._capture
        if capture is None or not self._advance(capture):
            return None
        arrival_s, wall_s = time.monotonic(), time.time()
        stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if self._stamped else math.nan
        ok, raw = capture.retrieve()
        image = as_bgr8(raw) if ok else None
        self._number += 1
        return Shot(self._number, arrival_s, wall_s, stamp_s, None if image is None else readonly(image))

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open(self) -> Capture:
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(1000 * self._options.open_timeout_s)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * self._options.read_timeout_s)),
            *(cv2.CAP_PROP_N_THREADS, 1),  # several decode several pictures at once, and deliver them later
        ]
        try:
            capture: Capture
            if isinstance(self._target, int):
                capture = cv2.VideoCapture(self._target, cv2.CAP_ANY)
            else:
                capture = cv2.VideoCapture(self._target, cv2.CAP_FFMPEG, limits)
        except cv2.error as error:
            raise SourceError(f"{self._name}: cannot be opened") from error
        return capture

    def _advance(self, capture: Capture) -> bool:
        """Decode the next picture; damaged ones are passed over, within limits."""
        started_s = time.monotonic()
        for _ in range(_MAX_MISSES):
            if capture.grab():
                return True
            if time.monotonic() - started_s > _MAX_MISSING_S:
                break
        return False

    def _is_finite(self, capture: Capture) -> bool:
        """Whether this is a file behind HTTP; RTSP servers state a length for what they play live too."""
        if isinstance(self._target, int) or not self._target.lower().startswith(("http:", "https:", "ftp:")):
            return False
        count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return math.isfinite(count) and 0 < count < 1e9

    def _is_jpeg_over_http(self, capture: Capture) -> bool:
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4]
        scheme = str(self._target).split("://", 1)[0].lower()
        return code.upper() == b"MJPG" and scheme in ("http", "https", "tcp")


class FileFeed:
    """A recorded stream, delivered at its own pace, or as fast as it is taken.

    Stamps are exactly the times that `process` would use.
    """

    def __init__(self, source: FrameSource, *, real_pace: bool) -> None:
        self._source, self._real_pace = source, real_pace
        self._frames: Iterator[object] | None = None
        self._started_s = 0.0
        self._number = -1

    def open(self) -> FeedInfo:
        info = self._source.info
        self._frames = iter(self._source)
        self._started_s = time.monotonic()
        return FeedInfo(info.width, info.height, info.fps, True, info.notes)

    def read(self) -> Shot | None:
        item = next(self._frames, None) if self._frames is not None else None
        if item is None:
            return None
        self._number += 1
        if not isinstance(item, Frame):
            return Shot(self._number, time.monotonic(), time.time(), math.nan, None)
        if self._real_pace:
            time.sleep(max(self._started_s + item.time_s - time.monotonic(), 0.0))
        return Shot(self._number, time.monotonic(), time.time(), item.time_s, item.image)

    def close(self) -> None:
        self._source.__exit__(None, None, None)


def device_number(spec: str) -> int | None:
    """The number of a camera given as "0", "camera:0", "/dev/video0" or a link to it; else None."""
    text = spec.removeprefix("camera:")
    if text.startswith("/dev/"):
        text = os.path.basename(os.path.realpath(text)).removeprefix("video")
    return int(text) if text.isdecimal() and len(text) <= 4 else None


def is_url(spec: str) -> bool:
    """Whether a source is meant for the network."""
    return "://" in spec and not Path(spec).exists()
