"""Faces painted from nothing on the canonical mesh: skin, hair, neck and clothes, and what is on the skin.

No photo goes into them; a portrait only gave the mesh (see `canonical`). Nothing about them is measured on
people: shares of tones, beards and lines are chosen to vary, not to match a population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from offline.synthesis.canonical import canonical_face
from offline.synthesis.canvas import Canvas, Colour, area, ellipse, grain, unit_grid
from offline.synthesis.painted_features import Looks, paint_features
from realtime.types import F32
from realtime.view.contours import OVAL

BALD_SHARE = 0.12
BEARD_SHARE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class PaintedFace:
    """A face on the canonical mesh, laid out like `base_face.BaseFace`."""

    image: F32
    """(960, 1000, 3) BGR 0..255."""
    person: F32
    """(960, 1000) 0..1: how much of each pixel is the person."""


def paint_face(rng: np.random.Generator) -> PaintedFace:
    """Draw and paint one face; the same state of `rng` gives the same one."""
    looks = _draw_looks(rng)
    points = canonical_face().landmarks
    canvas = Canvas(looks.skin)
    neck, head = _neck(), _head()
    _light_skin(rng, canvas)
    canvas.shade(neck * (1.0 - area(points[list(OVAL)], 0.06)) * _below_chin(), -rng.uniform(10.0, 20.0))
    _blush(rng, canvas)
    paint_features(rng, canvas, points, looks)
    hair = _paint_hair(rng, canvas, looks, head)
    clothes = _paint_clothes(rng, canvas)
    person = np.clip(head + neck + hair + clothes + _ears(), 0.0, 1.0).astype(np.float32)
    return PaintedFace(np.clip(canvas.bgr(), 0.0, 255.0), person)


def _draw_looks(rng: np.random.Generator) -> Looks:
    tone = float(rng.beta(1.3, 1.6))
    skin: Colour = (
        82.0 - 52.0 * tone,
        9.0 + 4.0 * np.sin(np.pi * tone) + float(rng.normal(0.0, 2.0)),
        15.0 + 7.0 * np.sin(np.pi * tone) + float(rng.normal(0.0, 2.5)),
    )
    fair = float(rng.beta(0.7, 2.2)) * (1.0 - 0.7 * tone)
    grey = float(rng.random() < 0.2)
    hair: Colour = (
        10.0 + 50.0 * max(fair, 0.8 * grey * float(rng.random())),
        (1.0 - grey) * float(rng.uniform(1.0, 10.0)),
        (1.0 - grey) * float(rng.uniform(2.0, 10.0)) + 22.0 * fair * (1.0 - grey),
    )
    beard = float(rng.uniform(0.12, 0.95)) if rng.random() < BEARD_SHARE else 0.0
    return Looks(skin, hair, float(rng.beta(1.0, 2.5)), beard)


def _light_skin(rng: np.random.Generator, canvas: Canvas) -> None:
    """Diffuse light of one lamp on the head's surface (Lambert), and its sheen."""
    normals = canonical_face().normals
    lamp = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.8, -0.1), 1.0], dtype=np.float32)
    lamp /= np.linalg.norm(lamp)
    diffuse = np.clip(normals @ lamp, 0.0, 1.0)
    ambient = float(rng.uniform(0.45, 0.7))
    canvas.lab[..., 0] *= ambient + (1.08 - ambient) * diffuse
    half = lamp + np.array([0.0, 0.0, 1.0], dtype=np.float32)
    sheen = np.clip(normals @ (half / np.linalg.norm(half)), 0.0, 1.0) ** rng.uniform(20.0, 60.0)
    canvas.shade(np.asarray(sheen, np.float32), float(rng.uniform(0.0, 9.0)))


def _blush(rng: np.random.Generator, canvas: Canvas) -> None:
    """Redder cheeks and nose, blotches, moles."""
    strength = float(rng.uniform(0.0, 7.0))
    for x, y, size in ((0.55, 0.45, 0.2), (-0.55, 0.45, 0.2), (0.0, 0.55, 0.1)):
        canvas.lab[..., 1] += strength * ellipse(x, y, size, size, 0.12)
    canvas.shade(grain(rng, 14.0, 14.0), float(rng.uniform(0.4, 1.6)))
    canvas.shade(grain(rng, 4.0, 4.0), float(rng.uniform(0.7, 2.0)))
    canvas.lab[..., 1] += float(rng.uniform(0.3, 1.3)) * grain(rng, 9.0, 9.0)
    for _ in range(int(rng.integers(0, 6))):
        size = float(rng.uniform(0.007, 0.018))
        mole = ellipse(float(rng.normal(0.0, 0.5)), float(rng.uniform(-0.6, 1.5)), size, size, 0.006)
        canvas.shade(mole, -float(rng.uniform(12.0, 30.0)))


def _paint_hair(rng: np.random.Generator, canvas: Canvas, looks: Looks, head: F32) -> F32:
    """Hair around the face, or none; gives its mask."""
    x, y = unit_grid()
    bald = rng.random() < BALD_SHARE
    line, bow = float(rng.uniform(-0.95, -0.55)), float(rng.uniform(0.0, 0.6))
    length, width = float(rng.choice([0.3, 0.6, 1.4, 2.6])), float(rng.uniform(1.22, 1.42))
    top, parting = float(rng.uniform(1.55, 1.85)), float(rng.normal(0.0, 0.25))
    ends, strands, depth = grain(rng, 4.0, 60.0), grain(rng, 1.6, 24.0), float(rng.uniform(3.0, 7.0))
    if bald:
        return np.zeros_like(x)
    edge = line + bow * (x - parting) ** 2 + float(rng.uniform(0.01, 0.05)) * grain(rng, 3.0, 90.0)
    crown = np.sqrt((x / width) ** 2 + ((y - 0.25) / top) ** 2)
    above = np.clip((edge - y) / 0.05, 0.0, 1.0)
    beside = np.clip((np.abs(x) - 0.98 + 0.1 * np.clip(y, 0.0, 1.0)) / 0.06, 0.0, 1.0)
    beside = beside * np.clip((length + 0.06 * ends - y) / 0.1, 0.0, 1.0)
    falls = np.where(y < 0.3, np.clip((1.0 - crown) / 0.04, 0.0, 1.0), np.abs(x) < width)
    behind = (1.0 - head) * np.clip((0.3 - y) / 0.1, 0.0, 1.0)
    hair = np.asarray(np.maximum(np.maximum(above, beside), behind) * falls, dtype=np.float32)
    canvas.cover(hair, looks.hair)
    shine = np.exp(-(((y + 0.9) / 0.25) ** 2)).astype(np.float32)
    canvas.shade(hair * (depth * strands + 8.0 * shine), 1.0)
    return hair


def _paint_clothes(rng: np.random.Generator, canvas: Canvas) -> F32:
    x, y = unit_grid()
    collar = float(rng.uniform(2.05, 2.4))
    cut = collar + float(rng.uniform(-0.1, 0.5)) * np.clip(1.0 - np.abs(x) / 0.6, 0.0, 1.0)
    shoulder = collar + 0.12 * x**2
    cloth = np.asarray(np.clip((y - np.maximum(cut, shoulder)) / 0.03, 0.0, 1.0), dtype=np.float32)
    colour: Colour = (float(rng.uniform(15.0, 85.0)), float(rng.normal(0, 18)), float(rng.normal(0, 18)))
    canvas.cover(cloth, colour)
    weave = grain(rng, 2.0, 2.0) * 1.5 + grain(rng, 30.0, 12.0) * 4.0
    stripes = np.sin(y * rng.uniform(10.0, 40.0)).astype(np.float32) * float(rng.uniform(0.0, 6.0))
    canvas.shade(cloth * (weave + stripes), 1.0)
    return cloth


def _head() -> F32:
    jaw = area(np.multiply(canonical_face().landmarks[list(OVAL)], (1.02, 1.01)), 0.012)
    return np.asarray(np.maximum(ellipse(0.0, 0.1, 1.12, 1.42), jaw), dtype=np.float32)


def _ears() -> F32:
    left, right = (ellipse(sign * 1.13, 0.32, 0.11, 0.3) for sign in (1.0, -1.0))
    return np.asarray(np.maximum(left, right), dtype=np.float32)


def _neck() -> F32:
    x, y = unit_grid()
    inside = np.clip((0.68 + 0.25 * np.clip(y - 1.9, 0.0, 2.0) - np.abs(x)) / 0.04, 0.0, 1.0)
    return np.asarray(inside * np.clip((y - 0.9) / 0.1, 0.0, 1.0), dtype=np.float32)


def _below_chin() -> F32:
    _, y = unit_grid()
    return np.asarray(np.clip((2.2 - y) / 0.7, 0.2, 1.0), dtype=np.float32)
