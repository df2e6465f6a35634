"""Writing frames to a video file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from offline.synthesis.truth import Truth
from realtime.errors import UsageError
from realtime.sinks.files import OutputFile
from realtime.types import U8
from realtime.view.film_file import FilmFile

CODECS = {".mkv": "FFV1", ".avi": "MJPG", ".mp4": "mp4v"}
"""File ending → codec: FFV1 is lossless, the others are not."""
_MJPG_QUALITY = 97


def write_video(
    path: Path, frames: Iterable[U8], fps: float, size: tuple[int, int], *, private: bool = False
) -> int:
    """Write BGR frames of `size` (width, height) to a video and return how many there were.

    The ending chooses the codec. The file gets its name when it is complete; a `private` one can be read by
    its owner alone. Raises UsageError for an unknown ending and OutputError where the file cannot be written.
    """
    if path.suffix.lower() not in CODECS:
        raise UsageError(f"unknown video ending {path.suffix!r}: use one of {', '.join(CODECS)}")
    film = FilmFile(path, CODECS, fps, size, private=private, jpeg_quality=_MJPG_QUALITY)
    try:
        for frame in frames:
            film.write(frame)
        film.commit()
    finally:
        film.discard()
    return film.pictures


def write_labelled_video(path: Path, frames: Iterable[U8], truth: Truth, *, private: bool = False) -> int:
    """Write a video as `write_video` does, and its truth beside it: neither changes where one cannot be."""
    beside = OutputFile(path.with_suffix(".json"))
    try:
        beside.write(truth.to_json().encode(), flush=True)
        count = write_video(path, frames, truth.fps, (truth.width, truth.height), private=private)
        beside.commit()
    finally:
        beside.discard()
    return count
