"""What can happen to a stream between the face and the detector: each is a source over a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from offline.synthesis.truth import Confounder, Truth
from realtime.types import U8, Frame, FrameSource, StreamInfo, Unreadable, readonly

AWAY_S = (0.4, 1.6)
"""How long a face takes to leave the picture or to come back, and the whole of its absence, s."""


class Modified:
    """A source whose frames pass through `change`; the base does nothing."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    @property
    def info(self) -> StreamInfo:
        return self._source.info

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        for frame in self._source:
            yield from self.change(frame) if isinstance(frame, Frame) else (frame,)

    def __enter__(self) -> FrameSource:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        """What becomes of one frame."""
        return (frame,)


class Dropped(Modified):
    """Bursts of one to five frames are missing: `share` of all frames."""

    def __init__(self, source: FrameSource, seed: int, share: float = 0.05) -> None:
        super().__init__(source)
        self._rng = np.random.default_rng([seed, 21])
        self._share = share
        self._left = 0

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        if self._left == 0 and self._rng.random() < self._share / 3.0:
            self._left = int(self._rng.integers(1, 6))
        if self._left:
            self._left -= 1
            return ()
        return (frame,)


class VariableRate(Modified):
    """The camera takes one frame for every one to four of the stream, at random: the times stay true."""

    def __init__(self, source: FrameSource, seed: int) -> None:
        super().__init__(source)
        self._rng = np.random.default_rng([seed, 22])
        self._skip = 0

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        if self._skip:
            self._skip -= 1
            return ()
        self._skip = int(self._rng.integers(0, 4))
        return (frame,)


class Compressed(Modified):
    """Every frame as a JPEG of this quality, as network cameras send it."""

    def __init__(self, source: FrameSource, quality: int = 60) -> None:
        super().__init__(source)
        self._quality = quality

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        return (_with(frame, np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)),)


class Lit(Modified):
    """Light of `level`, flickering at `flicker_hz` by `flicker`, with the noise that little light brings."""

    def __init__(
        self,
        source: FrameSource,
        seed: int,
        *,
        level: float = 1.0,
        flicker: float = 0.0,
        flicker_hz: float = 7.3,
        noise: float = 0.0,
    ) -> None:
        super().__init__(source)
        self._rng = np.random.default_rng([seed, 23])
        self._level, self._flicker, self._flicker_hz, self._noise = level, flicker, flicker_hz, noise

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        swing = 1.0 + self._flicker * float(np.sin(2.0 * np.pi * self._flicker_hz * frame.time_s))
        image = frame.image.astype(np.float32) * (self._level * swing)
        if self._noise:
            image += self._rng.standard_normal(image.shape, dtype=np.float32) * self._noise
        return (_with(frame, np.clip(image + 0.5, 0, 255).astype(np.uint8)),)


class Leaving(Modified):
    """The face leaves the picture to the side, stays away, and comes back: in the longest quiet time."""

    def __init__(self, source: FrameSource, truth: Truth) -> None:
        super().__init__(source)
        self._from_s = _longest_gap(truth) - AWAY_S[1] / 2.0
        self.truth = replace(
            truth,
            confounders=(*truth.confounders, Confounder("away", self._from_s, self._from_s + AWAY_S[1])),
        )

    def change(self, frame: Frame) -> tuple[Frame | Unreadable, ...]:
        since_s, (move_s, whole_s) = frame.time_s - self._from_s, AWAY_S
        share = float(np.clip(min(since_s, whole_s - since_s) / move_s, 0.0, 1.0))
        if share == 0.0:
            return (frame,)
        height, width = frame.image.shape[:2]
        shift = np.array([[1.0, 0.0, share * 1.2 * width], [0.0, 1.0, 0.0]])
        moved = cv2.warpAffine(frame.image, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return (_with(frame, np.asarray(moved, np.uint8)),)


class SideBySide:
    """Two streams of one rate and length in one picture, as two people before one camera."""

    def __init__(self, left: FrameSource, right: FrameSource) -> None:
        self._sources = (left, right)
        self.info = replace(left.info, width=left.info.width + right.info.width)

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        for a, b in zip(*self._sources, strict=True):
            assert isinstance(a, Frame)
            assert isinstance(b, Frame)
            yield _with(a, np.hstack([a.image, b.image]))

    def __enter__(self) -> FrameSource:
        for source in self._sources:
            source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        for source in self._sources:
            source.__exit__(*exc)


def _with(frame: Frame, image: U8) -> Frame:
    return Frame(frame.index, frame.time_s, readonly(image))


def _longest_gap(truth: Truth) -> float:
    """Middle of the longest time between two events."""
    edges = [0.5, *(t for e in truth.events for t in (e.onset_s, e.offset_s)), truth.frames / truth.fps]
    gaps = [(end - start, (start + end) / 2.0) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return max(gaps)[1]
