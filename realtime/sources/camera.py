"""A camera attached to this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import cv2

from realtime.errors import SourceError
from realtime.sources.common import (
    DEFAULT_FPS,
    BaseSource,
    Capture,
    as_bgr8,
    check_fps,
    check_size,
    is_sane_fps,
    quiet,
)
from realtime.types import U8, Frame, StreamInfo, Unreadable, readonly

MAX_MISSES = 30
"""Frames in a row that a camera may fail to deliver before it counts as lost."""


def _open_device(device: int) -> Capture:
    capture: Capture = cv2.VideoCapture(device, cv2.CAP_ANY)
    return capture


class CameraSource(BaseSource):
    """A camera by its number.

    The time of a frame is that of a monotonic clock when the driver hands it over, counted from the
    first frame. A frame that the driver fails to deliver is `Unreadable("undecodable")`, one of another
    size `Unreadable("size")`; `MAX_MISSES` in a row raise `SourceError`.
    """

    def __init__(
        self,
        device: int,
        *,
        fps: float | None = None,
        opener: Callable[[int], Capture] = _open_device,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open camera `device` and take its first frame.

        `fps`: rate to ask the driver for. `opener` and `clock` (seconds, monotonic) are replaceable.
        Raises `SourceError` where there is no such camera or it delivers no frame.
        """
        check_fps(fps)
        self._clock = clock
        self._name = f"camera:{device}"
        with quiet():
            self._capture: Capture | None = _start(self._name, device, fps, opener)
        self._first: tuple[float, U8] | None = self._take_first()
        height, width = self._first[1].shape[:2]
        check_size(self._name, width, height)
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        rate = stated if is_sane_fps(stated) else fps or DEFAULT_FPS
        notes = () if rate == stated else (f"the camera states no frame rate; {rate:g} per second assumed",)
        super().__init__(StreamInfo(self._name, width, height, rate, None, notes))

    def _take_first(self) -> tuple[float, U8]:
        for _ in range(MAX_MISSES):
            taken = self._take()
            if taken is not None:
                return taken
        self._close()
        raise SourceError(f"{self._name}: the camera delivers no picture; is another program using it?")

    def _take(self) -> tuple[float, U8] | None:
        """Moment of capture on the clock, and the picture; None where the driver fails."""
        assert self._capture is not None
        if not self._capture.grab():
            return None
        moment_s = self._clock()
        ok, raw = self._capture.retrieve()
        image = as_bgr8(raw) if ok else None
        return None if image is None else (moment_s, image)

    def _read(self) -> Generator[Frame | Unreadable, None, None]:
        assert self._first is not None
        start_s, image = self._first
        self._first = None
        yield Frame(0, 0.0, readonly(image))
        index, last_s, misses = 1, 0.0, 0
        while self._capture is not None:
            taken = self._take()
            misses = 0 if taken else misses + 1
            if misses == MAX_MISSES:
                raise SourceError(f"{self._name}: the camera stopped delivering pictures at frame {index}")
            item = self._judge(index, taken, start_s, last_s)
            last_s = item.time_s if isinstance(item, Frame) else last_s
            yield item
            index += 1

    def _judge(
        self, index: int, taken: tuple[float, U8] | None, start_s: float, last_s: float
    ) -> Frame | Unreadable:
        if taken is None:
            return Unreadable(index, "undecodable")
        moment_s, image = taken
        if image.shape[:2] != (self._info.height, self._info.width):
            return Unreadable(index, "size")
        if moment_s - start_s <= last_s:
            return Unreadable(index, "timestamp")
        return Frame(index, moment_s - start_s, readonly(image))

    def _close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _start(name: str, device: int, fps: float | None, opener: Callable[[int], Capture]) -> Capture:
    try:
        capture = opener(device)
    except cv2.error as error:
        raise SourceError(f"{name}: the camera cannot be opened") from error
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{name}: there is no such camera, or it may not be used")
    if fps is not None:
        capture.set(cv2.CAP_PROP_FPS, fps)
    return capture
