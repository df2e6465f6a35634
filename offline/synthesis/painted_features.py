"""Eyes, brows, nose, mouth, folds and beard of a painted face, each drawn with its own jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.synthesis.canvas import Canvas, Colour, area, ellipse, grain, stroke, strokes, unit_grid
from realtime.types import F32, F64
from realtime.view.contours import INNER_LIPS, LOWER_LIDS, OUTER_LIPS, OVAL, UPPER_LIDS

_BROWS = {
    "left": ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276)),
    "right": ((107, 66, 105, 63, 70), (55, 65, 52, 53, 46)),
}
"""Upper and lower edge of each brow, from the inner end outwards."""
_WINGS = ((48, 64, 98), (278, 294, 327))
_FOLDS = ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432))
_UPPER_LIP = (
    61,
    185,
    40,
    39,
    37,
    0,
    267,
    269,
    270,
    409,
    291,
    308,
    415,
    310,
    311,
    312,
    13,
    82,
    81,
    80,
    191,
    78,
)


@dataclass(frozen=True, slots=True)
class Looks:
    """Colours and age that the features of one face share."""

    skin: Colour
    hair: Colour
    age: float
    """0 smooth to 1 deeply lined."""
    beard: float
    """0 none to 1 full."""


def paint_features(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    """Paint everything that a face has on its skin; `points` (468, 2) are its landmarks in face units."""
    _paint_lines(rng, canvas, points, looks)
    _paint_nose(rng, canvas, points)
    _paint_beard(rng, canvas, points, looks)
    _paint_mouth(rng, canvas, points, looks)
    _paint_eyes(rng, canvas, points, looks)
    _paint_brows(rng, canvas, points, looks)


def _paint_lines(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    """Nasolabial folds, lines of the forehead and beside the eyes, rings below them."""
    for fold in _FOLDS:
        depth = rng.uniform(1.5, 4.0) + 7.0 * looks.age
        canvas.shade(stroke(_smooth(points[list(fold)]), 0.02, 0.025), -depth)
    for row in rng.uniform(-0.72, -0.48, int(rng.integers(0, 2 + round(4.0 * looks.age)))):
        across = np.linspace(-0.6, 0.6, 13)
        wave = row + 0.03 * np.cos(across * rng.uniform(2.0, 4.0)) + rng.normal(0.0, 0.004, 13)
        canvas.shade(stroke(np.column_stack([across, wave]), 0.012, 0.012), -12.0 * looks.age)
    for sign in (-1.0, 1.0):
        feet = [
            np.array([[sign * 0.78, y], [sign * 0.98, y + rise]])
            for y, rise in ((-0.06, -0.08), (0.0, 0.0), (0.05, 0.08))
        ]
        canvas.shade(strokes(feet, 0.01, 0.01), -10.0 * looks.age)
        canvas.shade(ellipse(sign * 0.48, 0.2, 0.22, 0.07, 0.05), -rng.uniform(0.0, 9.0))


def _paint_nose(rng: np.random.Generator, canvas: Canvas, points: F64) -> None:
    base = points[2]
    for wing, sign in zip(_WINGS, (-1.0, 1.0), strict=True):
        canvas.shade(stroke(_smooth(points[list(wing)]), 0.02, 0.018), -rng.uniform(6.0, 12.0))
        nostril = (base + points[wing[2]]) / 2.0 + (0.0, -0.01)
        dark = ellipse(nostril[0], nostril[1], rng.uniform(0.055, 0.075), rng.uniform(0.025, 0.038), 0.014)
        canvas.shade(dark, -rng.uniform(18.0, 30.0))
        canvas.shade(stroke(points[[168, 197]] + (sign * 0.13, 0.0), 0.05, 0.05), -rng.uniform(1.0, 4.0))
    canvas.shade(ellipse(0.0, base[1] + 0.05, 0.2, 0.035, 0.03), -rng.uniform(3.0, 7.0))
    canvas.shade(ellipse(points[4][0], points[4][1] - 0.05, 0.06, 0.06, 0.04), rng.uniform(2.0, 7.0))
    canvas.shade(stroke(points[[0, 2]] + (0.0, -0.01), 0.03, 0.025), -rng.uniform(1.0, 4.0))


def _paint_mouth(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    red = rng.uniform(9.0, 22.0)
    lightness = looks.skin[0] - rng.uniform(6.0, 16.0)
    lips: Colour = (lightness, looks.skin[1] + red, looks.skin[2] - rng.uniform(0.0, 5.0))
    canvas.cover(0.85 * area(points[list(OUTER_LIPS)], 0.018), lips)
    canvas.shade(area(points[list(_UPPER_LIP)], 0.015), -rng.uniform(2.0, 8.0))
    wrinkles = area(points[list(OUTER_LIPS)], 0.02) * grain(rng, 1.2, 5.0)
    canvas.shade(wrinkles, rng.uniform(0.8, 2.2))
    lower = (points[17] + points[14]) / 2.0
    canvas.shade(ellipse(lower[0], lower[1], 0.2, 0.03, 0.03), rng.uniform(2.0, 9.0))
    canvas.shade(ellipse(lower[0], points[17][1] + 0.07, 0.28, 0.03, 0.03), -rng.uniform(3.0, 8.0))
    canvas.cover(area(points[list(INNER_LIPS)], 0.006), (12.0, 12.0, 6.0))
    parting = points[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]]
    canvas.shade(stroke(parting, 0.018, 0.01), -rng.uniform(14.0, 26.0))


def _paint_eyes(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    iris: Colour = (rng.uniform(12.0, 48.0), rng.uniform(-4.0, 9.0), rng.uniform(-14.0, 24.0))
    white, radius = rng.uniform(72.0, 88.0), rng.uniform(0.095, 0.115)
    pupil, crease = rng.uniform(0.35, 0.55), rng.uniform(0.07, 0.12)
    look = rng.uniform(-0.02, 0.02)
    lash, socket = rng.uniform(8.0, 26.0), rng.uniform(0.0, 10.0)
    for side in ("left", "right"):
        upper, lower = points[list(UPPER_LIDS[side])], points[list(LOWER_LIDS[side])]
        middle = (upper.mean(axis=0) + lower.mean(axis=0)) / 2.0
        opening = area(np.vstack([upper, lower[-2:0:-1]]), 0.006)
        canvas.shade(stroke(_smooth(upper) - (0.0, crease / 2.0), crease, 0.03), -socket)
        canvas.shade(stroke(_smooth(upper) - (0.0, crease), 0.014, 0.012), -rng.uniform(8.0, 16.0))
        canvas.cover(opening, (white, 2.0, 4.0))
        centre = (float(middle[0] + look), float(middle[1] - 0.012))
        _paint_iris(canvas, opening, centre, radius, iris, pupil)
        shadow = stroke(np.add(_smooth(upper), (0.0, 0.02)), 0.05, 0.02) * opening
        canvas.shade(shadow, -22.0)
        canvas.cover(0.85 * stroke(_smooth(upper), 0.022, 0.007), (lash, 3.0, 4.0))
        canvas.shade(stroke(_smooth(lower), 0.012, 0.008), -rng.uniform(5.0, 14.0))
        corner = upper[-1]
        canvas.cover(0.6 * ellipse(corner[0], corner[1], 0.025, 0.016, 0.01), (55.0, 20.0, 12.0))


def _paint_iris(
    canvas: Canvas, opening: F32, centre: tuple[float, float], radius: float, iris: Colour, pupil: float
) -> None:
    x, y = centre
    disc = ellipse(x, y, radius, radius, 0.008) * opening
    canvas.cover(disc, iris)
    ring = disc * (1.0 - ellipse(x, y, 0.8 * radius, 0.8 * radius, 0.015))
    canvas.shade(ring, -0.5 * iris[0])
    canvas.cover(ellipse(x, y, pupil * radius, pupil * radius, 0.006) * opening, (4.0, 0.0, 0.0))
    canvas.cover(ellipse(x + 0.03, y - 0.035, 0.017, 0.017, 0.006) * opening, (96.0, 0.0, 0.0))


def _paint_brows(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    """Hairs that start on the lower edge and lean outwards."""
    thick, dense = rng.uniform(0.7, 1.3), rng.uniform(0.35, 0.95)
    count, lean = int(rng.integers(140, 320)), rng.uniform(0.02, 0.07)
    dark = (0.75 * looks.hair[0], looks.hair[1], looks.hair[2])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        top, bottom = (_smooth(points[list(edge)]) for edge in _BROWS[side])
        bottom = top + (bottom - top) * thick
        canvas.cover(0.45 * dense * area(np.vstack([top, bottom[::-1]]), 0.022), dark)
        at = rng.uniform(0.0, len(top) - 1.001, count)
        share = rng.uniform(0.0, 0.75, count)
        low, high = _between(bottom, at), _between(top, at)
        root = low + (high - low) * share[:, None]
        tip = root + (high - low) * 0.35 + (sign * lean, 0.0) + rng.normal(0.0, 0.008, (count, 2))
        hairs = strokes([np.vstack(pair) for pair in zip(root, tip, strict=True)], 0.009, 0.003)
        canvas.cover(np.clip(dense * hairs, 0.0, 1.0), dark)


def _paint_beard(rng: np.random.Generator, canvas: Canvas, points: F64, looks: Looks) -> None:
    """Stubble or a beard on jaw and upper lip."""
    if looks.beard <= 0.0:
        return
    _, y = unit_grid()
    face = area(points[list(OVAL)] * (1.0, 1.02), 0.05)
    fall = np.clip((y - rng.uniform(0.55, 0.8)) / 0.35, 0.0, 1.0)
    cheeks = 1.0 - np.maximum(ellipse(0.52, 0.55, 0.3, 0.32, 0.1), ellipse(-0.52, 0.55, 0.3, 0.32, 0.1))
    lip = 1.0 - ellipse(0.0, float(points[2][1]) - 0.1, 0.3, 0.12, 0.03)
    hairy = face * fall * cheeks * lip
    patchy = np.clip(0.75 + 0.3 * grain(rng, 1.0, 2.5) + 0.2 * grain(rng, 8.0, 8.0), 0.0, 1.0)
    dense = np.asarray(hairy * patchy * looks.beard, dtype=np.float32)
    canvas.cover(dense, (looks.hair[0], looks.hair[1], looks.hair[2]))
    canvas.shade(hairy * looks.beard * grain(rng, 0.8, 3.0), 4.0)


def _smooth(points: F64, count: int = 24) -> F64:
    """A denser line through points, by the cubic of Catmull and Rom."""
    whole = np.vstack([2.0 * points[:1] - points[1:2], points, 2.0 * points[-1:] - points[-2:-1]])
    line: list[F64] = []
    for at in np.linspace(0.0, len(points) - 1.0, count):
        start = min(int(at), len(points) - 2)
        t = at - start
        p0, p1, p2, p3 = whole[start : start + 4]
        line.append(
            0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2)
            + 0.5 * (3 * p1 - p0 - 3 * p2 + p3) * t**3
        )
    return np.array(line)


def _between(line: F64, at: F64 | Sequence[float]) -> F64:
    """Points of a line at fractional positions."""
    place = np.asarray(at, dtype=np.float64) * 1.0
    start = np.minimum(place.astype(int), len(line) - 2)
    share = (place - start)[:, None]
    return np.asarray(line[start] * (1.0 - share) + line[start + 1] * share)
