"""Films that appear under their name only when they are whole, and that nobody but their owner can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import av
import cv2

from realtime.errors import OutputError
from realtime.sinks.files import claimed, output_errors, partial_of
from realtime.types import U8

CODECS: Mapping[str, str] = MappingProxyType(
    {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
)
"""Ending of the file → FourCC of what it holds."""
MOST_FPS = 120.0
LONGEST_HOLE_S = 2.0
"""A longer hole in the stream is shown as one of this length, s."""


class Film:
    """A film of a constant rate from pictures at any stream times: what plays takes as long as it took.

    A picture is shown until the next one is due; of several within one tick the last is shown.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, size: tuple[int, int]) -> None:
        """`size`: width and height, pixels, even. Raises `OutputError` where it cannot be written."""
        self._path = Path(os.path.realpath(path))
        self._name = os.fspath(path)
        self._partial = partial_of(self._path, keep_ending=True)
        self._fps, self._size = min(max(fps, 1.0), MOST_FPS), size
        self._ticks = 0
        self._shift_s: float | None = None
        self._last_s = 0.0
        self._picture: U8 | None = None
        self._done = False
        self._writer = self._opened()

    def _opened(self) -> cv2.VideoWriter:
        suffix = self._path.suffix.lower()
        if suffix not in CODECS:
            raise OutputError(f"{self._name}: a film's name ends in one of {', '.join(CODECS)}")
        try:
            str(self._path).encode()
        except UnicodeEncodeError:
            raise OutputError(f"{self._name}: a film's name, and its folder's, must be UTF-8") from None
        if not self._path.parent.is_dir():
            raise OutputError(f"{self._name}: its folder does not exist")
        if self._path.exists() and not (self._path.is_file() and os.access(self._path, os.W_OK)):
            raise OutputError(f"{self._name}: cannot be written over")
        with output_errors(self._name):
            self._claim = claimed(self._partial, self._name, private=True)
        code = cv2.VideoWriter.fourcc(*CODECS[suffix])
        writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG, code, self._fps, self._size)
        if not writer.isOpened():
            self._claim.close()
            self._partial.unlink(missing_ok=True)
            raise OutputError(f"{self._name}: this OpenCV cannot write {suffix} films; try another ending")
        return writer

    def write(self, picture: U8, time_s: float) -> None:
        """Show `picture`, BGR of the film's size, from stream time `time_s` on; times never fall."""
        if self._shift_s is None:
            self._shift_s = time_s
        hole_s = time_s - self._last_s - LONGEST_HOLE_S if self._picture is not None else 0.0
        self._shift_s += max(hole_s, 0.0)
        self._fill(time_s - self._shift_s)
        self._picture, self._last_s = picture, time_s

    def close(self) -> None:
        """Finish, and give the film its name. Raises `OutputError` where nothing came of it."""
        if self._done:
            return
        self._end()
        with output_errors(self._name):
            if _pictures_in(self._partial) < max(self._ticks, 1):
                self._partial.unlink()
                raise OutputError(f"{self._name}: the film could not be written; is the disk full?")
            os.replace(self._partial, self._path)

    def abandon(self) -> str | None:
        """End without giving the film its name; a line that says where the part written is kept."""
        if self._done:
            return None
        self._end()
        if self._ticks:
            return f"the film so far is kept in {self._partial}"
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)
        return None

    def _end(self) -> None:
        self._done = True
        if self._picture is not None and self._shift_s is not None:
            self._fill(self._last_s - self._shift_s + 1.0 / self._fps)
        self._writer.release()
        self._claim.close()

    def _fill(self, until_s: float) -> None:
        """Show the last picture at every tick before `until_s`."""
        while self._picture is not None and self._ticks / self._fps < until_s - 1e-6:
            self._writer.write(self._picture)
            self._ticks += 1


def _pictures_in(path: Path) -> int:
    """How many pictures a film holds, none decoded: OpenCV does not tell where it could not write one."""
    try:
        with av.open(str(path)) as film:
            return sum(packet.size > 0 for packet in film.demux(video=0))
    except (av.FFmpegError, IndexError):
        return 0
