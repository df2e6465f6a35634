"""Small videos and images that the tests write for themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np

from benchmarks.faults.matroska import write_mkv as write_mkv
from realtime.types import U8


def picture(seed: int, width: int = 64, height: int = 48) -> U8:
    """A smooth random picture, BGR, that survives lossy codecs and differs for every seed."""
    coarse = np.random.default_rng(seed).integers(30, 220, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def write_video(path: Path, codec: str, count: int, *, fps: float = 100.0) -> list[U8]:
    """Write `count` pictures through OpenCV; gives the pictures."""
    pictures = [picture(seed) for seed in range(count)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for image in pictures:
        writer.write(image)
    writer.release()
    return pictures


def jpeg(image: U8, quality: int = 95) -> bytes:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return data.tobytes()


def encode(
    target: str | BinaryIO,
    form: str,
    images: Iterable[U8],
    *,
    fps: int = 25,
    pace: bool = False,
    options: dict[str, str] | None = None,
) -> None:
    """Pictures as H.264 in a container, to a file, a URL or an open file; with `pace` as a camera does."""
    started_s = time.monotonic()
    with av.open(target, "w", format=form, options=options or {}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.pix_fmt = "yuv420p"
        stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "10"}
        for number, image in enumerate(images):
            stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
            if pace:
                time.sleep(max(started_s + number / fps - time.monotonic(), 0.0))
        container.mux(stream.encode(None))
