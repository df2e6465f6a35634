"""Video files, read through OpenCV's FFmpeg back end."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2

from realtime.errors import SourceError
from realtime.sources.clock import StreamClock, settle_fps
from realtime.sources.common import BaseSource, Capture, as_bgr8, check_fps, check_name, check_size, quiet
from realtime.types import Frame, StreamInfo, Unreadable, readonly

OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 10_000
MAX_LOST = 250
"""Frames in a row that may fail to decode before the stream counts as ended."""
_PROBE_FRAMES = 32
_TEXT_CODECS = frozenset({b"ansi", b"xbin"})
"""FFmpeg draws text files as pictures of a terminal."""


@dataclass(frozen=True, slots=True)
class _Probe:
    width: int
    height: int
    stated_fps: float
    frame_count: int | None
    stamps_s: tuple[float, ...]


class VideoSource(BaseSource):
    """A video file.

    Times are the container's presentation timestamps, counted from the start of its video stream.
    OpenCV's FFmpeg back end reports with `CAP_PROP_POS_MSEC` the stamp of the frame that `grab` has just
    decoded. Where stamps are missing or cannot be right, the nominal frame rate takes their place and
    `notes` says so.

    A frame that cannot be decoded is yielded as `Unreadable("undecodable")`, provided that a later one
    can; a file that is cut off simply ends. A change of the picture's size inside a file is not visible
    through OpenCV, which goes on at the first size.
    """

    _AHEAD = 8

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        """Open `path` and look at its first frames.

        `fps`: when given, the timestamps are ignored and frame n has time n / fps. Raises `SourceError`
        where the file is missing, unreadable, empty, no video, or its frames exceed `MAX_SIDE_PX`.
        """
        check_fps(fps)
        self._path = Path(path)
        _check_file(self._path)
        probe = _probe(self._path)
        rate, notes, nominal = _settle_time(probe, fps)
        super().__init__(
            StreamInfo(str(self._path), probe.width, probe.height, rate, probe.frame_count, notes)
        )
        self._clock = StreamClock(rate, nominal=nominal)

    def _read(self) -> Generator[Frame | Unreadable, None, None]:
        with quiet():
            capture = _open(self._path)
        index = 0
        try:
            while (lost := _advance(capture)) is not None:
                for _ in range(lost):
                    yield Unreadable(index, "undecodable")
                    index += 1
                yield self._frame(capture, index)
                index += 1
            expected = self._info.frame_count or 0
            if index < 0.9 * expected:
                self._note(f"ended after {index} of about {expected} frames; the file seems to be cut off")
        finally:
            capture.release()

    def _frame(self, capture: Capture, index: int) -> Frame | Unreadable:
        repaired = self._clock.repaired
        time_s = self._clock.stamp(index, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
        if self._clock.repaired > repaired == 0:
            self._note(
                f"timestamps that do not increase or leap, first at frame {index}; "
                f"{self._info.fps:g} frames per second used there"
            )
        ok, raw = capture.retrieve()
        image = as_bgr8(raw) if ok else None
        if image is None:
            return Unreadable(index, "undecodable")
        if image.shape[:2] != (self._info.height, self._info.width):
            return Unreadable(index, "size")
        return Frame(index, time_s, readonly(image))


def _check_file(path: Path) -> None:
    try:
        if path.exists() and not path.is_file():
            raise SourceError(f"{path}: is no regular file; give a video file or a folder of images")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: the file is empty")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> Capture:
    options = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS),
    ]
    try:
        check_name(path)
        # a path that FFmpeg could take for a URL or a numbered pattern is made unmistakable
        capture: Capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, options)
    except cv2.error as error:
        raise SourceError(f"{path}: cannot be read as a video") from error
    if not capture.isOpened():
        raise SourceError(f"{path}: cannot be read as a video; it is damaged, cut off or of another kind")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # telephones say which way they were held
    return capture


def _advance(capture: Capture) -> int | None:
    """Decode the next frame; how many had to be passed over, or None at the end."""
    with quiet():
        return next((lost for lost in range(MAX_LOST + 1) if capture.grab()), None)


def _probe(path: Path) -> _Probe:
    with quiet():
        capture = _open(path)
        try:
            return _look(path, capture)
        finally:
            capture.release()


def _look(path: Path, capture: Capture) -> _Probe:
    width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    check_size(str(path), width, height)
    if int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4] in _TEXT_CODECS:
        raise SourceError(f"{path}: is a text, not a video")
    if _advance(capture) is None or not capture.retrieve()[0]:
        raise SourceError(f"{path}: not one frame of it can be decoded")
    stamps = [capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0]
    while len(stamps) < _PROBE_FRAMES and capture.grab():
        stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    frame_count = int(count) if math.isfinite(count) and 0 < count < 1e9 else None
    return _Probe(width, height, capture.get(cv2.CAP_PROP_FPS), frame_count, tuple(stamps))


def _settle_time(probe: _Probe, fps: float | None) -> tuple[float, tuple[str, ...], bool]:
    """Frame rate, notes, and whether the frame number alone gives the time."""
    if fps is not None:
        return fps, (f"timestamps replaced by {fps:g} frames per second, as asked",), True
    rate, note = settle_fps(probe.stated_fps, probe.stamps_s)
    notes = (note,) if note else ()
    rises = sum(b > a for a, b in pairwise(probe.stamps_s))
    if len(probe.stamps_s) > 1 and rises == 0:
        return rate, (*notes, f"the container has no timestamps; {rate:g} frames per second used"), True
    return rate, notes, False
