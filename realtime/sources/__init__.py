"""Where frames come from: video files, folders of images, cameras."""

from __future__ import annotations

import os
import re
from pathlib import Path

from realtime.errors import SourceError
from realtime.redaction import shown_url
from realtime.sources.camera import CameraSource
from realtime.sources.images import ImageFolderSource
from realtime.sources.video import VideoSource
from realtime.types import FrameSource

__all__ = ["CameraSource", "ImageFolderSource", "VideoSource", "open_source"]

_CAMERA = re.compile(r"(?:camera:|/dev/video)?(\d{1,4})")


def open_source(spec: str | os.PathLike[str], *, fps: float | None = None) -> FrameSource:
    """Open a stream.

    `spec`: a camera ("0", "camera:0", "/dev/video0"), a folder of numbered images, or a video file; a
    file or folder whose name is a number is meant by "./0" or a `Path`. `fps`: frames per second of a
    folder of images, of a video whose timestamps are wrong, or to ask a camera for. Raises `SourceError`
    where it cannot be opened and `UsageError` for an impossible `fps`.
    """
    text = os.fspath(spec)
    camera = _CAMERA.fullmatch(text)
    if camera and (isinstance(spec, str) or text.startswith("/dev/")):
        return CameraSource(int(camera[1]), fps=fps)
    if "://" in text:
        raise SourceError(f"{shown_url(text)}: is a network stream; use glimpse live")
    if not text:
        raise SourceError("no stream was named; give a video file, a folder of images or a camera number")
    path = Path(text)
    if os.path.isdir(text):  # unlike Path.is_dir, never raises
        return ImageFolderSource(path, fps=fps)
    return VideoSource(path, fps=fps)
