"""What every source shares: limits, the capture protocol and a quiet OpenCV."""

from __future__ import annotations

import math
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import SourceError, UsageError
from realtime.sources.ahead import read_ahead
from realtime.types import Frame, StreamInfo, Unreadable

MAX_SIDE_PX = 8192
"""Largest width or height that is accepted."""
MIN_FPS = 1.0
MAX_FPS = 1000.0
"""Frame rates outside `MIN_FPS`..`MAX_FPS` are taken as the mistake of a container or driver."""
MIN_USEFUL_FPS = 25.0
"""Below this a micro-expression of 1/25 s falls between two frames."""
DEFAULT_FPS = 30.0
"""Frame rate where nothing states or shows one; using it is always noted."""
_AHEAD_BYTES = 64_000_000

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET, read at FFmpeg's first use


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that the sources use."""

    def isOpened(self) -> bool: ...

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, NDArray[Any]]: ...

    def get(self, propId: int, /) -> float: ...

    def set(self, propId: int, value: float, /) -> bool: ...

    def release(self) -> None: ...


class BaseSource(ABC):
    """A stream that is read once and closed with `with`; subclasses give `_read`, and `_close` if need be."""

    _AHEAD = 0
    """Most frames that a thread decodes before they are asked for."""

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._late_notes: list[str] = []
        self._started = False
        # weak, so that an iteration that nobody goes on with is closed
        self._reading: weakref.ref[Generator[Frame | Unreadable, None, None]] | None = None

    @property
    def info(self) -> StreamInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks of `info` and those that reading added, one line each."""
        return (*self._info.notes, *self._late_notes)

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        """Yield the frames in order.

        Raises `UsageError` when the stream was read before, `SourceError` when it breaks off.
        """
        if self._started:
            raise UsageError(f"{self._info.source}: this stream was read already; open it again")
        self._started = True
        depth = min(self._AHEAD, _AHEAD_BYTES // (3 * self._info.width * self._info.height))
        reading = read_ahead(self._read(), depth) if depth > 0 else self._read()
        self._reading = weakref.ref(reading)
        return reading

    def __enter__(self) -> BaseSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    @abstractmethod
    def _read(self) -> Generator[Frame | Unreadable, None, None]:
        """The frames of the stream, in order."""

    def _close(self) -> None:
        """Give back what the stream holds; safe to call twice. A closed stream is not read any more."""
        self._started = True
        reading = self._reading() if self._reading is not None else None
        if reading is not None:
            reading.close()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self._late_notes.append(text)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence OpenCV's own log on stderr, and only while the block runs."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)


def is_sane_fps(fps: float) -> bool:
    """Whether `fps` can be the frame rate of a camera."""
    return math.isfinite(fps) and MIN_FPS <= fps <= MAX_FPS


def check_fps(fps: float | None) -> None:
    """Raise `UsageError` when a frame rate that the user asked for is out of range."""
    if fps is not None and not is_sane_fps(fps):
        raise UsageError(f"the frame rate must lie between {MIN_FPS:g} and {MAX_FPS:g}, not {fps:g}")


def check_name(path: str | os.PathLike[str]) -> None:
    """Raise `SourceError` where OpenCV, which takes UTF-8 alone, would crash at a name."""
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        raise SourceError(
            f"{os.fspath(path)}: its name is not UTF-8; give it, and its folder, another"
        ) from None


def check_size(name: str, width: int, height: int) -> None:
    """Raise `SourceError` when a picture of `width` × `height` pixels is too large to work on."""
    if max(width, height) > MAX_SIDE_PX:
        raise SourceError(
            f"{name}: frames of {width}×{height} pixels are too large; the limit is {MAX_SIDE_PX} a side"
        )


def as_bgr8(image: NDArray[Any] | None) -> NDArray[np.uint8] | None:
    """Bring a decoded picture to BGR uint8, shape (height, width, 3); None where that has no meaning.

    Takes grey, grey in one channel, BGR and BGRA in 8 or 16 bits; 16-bit values are divided by 257,
    so that full scale stays full scale; alpha is dropped.
    """
    if image is None or image.size == 0:
        return None
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1.0 / 257.0)
    if image.dtype != np.uint8:
        return None
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif channels == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    elif channels != 3:
        return None
    return np.ascontiguousarray(image, dtype=np.uint8)
