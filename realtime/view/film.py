"""Films that appear under their name only when they are whole, and that nobody but their owner can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from realtime.types import U8
from realtime.view.film_file import FilmFile

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
        self._fps = min(max(fps, 1.0), MOST_FPS)
        self._file = FilmFile(path, CODECS, self._fps, size, private=True)
        self._shift_s: float | None = None
        self._last_s = 0.0
        self._picture: U8 | None = None

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
        self._show_the_last()
        self._file.commit()

    def abandon(self) -> str | None:
        """End without giving the film its name; a line that says where the part written is kept."""
        self._show_the_last()
        return self._file.abandon()

    def _show_the_last(self) -> None:
        if self._picture is not None and self._shift_s is not None:
            self._fill(self._last_s - self._shift_s + 1.0 / self._fps)
            self._picture = None

    def _fill(self, until_s: float) -> None:
        """Show the last picture at every tick before `until_s`."""
        while self._picture is not None and self._file.pictures / self._fps < until_s - 1e-6:
            self._file.write(self._picture)
