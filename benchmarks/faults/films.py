"""The good streams that the campaign breaks, and how it breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from realtime.types import U8

FRAMES = 10
FPS = 50
CONTAINERS: Mapping[str, str] = {
    ".mp4": "libx264",
    ".mkv": "mpeg4",
    ".avi": "mjpeg",
    ".webm": "libvpx-vp9",
    ".ts": "mpeg2video",
}
"""Ending → codec."""
HEADER_BYTES = 1024


def pictures(count: int = FRAMES) -> list[U8]:
    """A face that moves a little: BGR uint8 (240, 320, 3)."""
    plan = StreamPlan(
        make_identity(3), seconds=max(2.0, count / FPS), fps=FPS, width=320, height=240,
        face_width_px=120.0, seed=1, events=0, confounders=CALM,
    )  # fmt: skip
    return list(islice(SyntheticStream(plan).frames(), count))


def write_film(path: Path, shown: list[U8]) -> None:
    """Write pictures into the container that the ending names."""
    codec = CONTAINERS[path.suffix]
    # the index first, so that a film that is cut off can still be read
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = 3
        if shown:
            stream.height, stream.width = shown[0].shape[:2]
        for number, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=stream.pix_fmt)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def jpeg(picture: U8) -> bytes:
    """A picture as JPEG."""
    return bytes(cv2.imencode(".jpg", picture)[1])


Mutation = Callable[[bytes, np.random.Generator], bytes]


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """Only the beginning, every second time not even the whole header."""
    most = len(data) if rng.random() < 0.5 else min(HEADER_BYTES, len(data))
    return data[: int(rng.integers(1, most))]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bits the other way round, every second time in the header alone."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    most = len(bits) if rng.random() < 0.5 else min(8 * HEADER_BYTES, len(bits))
    count = int(2 ** rng.uniform(0.0, 8.0))
    bits[rng.integers(0, most, count)] ^= 1
    return np.packbits(bits).tobytes()


def spliced(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece replaced by another piece of the file, by noise, by zeros, or by nothing."""
    start, end = _piece(data, rng)
    other = data[slice(*_piece(data, rng))]
    length = end - start
    filling = (other, rng.bytes(length), bytes(length), b"")[int(rng.integers(4))]
    return data[:start] + filling + data[end:]


def _piece(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(data)))
    return start, min(start + int(2 ** rng.uniform(0.0, np.log2(len(data)))), len(data))


MUTATIONS: Mapping[str, Mutation] = {"truncated": truncated, "bit-flipped": flipped, "spliced": spliced}


def mutants(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` broken versions, every kind in turn: its name and the bytes."""
    kinds = list(MUTATIONS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind, MUTATIONS[kind](data, np.random.default_rng([seed, number]))
