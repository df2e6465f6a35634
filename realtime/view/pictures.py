"""What an event looked like: its motion as fields that show no face and, where allowed, its key frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from realtime.faces.alignment import warp_together
from realtime.features.key_flow import key_frame_flows
from realtime.features.spec import FLOW_FACE_SIZE
from realtime.flow import GRID, remove_head
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y
from realtime.types import F32, U8, AlignedFace, KeyFrames, readonly

FIELD_SIZE = 32
"""Cells along a side of a motion field; the canonical face is that large."""
FIELD_NAMES = ("onset → apex", "apex → offset", "onset → offset")
FACE_NAMES = ("onset", "apex", "offset", "magnified")
_MAGNIFIED_TO = 10.0
"""Largest motion of a magnified frame, percent of the eye distance."""
_MOST_GAIN = 20.0
_QUALITY = 78


@dataclass(frozen=True, slots=True, eq=False)
class EventPictures:
    """Pictures of one event."""

    fields: F32
    """(3, 2, FIELD_SIZE, FIELD_SIZE): u, v between the key frames in the order of `FIELD_NAMES`, percent of
    the eye distance, head motion removed, on the canonical face."""
    faces: tuple[bytes, ...] = field(default=(), repr=False)
    """JPEG files of the canonical face in the order of `FACE_NAMES`; empty where faces are not shown."""
    gain: float = 1.0
    """How much larger the motion is in the magnified frame."""


def event_pictures(
    footage: Sequence[AlignedFace], keys: KeyFrames, *, show_faces: bool
) -> EventPictures | None:
    """Pictures of an event from the faces that were kept of it; None where a key frame is not among them."""
    at = {face.index: face for face in footage}
    chosen = [at.get(index) for index in (keys.onset_frame, keys.apex_frame, keys.offset_frame)]
    onset, apex, offset = chosen
    if onset is None or apex is None or offset is None:
        return None
    faces = warp_together((onset, apex, offset), FLOW_FACE_SIZE, like=apex)
    grey = np.stack([cv2.cvtColor(face, cv2.COLOR_BGR2GRAY) for face in faces])
    flows = np.stack([_without_head(field, apex.relief) for field in key_frame_flows(grey)])
    small = np.stack([[_resized(part, FIELD_SIZE) for part in field] for field in flows])
    if not show_faces:
        return EventPictures(readonly(small))
    gain = magnification(flows[0])
    shown = (*faces, magnified(faces[0], flows[0], gain))
    return EventPictures(readonly(small), tuple(map(_jpeg, shown)), gain)


def magnification(field: F32) -> float:
    """By how much to enlarge a motion so that it is seen and the face stays one, 1..20."""
    most = float(np.quantile(np.hypot(*field), 0.99))
    return float(np.clip(np.floor(_MAGNIFIED_TO / max(most, 1e-3)), 1.0, _MOST_GAIN))


def magnified(face: U8, field: F32, gain: float) -> U8:
    """A canonical face, (S, S, 3), moved `gain` times along a field (2, n, n) in percent of the eye distance.

    The Lagrangian way (Liu et al., "Motion magnification", 2005): the picture is warped, its colours stay.
    """
    size = face.shape[0]
    scale = np.array([EYE_DISTANCE, FACE_UNIT_Y], np.float32) * np.float32(gain * size / 100.0)
    u, v = (_resized(cv2.GaussianBlur(part, (0, 0), 1.0), size) for part in field)
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    moved = cv2.remap(
        face, x - scale[0] * u, y - scale[1] * v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, dtype=np.uint8)


def _without_head(field: F32, relief: F32) -> F32:
    """A flow field (2, S, S) less the head's own motion, as the spotter's flow has it taken out."""
    flow = np.stack([_resized(part, GRID).ravel() for part in field], axis=1).astype(np.float64)
    head = (flow - remove_head(flow, relief)[0]).T.reshape(2, GRID, GRID)
    size = field.shape[-1]
    return np.stack(
        [part - _resized(moved.astype(np.float32), size) for part, moved in zip(field, head, strict=True)]
    )


def _resized(part: F32, size: int) -> F32:
    shrinks = part.shape[0] > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (size, size), interpolation=method), dtype=np.float32)


def _jpeg(image: U8) -> bytes:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data)
