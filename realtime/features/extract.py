"""Evidence → the inputs of the network and the 96 handcrafted features."""

from __future__ import annotations

from collections.abc import Callable, Container

import cv2
import numpy as np

from realtime.features.action_units import action_unit_statistics
from realtime.features.flow_stats import flow_statistics
from realtime.features.hog import hog
from realtime.features.lbp_top import lbp_top
from realtime.features.normalise import normalise_flow
from realtime.features.spec import (
    EMPHASIS_COLUMNS,
    EMPHASIS_GAIN,
    EMPHASIS_ROWS,
    FACE_SIZE,
    HANDCRAFTED_BLOCKS,
    HANDCRAFTED_SIZE,
)
from realtime.types import F32, U8, KeyFrameEvidence


def network_frames(frames: U8) -> F32:
    """Key frames as the network sees them.

    Args:
        frames: uint8 (..., 64, 64, 3) RGB.

    Returns:
        float32 (..., 3, 64, 64), 0..1, and up to 1.3 in the AU 9 / AU 10 rectangle.
    """
    scaled = np.moveaxis(frames.astype(np.float32) / np.float32(255.0), -1, -3)
    out = np.ascontiguousarray(scaled)
    out[..., slice(*EMPHASIS_ROWS), slice(*EMPHASIS_COLUMNS)] *= np.float32(EMPHASIS_GAIN)
    return out


def network_input(evidence: KeyFrameEvidence) -> tuple[F32, F32]:
    """Inputs of the network for one movement; what is missing enters as zeros.

    Returns:
        frames: float32 (1, 3, 3, 64, 64): key frame, RGB, y, x (see `network_frames`).
        flows: float32 (1, 3, 3, 64, 64): field, normalised (u, v, strain), y, x.
    """
    if evidence.frames is None:
        frames = np.zeros((1, 3, 3, FACE_SIZE, FACE_SIZE), dtype=np.float32)
    else:
        frames = network_frames(evidence.frames)[None]
    return frames, normalise_flow(evidence.flows)[None]


def handcrafted(
    evidence: KeyFrameEvidence, normalised: F32 | None = None, blocks: Container[str] = HANDCRAFTED_BLOCKS
) -> F32:
    """The 96 handcrafted features, in the order of `FEATURE_NAMES[128:]`.

    Args:
        evidence: one movement.
        normalised: float32 (3, 64, 64), its field onset→apex as `network_input` gives it, where that is at
            hand.
        blocks: those that are wanted; the others stay NaN.

    Returns:
        float32 (96,); NaN in the blocks (LBP-TOP and HOG, or flow and AU) whose modality is missing.
    """
    vector = np.full(HANDCRAFTED_SIZE, np.nan, dtype=np.float32)
    measured: dict[str, Callable[[], F32]] = {}
    if evidence.frames is not None and ("lbp_top" in blocks or "hog" in blocks):
        volume = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in evidence.frames])
        measured |= {"lbp_top": lambda: lbp_top(volume), "hog": lambda: hog(volume)}
    onset_apex = evidence.flows[0]
    if np.isfinite(onset_apex).all():
        field = normalise_flow(onset_apex) if normalised is None else normalised
        measured |= {"flow": lambda: flow_statistics(field), "au": lambda: action_unit_statistics(field)}
    for name, measure in measured.items():
        if name in blocks:
            vector[HANDCRAFTED_BLOCKS[name]] = measure()
    return vector
