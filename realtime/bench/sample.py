"""A stream of the benchmark's own: one face that breathes and sways, with micro-expressions, 640×480.

The face is the public-domain portrait that scikit-image carries, enlarged to about 190 px. Now and then it
lifts the mouth's corners or the brows by about 1 px for a quarter of a second. The stream ends as it begins,
so that it can be repeated without a seam. It is encoded as H.264, at 30 frames a second about 1 Mbit/s as of
an IP camera, or as MPEG-4 (part 2) where FFmpeg was built without x264: so decoding costs what it costs with
a film.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from realtime.errors import OutputError
from realtime.types import F32, U8

WIDTH, HEIGHT = 640, 480
PERIOD_S = 6.0
"""Length of the stream."""
_SCALE = 2.1
_CENTRE = (224.0, 128.0)
_NOISE_SIGMA = 2.0
_MARGIN = 24
_CODECS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("libx264", "H.264", {"preset": "veryfast", "crf": "16"}),
    ("mpeg4", "MPEG-4", {"b": "4M"}),
)
"""FFmpeg's name, the standard's, and the encoder's settings; the first that FFmpeg can write is taken."""
_Bump = tuple[float, float, float, float, float]
"""x, y of the portrait, reach, and displacement to the right and down at its middle; pixels of the stream."""
_SMILE: tuple[_Bump, ...] = (
    (244.0, 141.0, 19.0, 0.9, -0.8),
    (203.0, 139.0, 19.0, -0.9, -0.8),
    (248.0, 126.0, 22.0, 0.3, -0.5),
    (199.0, 124.0, 22.0, -0.3, -0.5),
)
_BROWS: tuple[_Bump, ...] = (
    (234.0, 88.0, 24.0, 0.0, -0.9),
    (255.0, 88.0, 24.0, 0.0, -0.9),
    (216.0, 88.0, 24.0, 0.0, -0.9),
    (198.0, 87.0, 24.0, 0.0, -0.9),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """One micro-expression of the stream."""

    onset_s: float
    apex_s: float
    offset_s: float
    bumps: tuple[_Bump, ...]

    def level(self, time_s: float) -> float:
        """Share of the whole movement, 0..1: it eases in and out (a raised cosine each)."""
        if not self.onset_s < time_s < self.offset_s:
            return 0.0
        rising = time_s < self.apex_s
        share = (
            (time_s - self.onset_s) / (self.apex_s - self.onset_s)
            if rising
            else (self.offset_s - time_s) / (self.offset_s - self.apex_s)
        )
        return 0.5 - 0.5 * math.cos(math.pi * share)


EXPRESSIONS = tuple(
    Expression(onset_s, onset_s + rise_s, onset_s + 2.1 * rise_s, bumps)
    for onset_s, rise_s, bumps in (
        (0.9, 0.12, _BROWS),
        (2.2, 0.13, _SMILE),
        (3.5, 0.14, _BROWS),
        (4.7, 0.12, _SMILE),
    )
)
"""What the stream shows; the first one begins within its first second."""


def pictures(fps: float, *, seconds: float = PERIOD_S, seed: int = 0) -> Iterator[U8]:
    """The frames, BGR uint8 (480, 640, 3)."""
    rng = np.random.default_rng(seed)
    portrait = _portrait()
    noise = _NOISE_SIGMA * rng.standard_normal((HEIGHT + 64, WIDTH + 64, 3))
    noise = np.asarray(np.rint(noise), dtype=np.int16)
    for number in range(round(seconds * fps)):
        time_s = number / fps
        moved = _moved(portrait, time_s)
        dy, dx = rng.integers(0, 64, 2)
        grain = noise[dy : dy + HEIGHT, dx : dx + WIDTH]
        yield np.asarray(cv2.add(moved, grain, dtype=cv2.CV_8U), dtype=np.uint8)


def write_sample(folder: Path, fps: float) -> tuple[Path, str]:
    """Write the stream into `folder`; gives the file and the name of its codec. Raises `OutputError`."""
    path = folder / "sample.mp4"
    for codec, name, options in _CODECS:
        # ValueError: FFmpeg lacks the codec, or its encoder
        with contextlib.suppress(av.FFmpegError, ValueError, OSError):
            _encode(path, fps, codec, options)
            return path, name
    raise OutputError(f"{path}: the benchmark's own stream cannot be encoded; name a SOURCE")


def _encode(path: Path, fps: float, codec: str, options: dict[str, object]) -> None:
    with av.open(os.fspath(path), "w") as film:
        rate = Fraction(fps).limit_denominator(10_000)
        stream = cast(av.VideoStream, film.add_stream(codec, rate=rate))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = options
        for image in pictures(fps):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        film.mux(stream.encode(None))


def _portrait() -> U8:
    """The enlarged portrait with a margin on every side, BGR."""
    import skimage.data

    photo = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    matrix = np.array(
        [
            [_SCALE, 0.0, WIDTH / 2 + _MARGIN - _SCALE * _CENTRE[0]],
            [0.0, _SCALE, HEIGHT / 2 + _MARGIN - _SCALE * _CENTRE[1]],
        ]
    )
    size = (WIDTH + 2 * _MARGIN, HEIGHT + 2 * _MARGIN)
    enlarged = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(enlarged, dtype=np.uint8)


def _moved(portrait: U8, time_s: float) -> U8:
    face = portrait
    for expression in EXPRESSIONS:
        level = expression.level(time_s)
        if level > 0.0:
            face = _expressed(portrait, expression.bumps, level)
    phase = 2.0 * math.pi * time_s / PERIOD_S
    sway_x, sway_y = 1.5 * math.sin(phase), 1.2 * math.sin(2 * phase + 0.7)
    breath = 0.6 * math.sin(2 * phase)
    roll = math.radians(0.5) * math.sin(phase + 1.0)
    c, s = math.cos(roll), math.sin(roll)
    x, y = WIDTH / 2, HEIGHT / 2
    shift = (
        x + sway_x - c * (x + _MARGIN) + s * (y + _MARGIN),
        y + sway_y + breath - s * (x + _MARGIN) - c * (y + _MARGIN),
    )
    matrix = np.array([[c, -s, shift[0]], [s, c, shift[1]]])
    warped = cv2.warpAffine(
        face, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, dtype=np.uint8)


def _expressed(portrait: U8, bumps: tuple[_Bump, ...], level: float) -> U8:
    """The portrait with the skin moved (backward mapping: a pixel comes from where it was)."""
    x, y = _grid()
    right, down = _displacement(bumps)
    share = np.float32(level)
    moved = cv2.remap(
        portrait, x - share * right, y - share * down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, dtype=np.uint8)


@lru_cache(maxsize=1)
def _grid() -> tuple[F32, F32]:
    columns, rows = (np.arange(side + 2 * _MARGIN, dtype=np.float32) for side in (WIDTH, HEIGHT))
    x, y = np.meshgrid(columns, rows)
    return x, y


@lru_cache(maxsize=4)
def _displacement(bumps: tuple[_Bump, ...]) -> tuple[F32, F32]:
    """How far each pixel of the enlarged portrait moves to the right and down."""
    x, y = _grid()
    right, down = np.zeros_like(x), np.zeros_like(y)
    for at_x, at_y, reach, by_x, by_y in bumps:
        centre_x = _SCALE * (at_x - _CENTRE[0]) + WIDTH / 2 + _MARGIN
        centre_y = _SCALE * (at_y - _CENTRE[1]) + HEIGHT / 2 + _MARGIN
        weight = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2.0 * reach**2))
        right += by_x * weight
        down += by_y * weight
    return right, down
