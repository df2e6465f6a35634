"""Gates that keep bad evidence out of the route: which frames and faces are not worth measuring.

Each gate gives a cause as it is counted in the summary's `skipped`, or None where all is well. All
windows are in stream time, and every decision rests on the past alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np

from realtime.errors import ConfigError
from realtime.faces.alignment import warp
from realtime.geometry import EYE_ROW
from realtime.types import F32, U8, AlignedFace, Frame


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """Limits of the gates."""

    frozen_after_s: float = 0.1
    """A picture that has not changed for longer than this is frozen, s."""
    frozen_frames: int = 3
    """Identical frames in a row, the first one counted, that a frozen stream has at least."""
    black_below: float = 8.0
    """Mean grey level, 0..255, below which a flat frame is black."""
    black_deviation: float = 4.0
    """Standard deviation of the grey level, 0..255, up to which a dark frame counts as flat."""
    min_eye_distance_px: float = 16.0
    """Smallest distance between the eye centres, pixels of the frame."""
    max_yaw_deg: float = 35.0
    """Largest turn to either side, degrees."""
    max_pitch_deg: float = 30.0
    """Largest tilt up or down, degrees."""
    dark_below: float = 25.0
    """Median grey level of the face, 0..255, below which it is dark."""
    saturated_above: float = 250.0
    """Grey level, 0..255, from which a pixel counts as blown out."""
    saturated_share: float = 0.35
    """Share of blown-out pixels, 0..1, above which a face is saturated."""
    blur_ratio: float = 0.35
    """Sharpness along an axis over the stream's own running level below which a face is blurred, 0..1.
    In webcam recordings single frames fall to 0.47; a smear of a sixth of the eye distance gives 0.25."""
    blur_memory_s: float = 2.0
    """Time constant of that running level, s."""
    blur_warm_up_s: float = 0.25
    """Time from the first face during which none is called blurred, s."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a limit out of its range."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"quality.{name} must be a finite number of at least 0, not {value}")
            if name in ("saturated_share", "blur_ratio") and value > 1:
                raise ConfigError(f"quality.{name} must lie between 0 and 1, not {value}")
            if name in ("blur_memory_s", "blur_warm_up_s") and value == 0:
                raise ConfigError(f"quality.{name} must be above 0")


_STRIDE = 4


class FrameGate:
    """Finds frames that carry no new picture: frozen or black ones."""

    def __init__(self, config: QualityConfig | None = None) -> None:
        self._config = config or QualityConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the same as a new gate."""
        self._digest: int | None = None
        self._since_s = 0.0
        self._repeats = 0

    def push(self, frame: Frame) -> str | None:
        """Give "black", "frozen", or None for a frame that can be used.

        A camera that hangs repeats its picture bit by bit; a single repeat is normal where a stream was
        brought to a higher rate, so a run of `frozen_frames` that spans `frozen_after_s` is asked for.
        Looked at is the green channel, every 4th pixel of every 4th row.
        """
        sample = np.ascontiguousarray(frame.image[::_STRIDE, ::_STRIDE, 1])
        frozen = self._is_frozen(crc32(sample.data), frame.time_s)
        if self._is_black(sample):
            return "black"
        return "frozen" if frozen else None

    def _is_frozen(self, digest: int, time_s: float) -> bool:
        if digest != self._digest:
            self._digest, self._since_s, self._repeats = digest, time_s, 1
            return False
        self._repeats += 1
        config = self._config
        return self._repeats >= config.frozen_frames and time_s - self._since_s > config.frozen_after_s + 1e-6

    def _is_black(self, sample: U8) -> bool:
        mean, deviation = cv2.meanStdDev(sample)
        config = self._config
        return float(mean[0, 0]) < config.black_below and float(deviation[0, 0]) <= config.black_deviation


class FaceGate:
    """Finds faces that are seen too badly to measure motion of tenths of a pixel on them."""

    def __init__(self, config: QualityConfig | None = None) -> None:
        self._config = config or QualityConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the same as a new gate."""
        self._first_s: float | None = None
        self._last_s = 0.0
        self._levels = (0.0, 0.0)

    def push(self, face: AlignedFace) -> str | None:
        """Give "small_face", "turned_away", "dark", "saturated", "blurred", or None for a good face.

        Blur is judged against the running level of the same stream, so that a soft camera is not
        refused as a whole; faces refused for another cause leave that level alone.
        """
        config, pose = self._config, face.pose
        if not pose.eye_distance_px >= config.min_eye_distance_px:
            return "small_face"
        if not (abs(pose.yaw_deg) <= config.max_yaw_deg and abs(pose.pitch_deg) <= config.max_pitch_deg):
            return "turned_away"
        grey = warp(face, _SIDE)
        if 2 * np.count_nonzero(grey < config.dark_below) > grey.size:
            return "dark"
        if np.count_nonzero(grey >= config.saturated_above) > config.saturated_share * grey.size:
            return "saturated"
        return "blurred" if self._is_blurred(sharpness(grey), face.time_s) else None

    def _is_blurred(self, values: tuple[float, float], time_s: float) -> bool:
        if self._first_s is None:
            self._first_s, self._last_s, self._levels = time_s, time_s, values
            return False
        config, levels = self._config, self._levels
        settled = time_s - self._first_s >= config.blur_warm_up_s - 1e-6
        memory_s = config.blur_memory_s if settled else config.blur_warm_up_s
        weight = 1.0 - math.exp(round(self._last_s - time_s, 6) / memory_s)
        self._levels = (
            levels[0] + weight * (values[0] - levels[0]),
            levels[1] + weight * (values[1] - levels[1]),
        )
        self._last_s = time_s
        limit = config.blur_ratio
        return settled and (values[0] < limit * levels[0] or values[1] < limit * levels[1])


_SIDE = 64
_STEP = 2
_NOISE = 4.0
"""Added to the variance in grey levels², so that a featureless face does not count as sharp."""


def sharpness(grey: U8) -> tuple[float, float]:
    """Sharpness of a canonical face in grey, shape (64, 64), along x and along y; no unit, > 0.

    Mean square of the second difference over two pixels, over the variance of the grey level: the sum
    of the modified Laplacian (Nayar and Nakagawa, "Shape from focus", IEEE TPAMI 16(8), 1994) with its
    axes kept apart, since motion blurs along one of them, and divided by the contrast. Rows above the
    brows do not count: hair is sharp where a face is not.
    """
    rows = grey[int((EYE_ROW - 0.1) * grey.shape[0]) :].astype(np.float32)
    variance = float(cv2.meanStdDev(rows)[1][0, 0]) ** 2 + _NOISE
    twice = 2.0 * rows
    along_x = rows[:, 2 * _STEP :] - twice[:, _STEP:-_STEP] + rows[:, : -2 * _STEP]
    along_y = rows[2 * _STEP :] - twice[_STEP:-_STEP] + rows[: -2 * _STEP]
    return _mean_square(along_x) / variance, _mean_square(along_y) / variance


def _mean_square(values: F32) -> float:
    flat = values.ravel()
    return float(flat @ flat) / flat.size
