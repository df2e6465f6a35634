"""One connection to a camera, or a file played at its own pace; for a URL see `realtime.sources.stream`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import cv2

from realtime.errors import SourceError
from realtime.sources.common import DEFAULT_FPS, Capture, as_bgr8, check_size, is_sane_fps, quiet
from realtime.types import U8, Frame, FrameSource, readonly

_MAX_MISSES = 25
_MAX_MISSING_S = 2.0


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """What a connection shows."""

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
    image: U8 | None = field(repr=False)
    """BGR; None for one that could not be decoded."""


class Feed(Protocol):
    """A connection: opened once, read until None, closed. Every call may block or even hang."""

    def open(self) -> FeedInfo:
        """Connect. Raises `SourceError`."""

    def read(self) -> Shot | None:
        """The next picture; None at the end."""

    def close(self) -> None:
        """Let go; safe to call twice."""


def _open_device(device: int) -> Capture:
    capture: Capture = cv2.VideoCapture(device, cv2.CAP_ANY)
    return capture


class DeviceFeed:
    """A camera attached to this machine; it has no time stamps."""

    def __init__(
        self, device: int | str, fps: float | None = None, *, opener: Callable[[int], Capture] = _open_device
    ) -> None:
        """`device`: its number, or as for `device_number`: a link leads to whichever number it has when it is
        opened. `fps`: rate to ask the driver for. `opener` is replaceable."""
        self._device, self._fps, self._opener = str(device), fps, opener
        self._name = self._device
        self._capture: Capture | None = None
        self._number = -1

    def open(self) -> FeedInfo:
        number = device_number(self._device)
        if number is None:
            raise SourceError(f"{self._name}: there is no such camera")
        self._name = f"camera:{number}"
        try:
            with quiet():
                self._capture = capture = self._opener(number)
        except cv2.error as error:
            raise SourceError(f"{self._name}: cannot be opened") from error
        if not capture.isOpened():
            raise SourceError(f"{self._name}: there is no such camera, or it may not be used")
        if self._fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self._fps)
        stated = float(capture.get(cv2.CAP_PROP_FPS))
        rate = stated if is_sane_fps(stated) else self._fps or DEFAULT_FPS
        notes = () if rate == stated else (f"states no frame rate; {rate:g} per second assumed",)
        return FeedInfo(rate, notes=notes)

    def read(self) -> Shot | None:
        capture = self._capture
        if capture is None or not self._advance(capture):
            return None
        arrival_s, wall_s = time.monotonic(), time.time()
        ok, raw = capture.retrieve()
        image = as_bgr8(raw) if ok else None
        if image is not None:
            check_size(self._name, image.shape[1], image.shape[0])
        self._number += 1
        return Shot(self._number, arrival_s, wall_s, math.nan, None if image is None else readonly(image))

    @staticmethod
    def _advance(capture: Capture) -> bool:
        """Take the next picture; a few that fail are passed over, but each may take the driver seconds."""
        ends_s = time.monotonic() + _MAX_MISSING_S
        for _ in range(_MAX_MISSES):
            if capture.grab():
                return True
            if time.monotonic() > ends_s:
                break
        return False

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


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
        return FeedInfo(info.fps, True, info.notes)

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


def is_device(spec: str) -> bool:
    """Whether a source is a camera of this machine, also one that is unplugged, and its path gone."""
    is_path = spec.startswith("/dev/") and not spec.startswith("/dev/shm/")
    return device_number(spec) is not None or (is_path and not os.path.exists(spec))


def is_url(spec: str) -> bool:
    """Whether a source is meant for the network."""
    return "://" in spec and not os.path.exists(spec)  # unlike Path.exists, never raises
