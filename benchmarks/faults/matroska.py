"""JPEG pictures at any timestamps as Matroska (RFC 9559): no ordinary writer takes impossible times."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path


def write_mkv(
    path: Path,
    frames: Sequence[bytes],
    times_ms: Sequence[int],
    *,
    fps: float | None = 30,
    size: tuple[int, int] = (64, 48),
    shift_ms: int = 0,
) -> None:
    """Write JPEG frames at any timestamps; `fps` None leaves the rate out.

    `shift_ms`: what a frame lies after its cluster's time, -32768..32767: the only way to a time below 0.
    """
    head = [("4286", 1), ("42F7", 1), ("42F2", 4), ("42F3", 8)]
    ebml = b"".join(_uint(key, value) for key, value in head) + _element("4282", b"matroska")
    ebml += _uint("4287", 4) + _uint("4285", 2)
    info = _uint("2AD7B1", 1_000_000) + _element("4D80", b"tests") + _element("5741", b"tests")
    track = _uint("D7", 1) + _uint("73C5", 1) + _uint("83", 1) + _element("86", b"V_MJPEG")
    track += _uint("23E383", round(1e9 / fps)) if fps else b""
    track += _element("E0", _uint("B0", size[0]) + _uint("BA", size[1]))
    block = b"\x81" + struct.pack(">h", shift_ms) + b"\x80"
    clusters = b"".join(
        _element("1F43B675", _uint("E7", time_ms) + _element("A3", block + frame))
        for frame, time_ms in zip(frames, times_ms, strict=True)
    )
    body = _element("1549A966", info) + _element("1654AE6B", _element("AE", track)) + clusters
    path.write_bytes(_element("1A45DFA3", ebml) + _element("18538067", body))


def _element(key: str, data: bytes) -> bytes:
    return bytes.fromhex(key) + struct.pack(">Q", len(data) | 1 << 56) + data


def _uint(key: str, value: int) -> bytes:
    return _element(key, struct.pack(">Q", value))
