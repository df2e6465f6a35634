"""Small videos and images that the tests write for themselves."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np

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


def write_mkv(
    path: Path,
    frames: Sequence[bytes],
    times_ms: Sequence[int],
    *,
    fps: float | None = 30,
    size: tuple[int, int] = (64, 48),
) -> None:
    """Write JPEG frames at any timestamps as Matroska (RFC 9559); `fps` None leaves the rate out."""
    head = [("4286", 1), ("42F7", 1), ("42F2", 4), ("42F3", 8)]
    ebml = b"".join(_uint(key, value) for key, value in head) + _element("4282", b"matroska")
    ebml += _uint("4287", 4) + _uint("4285", 2)
    info = _uint("2AD7B1", 1_000_000) + _element("4D80", b"tests") + _element("5741", b"tests")
    track = _uint("D7", 1) + _uint("73C5", 1) + _uint("83", 1) + _element("86", b"V_MJPEG")
    track += _uint("23E383", round(1e9 / fps)) if fps else b""
    track += _element("E0", _uint("B0", size[0]) + _uint("BA", size[1]))
    clusters = b"".join(
        _element("1F43B675", _uint("E7", time_ms) + _element("A3", b"\x81\x00\x00\x80" + frame))
        for frame, time_ms in zip(frames, times_ms, strict=True)
    )
    body = _element("1549A966", info) + _element("1654AE6B", _element("AE", track)) + clusters
    path.write_bytes(_element("1A45DFA3", ebml) + _element("18538067", body))


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


def _element(key: str, data: bytes) -> bytes:
    return bytes.fromhex(key) + struct.pack(">Q", len(data) | 1 << 56) + data


def _uint(key: str, value: int) -> bytes:
    return _element(key, struct.pack(">Q", value))
