"""Writing frames to a video file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import cv2

from realtime.errors import OutputError, UsageError
from realtime.sinks.files import output_errors, private_file
from realtime.types import U8

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
    codec = CODECS.get(path.suffix.lower())
    if codec is None:
        raise UsageError(f"unknown video ending {path.suffix!r}: use one of {', '.join(CODECS)}")
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    if private:
        with output_errors(str(path)):
            os.close(private_file(partial))
    writer = cv2.VideoWriter(str(partial), cv2.VideoWriter_fourcc(*codec), fps, size)  # type: ignore[attr-defined]
    try:
        if not writer.isOpened():
            raise OutputError(f"cannot write {path}: check the folder and that OpenCV has the {codec} codec")
        if codec == "MJPG":
            writer.set(cv2.VIDEOWRITER_PROP_QUALITY, _MJPG_QUALITY)
        count = 0
        for frame in frames:
            writer.write(frame)
            count += 1
        writer.release()
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        writer.release()
        partial.unlink(missing_ok=True)
    return count
