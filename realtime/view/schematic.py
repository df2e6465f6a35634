"""A drawn face that is nobody's, as SVG: motion fields and shares of regions on it.

One user unit is a hundredth of the eye distance, so one percent of motion is one unit long. Colours come
from the page's CSS variables; the face itself is defined once per page (`face_symbol`) and used in every
drawing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2
import numpy as np
from markupsafe import Markup

from realtime.geometry import EYE_DISTANCE, EYE_ROW, FACE_UNIT_Y, REGIONS, unit_grid
from realtime.types import F32, F64
from realtime.view.colours import ORANGE, bgr
from realtime.view.contours import SCHEMATIC, SCHEMATIC_OPEN, Points
from realtime.view.names import words

VIEW_BOX = "-116 -84 232 260"
ARROW_UNITS = 24.0
"""Length of the longest arrow, hundredths of the eye distance."""
LEAST_SCALE = 0.2
"""Percent of the eye distance; a field whose largest motion is smaller is scaled as if it were this."""
_ARROWS = 16
_SHOWN_ABOVE = 0.2
"""Share of the largest motion below which nothing is drawn: it is mostly noise."""
_GAINS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)


def face_symbol() -> Markup:
    """The definition of the drawn face, to stand once in a page before its drawings."""
    closed = "".join(f'<path class="{name}" d="{_path(points)}Z"/>' for name, points in SCHEMATIC.items())
    opened = "".join(f'<path d="{_path(points)}"/>' for points in SCHEMATIC_OPEN.values())
    return Markup(
        '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
        f'<symbol id="face" viewBox="{VIEW_BOX}" overflow="visible">'
        f'<g class="lines">{closed}{opened}</g></symbol></defs></svg>'
    )


def arrow_gain(largest: float) -> int:
    """How many times longer than the motion arrows are drawn, for a largest motion in percent."""
    wanted = ARROW_UNITS / max(largest, LEAST_SCALE)
    return max((gain for gain in _GAINS if gain <= wanted), default=1)


def motion_map(field: F32, largest: float, text: str) -> Markup:
    """A motion field (2, n, n) on the drawn face: shading by its length, arrows by its direction.

    `largest`: motion in percent of the eye distance that is shaded fully; one for all fields of an event.
    `text`: what a person who cannot see it is told.
    """
    shading = base64.b64encode(_shading(field, max(largest, LEAST_SCALE))).decode()
    left, top = -50.0 / EYE_DISTANCE, -100.0 * EYE_ROW / FACE_UNIT_Y
    place = f'x="{left:.1f}" y="{top:.1f}" width="{-2 * left:.1f}" height="{100.0 / FACE_UNIT_Y:.1f}"'
    return _drawing(
        text,
        f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{shading}"/>',
        f'<path class="arrows" d="{_arrows(field, max(largest, LEAST_SCALE))}"/>',
    )


def region_map(values: Mapping[str, float], text: str) -> Markup:
    """Numbers of regions, −1..1, on the drawn face: filled as far as they are large, dashed rings below 0."""
    spots = []
    for region in REGIONS:
        value = values.get(region.name, 0.0)
        place = f'cx="{100 * region.x:.0f}" cy="{100 * region.y:.0f}" r="{100 * region.sigma:.0f}"'
        strength = min(abs(value), 1.0)
        kind = "against" if value < 0.0 else "for"
        title = f"<title>{words(region.name)} {value:.2f}</title>"
        spots.append(f'<circle class="{kind}" {place} style="--s:{strength:.2f}">{title}</circle>')
    return _drawing(text, f'<g class="spots">{"".join(spots)}</g>')


def _drawing(text: str, *parts: str) -> Markup:
    """Shading below the face, the rest above it."""
    first, rest = parts[0], "".join(parts[1:])
    label = Markup.escape(text)
    return Markup(
        f'<svg class="face" viewBox="{VIEW_BOX}" role="img" aria-label="{label}">{first}'
        f'<use href="#face" x="-116" y="-84" width="232" height="260"/>{rest}</svg>'
    )


def _path(points: Points) -> str:
    return "M" + "L".join(f"{100 * x:.0f} {100 * y:.0f}" for x, y in points)


def _inside(size: int) -> F64:
    """1 on the middle of the face, 0 at its rim, on a canonical grid."""
    x, y = unit_grid(size)
    radius = np.sqrt((x / 0.94) ** 2 + ((y - 0.46) / 1.18) ** 2)
    inside: F64 = np.clip((1.0 - radius) / 0.15, 0.0, 1.0)
    return inside


def _shading(field: F32, largest: float) -> bytes:
    """The field's length as the opacity of one colour, PNG."""
    size = field.shape[-1]
    length = np.hypot(*field) * _inside(size) / largest
    share = np.clip((length - _SHOWN_ABOVE) / (1.0 - _SHOWN_ABOVE), 0.0, 1.0)
    picture = np.empty((size, size, 4), np.uint8)
    picture[..., :3] = bgr(ORANGE)
    picture[..., 3] = 16 * np.rint(share * 13.0)  # few levels pack well, and no eye tells more apart
    _, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return bytes(data)


def _arrows(field: F32, largest: float) -> str:
    """A wedge per cell that moves, its tip where the skin goes."""
    u, v = (cv2.resize(part, (_ARROWS, _ARROWS), interpolation=cv2.INTER_AREA) for part in field)
    x, y = unit_grid(_ARROWS)
    gain, length = arrow_gain(largest), np.hypot(u, v)
    shown = length * _inside(_ARROWS) > _SHOWN_ABOVE * largest
    parts = []
    for px, py, du, dv, size in zip(x[shown], y[shown], u[shown], v[shown], length[shown], strict=True):
        nx, ny = -dv / size, du / size  # across the arrow
        tip, across = (gain * du, gain * dv), (2.2 * nx, 2.2 * ny)
        start = (100 * px + across[0], 100 * py + across[1])
        steps = (tip[0] - across[0], tip[1] - across[1], -tip[0] - across[0], -tip[1] - across[1])
        parts.append(f"M{start[0]:.0f} {start[1]:.0f}l" + " ".join(f"{step:.1f}" for step in steps) + "z")
    return "".join(parts)
