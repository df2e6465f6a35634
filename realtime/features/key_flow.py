"""From three canonical faces to the evidence that the recogniser sees."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.faces.alignment import warp_together
from realtime.features.spec import FACE_SIZE, FLOW_FACE_SIZE, FLOW_LOOKS
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y
from realtime.grid_flow import grid_flow
from realtime.types import F32, U8, AlignedFace, KeyFrameEvidence, readonly

FIELDS = ((0, 1), (1, 2), (0, 2))
"""Key frames between which the flow is measured: onset→apex, apex→offset, onset→offset."""


def _resized(image: NDArray[Any], size: int) -> NDArray[Any]:
    if image.shape[0] == size == image.shape[1]:
        return image
    shrinks = image.shape[0] > size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def key_frame_flows(faces_grey: U8) -> F32:
    """Flow between the key frames on the canonical face (`realtime.grid_flow`).

    Args:
        faces_grey: uint8 (3, S, S): onset, apex, offset, all cut out by ONE common transform. Measured at
            S = 128; other sizes are resampled to that first.

    Returns:
        float32 (3, 2, 64, 64): u, v of onset→apex, apex→offset and onset→offset, in percent of the eye
        distance (both directions in the same unit).
    """
    faces = [_resized(face, FLOW_FACE_SIZE) for face in faces_grey]
    flows = np.stack([grid_flow(faces[i], faces[j], FACE_SIZE, *FLOW_LOOKS) for i, j in FIELDS])
    to_percent = 100.0 / (FLOW_FACE_SIZE * np.array([EYE_DISTANCE, FACE_UNIT_Y], dtype=np.float32))
    return flows * to_percent[:, None, None]


def evidence_of(onset: AlignedFace, apex: AlignedFace, offset: AlignedFace) -> KeyFrameEvidence:
    """Evidence of one movement from its key frames, all three cut out by the apex's transform."""
    return evidence_from_faces(warp_together((onset, apex, offset), FLOW_FACE_SIZE, like=apex))


def evidence_from_faces(faces_bgr: U8) -> KeyFrameEvidence:
    """Evidence of one movement from its three aligned key frames.

    Args:
        faces_bgr: uint8 (3, S, S, 3) BGR: onset, apex, offset, all cut out by ONE common transform;
            S >= 64, best 128.

    Returns:
        Frames as RGB 64×64 and the three flow fields; both read-only.
    """
    grey = np.stack([cv2.cvtColor(face, cv2.COLOR_BGR2GRAY) for face in faces_bgr])
    rgb = np.stack([_resized(cv2.cvtColor(face, cv2.COLOR_BGR2RGB), FACE_SIZE) for face in faces_bgr])
    return KeyFrameEvidence(frames=readonly(rgb), flows=readonly(key_frame_flows(grey)))
