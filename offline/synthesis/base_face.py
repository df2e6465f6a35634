"""The photo behind the synthetic identities: found, levelled and cut free of its background.

Without a photo of the user's own this is `skimage.data.astronaut()`, a public-domain portrait by NASA
that the scikit-image wheel carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from realtime.errors import DataError
from realtime.faces.landmarks import eye_centres
from realtime.faces.mesh import FaceMesh, load_mediapipe, quiet_stderr
from realtime.types import F32, F64, U8, readonly

UNIT_PX = 120.0
"""Pixels per face unit of the levelled portrait."""
ORIGIN_PX = (500.0, 300.0)
"""Midpoint between the eyes in the levelled portrait."""
SIZE_PX = (1000, 960)
"""Width and height of the levelled portrait."""


@dataclass(frozen=True, slots=True, eq=False)
class BaseFace:
    """A levelled portrait and its landmarks."""

    image: U8
    """(960, 1000, 3) BGR, read-only: eyes level, `UNIT_PX` apart, their midpoint at `ORIGIN_PX`."""
    person: F32
    """(960, 1000) 0..1, read-only: how much of each pixel is the person."""
    landmarks: F64
    """(468, 2), read-only: mediapipe's face mesh in face units."""
    depth: F64
    """(468,), read-only: how far each landmark stands out, as the mesh estimates it, face units."""


@lru_cache(maxsize=4)
def load_base_face(path: Path | None = None) -> BaseFace:
    """Load a portrait and level it; None takes the one that scikit-image carries.

    Raises DataError where the file is no picture or shows no face.
    """
    photo = _read_photo(path)
    name = str(path) if path else "the built-in portrait"
    landmarks = _find_landmarks(photo, name)
    to_base = _levelling(landmarks)
    warped = cv2.warpAffine(
        photo, to_base, SIZE_PX, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )
    image = np.asarray(warped, dtype=np.uint8)
    levelled = landmarks[:, :2] @ to_base[:, :2].T + to_base[:, 2]
    units = (levelled - ORIGIN_PX) / UNIT_PX
    depth = landmarks[:, 2] * -np.hypot(*to_base[0, :2]) / UNIT_PX
    return BaseFace(readonly(image), readonly(_find_person(image)), readonly(units), readonly(depth))


def _read_photo(path: Path | None) -> U8:
    if path is None:
        portrait: U8 = skimage.data.astronaut()  # type: ignore[no-untyped-call]
        return np.ascontiguousarray(portrait[:, :, ::-1])
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if photo is None:
        raise DataError(f"cannot read {path} as a picture: give a JPEG or PNG of one face")
    return np.asarray(photo, dtype=np.uint8)


def _find_landmarks(photo: U8, name: str) -> F64:
    """Face mesh (468, 3) in pixels of the photo; the face is enlarged first, so that it is precise."""
    coarse = _mesh(photo)
    if coarse is None:
        raise DataError(f"no face found in {name}: give a frontal portrait with the face well visible")
    low, high = coarse[:, :2].min(axis=0), coarse[:, :2].max(axis=0)
    margin = 0.5 * (high - low)
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = (high + margin).astype(int)
    crop = photo[top:bottom, left:right]
    scale = max(1.0, 640.0 / max(crop.shape[:2]))
    enlarged = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
    fine = _mesh(np.asarray(enlarged, dtype=np.uint8))
    return coarse if fine is None else fine / scale + (left, top, 0.0)


def _mesh(image: U8) -> F64 | None:
    mesh = FaceMesh(0.5)
    try:
        points = mesh.landmarks(image)
    finally:
        mesh.close()
    return None if points is None else points.astype(np.float64)


def _levelling(landmarks: F64) -> F64:
    """Similarity (2, 3) from the photo to the levelled portrait."""
    left, right = eye_centres(landmarks[:, :2])
    along = (left - right) / np.hypot(*(left - right)) ** 2 * UNIT_PX
    linear = np.array([[along[0], along[1]], [-along[1], along[0]]])
    shift = np.array(ORIGIN_PX) - linear @ ((left + right) / 2)
    return np.column_stack([linear, shift])


def _find_person(image: U8) -> F32:
    solution = load_mediapipe().selfie_segmentation
    with quiet_stderr(), solution.SelfieSegmentation(model_selection=0) as segmentation:
        mask = segmentation.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).segmentation_mask
    steep = np.clip((np.asarray(mask, dtype=np.float32) - 0.5) / 0.4, 0.0, 1.0)
    return np.asarray(cv2.GaussianBlur(steep, (0, 0), 1.5), dtype=np.float32)
