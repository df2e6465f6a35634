"""What several methods see of a movement."""

from __future__ import annotations

import cv2
import numpy as np

from offline.samples import SampleSet
from realtime.features.normalise import normalise_flow
from realtime.types import F32

MAPS = ("u", "v", "strain")
"""What `onset_apex_maps` gives, in order."""
_STILL = 1e-6


def onset_apex_maps(samples: SampleSet) -> F32:
    """Normalised flow onset→apex with its strain at full resolution.

    u and v lose their medians and are divided by their joint RMS; the strain, of the flow as it is
    measured, is divided by its own RMS.

    Returns:
        float32 (n, 3, 64, 64): u, v, optical strain; zeros where nothing moves.
    """
    return normalise_flow(samples.flows[:, 0])


def averaged(maps: F32, size: int) -> F32:
    """Area average of float32 (n, c, S, S) on a grid: float32 (n, c, size, size)."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    small = np.stack([cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) for part in flat])
    return np.asarray(small, dtype=np.float32).reshape(*maps.shape[:2], size, size)


def grey_key_frames(samples: SampleSet) -> F32:
    """Grey levels 0..255 of the key frames (ITU-R BT.601 luma): float32 (n, 3, 64, 64)."""
    frames = samples.frames[samples.frame_rows]
    luma = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(frames.astype(np.float32) @ luma, dtype=np.float32)


def interpolated_clips(samples: SampleSet, frames: int, size: int) -> F32:
    """A movement as a short clip: key frames, onset taken away, with the frames between them filled in.

    The time axis is stretched so that the apex lies halfway; frames in between are linear blends. What
    is left after the onset is taken away is divided by its own RMS.

    Args:
        samples: n samples with key frames.
        frames: length of the clip, 3 or more.
        size: pixels; width and height, frames are averaged down to it.

    Returns:
        float32 (n, 1, frames, size, size); zeros where nothing changes.
    """
    grey = averaged(grey_key_frames(samples), size)
    grey = grey - grey[:, :1]
    position = np.linspace(0.0, 2.0, frames, dtype=np.float32)
    weights = np.maximum(1.0 - np.abs(position[:, None] - np.arange(3, dtype=np.float32)), 0.0)
    clips = np.einsum("tk,nkyx->ntyx", weights, grey)
    rms = np.sqrt(np.mean(np.square(clips), axis=(1, 2, 3), keepdims=True, dtype=np.float64))
    return np.asarray(clips / np.where(rms > _STILL, rms, np.inf), dtype=np.float32)[:, None]
