"""Synthetic identities by number: a portrait turned into many plausible faces, and painted faces.

Of the portrait, shape, complexion, hair, clothes, skin texture, light, sharpness and background change.
Numbers from `PAINTED_FROM` on are faces painted from nothing. None is a picture of another person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from offline.synthesis.base_face import ORIGIN_PX, SIZE_PX, UNIT_PX, load_base_face
from offline.synthesis.canonical import canonical_face
from offline.synthesis.face_shape import FaceShape, ShapeWarp, draw_shape, warp_shape
from offline.synthesis.painted_face import paint_face
from realtime.types import F32, F64, U8, readonly
from realtime.view.contours import INNER_LIPS, LOWER_LIDS, OVAL, UPPER_LIDS

PAINTED_FROM = 1_000_000
"""Number of the first identity that is painted instead of made from the portrait."""

Faces = Literal["portrait", "painted", "both"]

_EYES = [(*UPPER_LIDS[side], *LOWER_LIDS[side][-2:0:-1]) for side in ("left", "right")]


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A synthetic face at high resolution."""

    name: str
    """E.g. "identity-0007"."""
    image: U8
    """(960, 1000, 3) BGR, read-only: eyes level and `unit_px` apart around `origin_px`."""
    person: F32
    """(960, 1000) 0..1, read-only: how much of each pixel is the person."""
    backdrop: U8
    """(96, 128, 3) BGR, read-only: the background, to be enlarged to any picture."""
    lids: F64
    """(2, 2, 9, 2), read-only: left and right eye; upper and lower lid edge; points; x, y in face
    units, ordered by rising x."""
    unit_px: float = UNIT_PX
    origin_px: tuple[float, float] = ORIGIN_PX


def face_number(index: int, faces: Faces) -> int:
    """Number of the `index`-th identity of a kind; "both" takes portrait and painted ones in turn."""
    painted = faces == "painted" or (faces == "both" and index % 2 == 1)
    return PAINTED_FROM + index if painted else index


@lru_cache(maxsize=32)
def make_identity(number: int, face: Path | None = None) -> Identity:
    """Make identity `number` (>= 0); the same number gives the same face.

    Below `PAINTED_FROM` it is made from the portrait `face`, or the built-in one. Raises DataError where
    `face` is no picture or shows no face.
    """
    return _from_portrait(number, face) if number < PAINTED_FROM else _painted(number)


def _from_portrait(number: int, face: Path | None) -> Identity:
    base = load_base_face(face)
    rng = np.random.default_rng([number, 77])
    shape = draw_shape(rng)
    warp = warp_shape(shape, base.landmarks, SIZE_PX, np.array(ORIGIN_PX), UNIT_PX)
    image = _sample(base.image, warp)
    person = _sample(base.person, warp)
    painted = _paint(rng, image, _skin(image, warp, person), np.maximum(person - _openings(warp), 0.0))
    return Identity(
        name=f"identity-{number:04d}",
        image=readonly(np.clip(painted, 0, 255).astype(np.uint8)),
        person=readonly(np.clip(person, 0.0, 1.0).astype(np.float32)),
        backdrop=readonly(draw_backdrop(rng)),
        lids=readonly(_lids(warp, shape.mirrored)),
    )


def _painted(number: int) -> Identity:
    rng = np.random.default_rng([number, 78])
    face = paint_face(rng)
    shape = _draw_painted_shape(rng)
    warp = warp_shape(shape, canonical_face().landmarks, SIZE_PX, np.array(ORIGIN_PX), UNIT_PX)
    person = np.clip(_sample(face.person, warp), 0.0, 1.0)
    skin = np.clip(_fill(warp, OVAL) - _openings(warp), 0.0, 1.0)
    image = _sharpen(rng, _sample(face.image, warp)) * _light(rng)[..., None]
    image = image + (_texture(rng, skin) * 255.0 / 100.0)[..., None]
    return Identity(
        name=f"identity-{number:04d}",
        image=readonly(np.clip(image, 0, 255).astype(np.uint8)),
        person=readonly(person.astype(np.float32)),
        backdrop=readonly(draw_backdrop(rng)),
        lids=readonly(_lids(warp, shape.mirrored)),
    )


def _draw_painted_shape(rng: np.random.Generator) -> FaceShape:
    """As for the portrait, but from a mouth that is at rest already."""
    return replace(
        draw_shape(rng),
        mouth_width=float(rng.uniform(0.86, 1.16)),
        mouth_height=float(rng.uniform(-0.06, 0.06)),
        mouth_opening=float(rng.uniform(0.3, 1.4)),
        lip_thickness=float(rng.uniform(0.7, 1.6)),
        smile=float(rng.uniform(-0.03, 0.06)),
    )


def draw_backdrop(rng: np.random.Generator) -> U8:
    """A wall out of focus: (96, 128, 3) BGR."""
    colour = cv2.cvtColor(np.array([[_lab(rng)]], dtype=np.float32), cv2.COLOR_Lab2BGR)[0, 0] * 255.0
    clouds = sum(
        weight * cv2.resize(rng.normal(size=(rows, rows + 1)), (128, 96), interpolation=cv2.INTER_CUBIC)
        for rows, weight in ((3, 14.0), (6, 7.0), (20, 3.0))
    )
    wall = np.asarray(colour, np.float32) + np.asarray(clouds, np.float32)[..., None]
    return np.clip(wall, 0, 255).astype(np.uint8)


def _lab(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.uniform(30, 85)), float(rng.normal(0, 6)), float(rng.normal(2, 10))


def _sample(picture: U8 | F32, warp: ShapeWarp) -> F32:
    sampled = cv2.remap(picture, warp.map_x, warp.map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.float32)


def _skin(image: F32, warp: ShapeWarp, person: F32) -> F32:
    """How much of each pixel is bare skin, 0..1: near the colour of the cheeks, on or below the face."""
    lab = cv2.cvtColor(image / 255.0, cv2.COLOR_BGR2Lab)
    face = _fill(warp, OVAL)
    inside = lab[face > 0.5]
    likely = inside[inside[:, 0] > np.median(inside[:, 0]) - 15.0]
    difference = (lab - np.median(likely, axis=0)) / (25.0, 7.0, 8.0)
    shine = np.where((difference[..., 0] > 0.0) & (face > 0.5), 0.3, 1.0)[..., None]
    distance = np.sum((shine * difference) ** 2, axis=-1)
    neck = cv2.warpAffine(face, np.array([[0.8, 0, 0.2 * ORIGIN_PX[0]], [0, 1, 0.7 * UNIT_PX]]), SIZE_PX)
    near = np.maximum(face, cv2.GaussianBlur(np.maximum(face, neck), (0, 0), 0.2 * UNIT_PX))
    skin = np.exp(-0.12 * distance) * np.minimum(1.5 * near, 1.0) * person
    for outline in (*_EYES, INNER_LIPS):
        skin *= 1.0 - _fill(warp, outline)
    return np.asarray(cv2.GaussianBlur(skin, (0, 0), 2.0), np.float32)


def _openings(warp: ShapeWarp) -> F32:
    """1 on the eyes and between the lips, where neither skin nor hair shows: (960, 1000)."""
    filled = sum(_fill(warp, outline) for outline in (*_EYES, INNER_LIPS))
    widened = cv2.dilate(np.asarray(filled, np.float32), np.ones((9, 9), np.uint8))
    return np.asarray(cv2.GaussianBlur(widened, (0, 0), 2.0), np.float32)


def _fill(warp: ShapeWarp, outline: Sequence[int]) -> F32:
    """1 inside an outline of landmarks, 0 outside: (960, 1000)."""
    mask = np.zeros(SIZE_PX[::-1], dtype=np.uint8)
    corners = warp.landmarks[list(outline)] * UNIT_PX + ORIGIN_PX
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], (1.0,))
    return mask.astype(np.float32)


def _paint(rng: np.random.Generator, image: F32, skin: F32, around: F32) -> F32:
    sharpened = _sharpen(rng, image)
    lab = cv2.cvtColor(np.clip(sharpened, 0, 255) / 255.0, cv2.COLOR_BGR2Lab)
    lab = _colour_skin(rng, np.asarray(lab, np.float32), skin)
    lab = _colour_rest(rng, lab, np.clip(around - skin, 0.0, 1.0))
    lab[..., 0] = np.clip(lab[..., 0] * _light(rng), 0.0, 100.0)
    painted = np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR), dtype=np.float32) * 255.0
    return painted + (_texture(rng, skin) * 255.0 / 100.0)[..., None]


def _sharpen(rng: np.random.Generator, image: F32) -> F32:
    soft = cv2.GaussianBlur(image, (0, 0), 2.5)
    return np.asarray(image + float(rng.uniform(0.0, 1.2)) * (image - soft), dtype=np.float32)


def _colour_skin(rng: np.random.Generator, lab: F32, skin: F32) -> F32:
    """Move the complexion between fair and dark, with the contrast of the features kept."""
    tone = float(rng.beta(1.2, 1.6))
    gain = 1.04 - 0.5 * tone
    target = lab * np.array([gain, 1.0, 1.0], dtype=np.float32)
    target[..., 1] += float(rng.normal(0.0, 2.0)) + 2.0 * tone
    target[..., 2] += float(rng.normal(0.0, 2.5)) + 4.0 * tone
    weight = np.minimum(skin * 1.3, 1.0)[..., None]
    # Teeth, eyes and lips darken with the skin, but less, so that no pale seam is left around them.
    lab = lab * (1.0 - np.array([0.35 * (1.0 - gain), 0.0, 0.0], dtype=np.float32) * _spread(skin)[..., None])
    return np.asarray(lab + weight * (target - lab), dtype=np.float32)


def _spread(skin: F32) -> F32:
    return np.clip(cv2.GaussianBlur(skin, (0, 0), 0.3 * UNIT_PX) * 2.0, 0.0, 1.0)


def _colour_rest(rng: np.random.Generator, lab: F32, rest: F32) -> F32:
    """Hair above the chin gets another colour, clothes below it another hue."""
    rows = (np.arange(lab.shape[0], dtype=np.float32) - ORIGIN_PX[1]) / UNIT_PX
    clothes = rest * np.clip((rows - 1.3) / 0.5, 0.0, 1.0)[:, None]
    hair = rest * np.clip((1.5 - rows) / 0.5, 0.0, 1.0)[:, None]
    lightness, chroma = float(rng.uniform(0.3, 1.15)), float(rng.uniform(0.3, 1.2))
    dyed = lab * np.array([lightness, chroma, chroma], dtype=np.float32)
    angle, fade = float(rng.uniform(0.0, 2.0 * np.pi)), float(rng.uniform(0.1, 0.7))
    turn = fade * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.float32
    )
    redone = np.concatenate([lab[..., :1] * float(rng.uniform(0.5, 1.1)), lab[..., 1:] @ turn.T], axis=-1)
    lab = lab + hair[..., None] * (dyed - lab)
    return np.asarray(lab + clothes[..., None] * (redone - lab), dtype=np.float32)


def _light(rng: np.random.Generator) -> F32:
    """A smooth lamp: a factor around 1 for each pixel."""
    coarse = 1.0 + 0.06 * rng.normal(size=(3, 3))
    slope = 0.12 * float(rng.normal()) * np.linspace(-1.0, 1.0, 3)
    lamp = cv2.resize(coarse + slope, SIZE_PX, interpolation=cv2.INTER_CUBIC)
    return np.clip(lamp * float(rng.uniform(0.95, 1.15)), 0.6, 1.35).astype(np.float32)


def _texture(rng: np.random.Generator, skin: F32) -> F32:
    """Pores, blotches and freckles, in percent of the full lightness."""
    height, width = skin.shape
    fine = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 1.2) * 4.0
    blotch = cv2.resize(rng.normal(size=(height // 12, width // 12)).astype(np.float32), (width, height))
    texture = float(rng.uniform(0.5, 1.4)) * fine + float(rng.uniform(0.3, 1.0)) * blotch
    return np.asarray((texture - _freckles(rng, skin.shape)) * skin, dtype=np.float32)


def _freckles(rng: np.random.Generator, shape: tuple[int, ...]) -> F32:
    spots = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.integers(0, 90))):
        x, y = rng.normal(0.0, 0.55), rng.normal(0.45, 0.4)
        centre = (int(x * UNIT_PX + ORIGIN_PX[0]), int(y * UNIT_PX + ORIGIN_PX[1]))
        cv2.circle(spots, centre, int(rng.integers(1, 3)), (float(rng.uniform(4.0, 16.0)),), -1)
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), 1.2), dtype=np.float32)


def _lids(warp: ShapeWarp, mirrored: bool) -> F64:
    sides = ("right", "left") if mirrored else ("left", "right")
    edges = [[warp.landmarks[list(group[side])] for group in (UPPER_LIDS, LOWER_LIDS)] for side in sides]
    return np.array([[edge[np.argsort(edge[:, 0])] for edge in eye] for eye in edges])
