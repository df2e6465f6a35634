"""One expression of one face: action units with their jitter drawn, as a displacement field.

The same object serves flow made directly on a grid and the warps of camera frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.synthesis.action_units import ACTION_UNITS, BLINK, Bump
from offline.synthesis.recipes import draw_action_units
from realtime.errors import UsageError
from realtime.features.spec import AU_NAMES
from realtime.types import F32, F64, readonly
from realtime.types import Side as Side

POSITION_JITTER = 0.05
SIGMA_JITTER = 0.15
VECTOR_JITTER = 0.1
ASYMMETRY = 0.25
CHEEK_SHARE = 0.4
"""Strength of AU 6 in company: beside AU 12, most of the cheek's motion is the mouth corner's."""
ONE_SIDED_SHARE = 0.17
"""Share of CASME II's clips that carry a left- or right-only action unit is 15–19 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A displacement field over the face, in face units."""

    label: str | None
    """Class it was drawn for; None where the action units were named."""
    weights: Mapping[str, float]
    """Strength of each action unit, 0.4..1; of AU 6 in company `CHEEK_SHARE` of that."""
    left_gain: float
    """Factor on the person's left side, >= 0."""
    right_gain: float
    """Factor on the person's right side, >= 0."""
    bumps: F64
    """(n, 6), read-only: x, y, σx, σy, dx, dy of every bump of both sides, jitter, weights and gains
    applied, scaled so that the largest displacement on the face has length 1."""

    @property
    def action_units(self) -> tuple[str, ...]:
        """Names of the action units, e.g. ("AU6", "AU12")."""
        return tuple(self.weights)

    @property
    def side(self) -> Side:
        """The side that moves, of the person."""
        if self.left_gain == 0.0:
            return "right"
        return "left" if self.right_gain == 0.0 else "both"

    def displacement(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[F64, F64]:
        """Displacement (dx, dy) at points in face units, for amplitude 1.

        `x` and `y` have any shapes that broadcast; the results are float64 of the common shape, in
        face units (y down), and at most of length 1 on the face.
        """
        return bump_displacement(self.bumps, x, y)


def bump_displacement(bumps: F64, x: NDArray[Any], y: NDArray[Any]) -> tuple[F64, F64]:
    """Sum of Gaussian bumps (n, 6) at points in face units: (dx, dy) of the shape of x and y."""
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    total_x = np.zeros(x.shape)
    total_y = np.zeros(x.shape)
    for centre_x, centre_y, sigma_x, sigma_y, dx, dy in bumps:
        height = np.exp(-0.5 * (((x - centre_x) / sigma_x) ** 2 + ((y - centre_y) / sigma_y) ** 2))
        total_x += dx * height
        total_y += dy * height
    return total_x, total_y


def draw_expression(
    rng: np.random.Generator,
    label: str | None = None,
    action_units: Sequence[str] | None = None,
    side: Side | None = None,
    table: Mapping[str, tuple[Bump, ...]] = ACTION_UNITS,
) -> Expression:
    """Draw an expression of a class, or of named action units, with all its jitter.

    `side` None leaves it to chance; `table` says what each action unit does. Raises UsageError where neither
    a class nor action units are given, and for unknown ones.
    """
    units = tuple(action_units) if action_units else _units_of(rng, label)
    unknown = [unit for unit in units if unit not in ACTION_UNITS]
    if unknown:
        raise UsageError(f"unknown action unit {unknown[0]!r}: use one of {', '.join(ACTION_UNITS)}")
    weights = {unit: float(rng.uniform(0.4, 1.0)) for unit in units}
    if "AU6" in weights and len(weights) > 1:
        weights["AU6"] *= CHEEK_SHARE
    paired = any(bump.x != 0.0 for unit in units for bump in table[unit])
    left, right = _draw_gains(rng, side if paired else "both")
    rows = [
        row * (1, 1, 1, 1, weights[unit], weights[unit])
        for unit in units
        for row in draw_bumps(rng, table[unit], left, right)
    ]
    return Expression(label, MappingProxyType(weights), left, right, readonly(scale_to_peak(np.array(rows))))


def draw_anything(
    rng: np.random.Generator, table: Mapping[str, tuple[Bump, ...]] = ACTION_UNITS
) -> Expression:
    """One to three action units drawn at random, whatever class they fit."""
    names = list(ACTION_UNITS)
    count = int(rng.choice((1, 2, 3), p=(0.45, 0.35, 0.2)))
    chosen = [names[i] for i in rng.choice(len(names), count, replace=False)]
    return draw_expression(rng, None, chosen, table=table)


def unit_targets(expression: Expression) -> F32:
    """Which of `AU_NAMES` move on the left and on the right of the person: float32 (13, 2), 0 or 1.

    A unit in the middle of the face moves on both sides.
    """
    targets = np.zeros((len(AU_NAMES), 2), dtype=np.float32)
    for row, name in enumerate(AU_NAMES):
        if name in expression.weights:
            middle = all(bump.x == 0.0 for bump in ACTION_UNITS[name])
            targets[row] = [middle or gain > 0.0 for gain in (expression.left_gain, expression.right_gain)]
    return targets


def draw_blink(rng: np.random.Generator) -> F64:
    """Bumps (n, 6) of the lids closing, jittered, scaled to a peak of 1."""
    return scale_to_peak(np.array(draw_bumps(rng, BLINK, 1.0, 1.0)))


def draw_bumps(rng: np.random.Generator, bumps: Iterable[Bump], left: float, right: float) -> list[F64]:
    """Jitter each bump and mirror it to the other side; rows of six numbers as in `Expression.bumps`."""
    rows: list[F64] = []
    for bump in bumps:
        x, y, sx, sy, dx, dy = _jitter(rng, bump)
        if bump.x == 0.0:
            rows.append(np.array([x, y, sx, sy, dx, dy]))
            continue
        rows.append(np.array([x, y, sx, sy, left * dx, left * dy]))
        rows.append(np.array([-x, y, sx, sy, -right * dx, right * dy]))
    return rows


def scale_to_peak(bumps: F64) -> F64:
    """Scale bumps (n, 6) so that the largest displacement over the face has length 1."""
    x, y = np.meshgrid(np.linspace(-1.2, 1.2, 49), np.linspace(-0.8, 1.8, 53))
    peak = float(np.hypot(*bump_displacement(bumps, x, y)).max())
    scaled = bumps.copy()
    scaled[:, 4:] /= max(peak, 1e-9)
    return scaled


def _units_of(rng: np.random.Generator, label: str | None) -> tuple[str, ...]:
    if label is None:
        raise UsageError("an expression needs a class or action units")
    return draw_action_units(rng, label)


def _draw_gains(rng: np.random.Generator, side: Side | None) -> tuple[float, float]:
    """Gains of the person's left and right side; one of them 0 for a one-sided expression."""
    if side is None:
        one_sided = rng.random() < ONE_SIDED_SHARE
        chosen: Side = "left" if rng.random() < 0.5 else "right"
        side = chosen if one_sided else "both"
    if side == "both":
        ratio = float(np.clip(rng.normal(0.0, ASYMMETRY), -0.8, 0.8))
        return (1.0, 1.0 - ratio) if ratio > 0.0 else (1.0 + ratio, 1.0)
    return (1.0, 0.0) if side == "left" else (0.0, 1.0)


def _jitter(rng: np.random.Generator, bump: Bump) -> tuple[float, ...]:
    x, y = rng.uniform(-POSITION_JITTER, POSITION_JITTER, 2)
    sigma_x, sigma_y = np.exp(rng.uniform(-SIGMA_JITTER, SIGMA_JITTER, 2))
    dx, dy = rng.uniform(-VECTOR_JITTER, VECTOR_JITTER, 2)
    middle = bump.x == 0.0
    return (
        bump.x + (0.0 if middle else x),
        bump.y + y,
        bump.sigma_x * sigma_x,
        bump.sigma_y * sigma_y,
        bump.dx + (0.0 if middle else dx),
        bump.dy + dy,
    )
