"""Optical flow of micro-expressions made directly, without rendering a picture.

A field is the sum of an expression, a blink, a rigid residue, smooth noise and pixel noise on the
canonical face, with a jittered crop. Values are raw: the reader normalises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from offline.synthesis.action_units import ACTION_UNITS, MEASURED
from offline.synthesis.fields import (
    Expression,
    bump_displacement,
    draw_anything,
    draw_blink,
    draw_expression,
    unit_targets,
)
from offline.synthesis.recipes import FOUR_CLASSES
from offline.synthesis.relief import face_relief
from realtime.errors import UsageError
from realtime.types import F32, F64, readonly

FLOW_SIZE = 64
NOISE_LEVEL = 1.4
"""Of the smooth noise: twice the recipe's first value, with which synthetic flow was clearer than real."""
ANYTHING = "anything"
"""Stands for a class: one to three action units drawn at random."""
NOISE_SIZE = 28
"""Side of the grid on which pixel noise is drawn and to which the blur's σ refers."""


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Where a face lies in its crop: as in `realtime.geometry`, but for one subject's alignment."""

    eye_distance: float
    """Share of the crop's width."""
    eye_row: float
    """Share of the crop's height."""
    centre_x: float
    """Share of the crop's width."""
    unit_y: float
    """A vertical face unit as a share of the crop's height."""

    def unit_grid(self, size: int) -> tuple[F64, F64]:
        """Face-unit coordinates x, y, each (size, size), of the pixel centres of the crop."""
        centre = (np.arange(size) + 0.5) / size
        x, y = np.meshgrid(
            (centre - self.centre_x) / self.eye_distance, (centre - self.eye_row) / self.unit_y
        )
        return x, y


@dataclass(frozen=True, slots=True, eq=False)
class FlowSet:
    """Synthetic flow fields with their labels."""

    flows: F32
    """(n, 2, 64, 64), or (n, 3, 2, 64, 64) for three flows each: u, v, read-only."""
    labels: tuple[str, ...]
    """Class of each sample, `ANYTHING` where its action units belong to none."""
    subjects: tuple[str, ...]
    """Synthetic subject of each sample: samples of a subject share the crop's geometry."""
    action_units: F32
    """(n, 13, 2): as of `fields.unit_targets`."""


def draw_geometry(rng: np.random.Generator) -> CropGeometry:
    """Draw the crop of one subject around the canonical face of `realtime.geometry`."""
    eye_distance = float(rng.uniform(0.50, 0.60))
    return CropGeometry(
        eye_distance=eye_distance,
        eye_row=float(rng.uniform(0.17, 0.29)),
        centre_x=float(rng.uniform(0.47, 0.51)),
        unit_y=eye_distance * float(rng.uniform(0.68, 0.85)),
    )


def draw_flow(
    rng: np.random.Generator, label: str, geometry: CropGeometry | None = None, size: int = FLOW_SIZE
) -> F32:
    """Flow onset→apex of a drawn expression of a class: float32 (2, size, size), u then v.

    The expression alone has RMS 1 over both components. Raises UsageError for an unknown class.
    """
    return _draw_flow(rng, draw_expression(rng, label), geometry, size)


def _draw_flow(
    rng: np.random.Generator, expression: Expression, geometry: CropGeometry | None, size: int
) -> F32:
    scene = _Scene.draw(rng, expression, geometry, size)
    nuisance = scene.draw_head_motion(rng) + scene.blink * _draw_lids(rng)
    return scene.observe(rng, 1.0, nuisance)


def draw_flows(
    rng: np.random.Generator, label: str, geometry: CropGeometry | None = None, size: int = FLOW_SIZE
) -> F32:
    """The flows onset→apex, apex→offset and onset→offset: float32 (3, 2, size, size).

    The second takes the expression back and the third holds what did not come back; lids and head
    add up over the three, the noise is each flow's own.
    """
    return flows_of(rng, draw_expression(rng, label), geometry, size)


def flows_of(
    rng: np.random.Generator,
    expression: Expression,
    geometry: CropGeometry | None = None,
    size: int = FLOW_SIZE,
) -> F32:
    """The three flows, as `draw_flows` gives them, of an expression that is drawn already."""
    scene = _Scene.draw(rng, expression, geometry, size)
    closing = _draw_lids(rng)
    opening = -closing * float(rng.uniform(0.0, 1.2)) if closing else _draw_lids(rng)
    first = scene.draw_head_motion(rng) + scene.blink * closing
    second = scene.draw_head_motion(rng) + scene.blink * opening
    back = float(rng.uniform(0.8, 1.1))
    return np.stack(
        [
            scene.observe(rng, 1.0, first),
            scene.observe(rng, -back, second),
            scene.observe(rng, 1.0 - back, np.add(first, second)),
        ]
    )


def make_flow_set(
    seed: int,
    count: int,
    classes: Sequence[str] = FOUR_CLASSES,
    subjects: int | None = None,
    three: bool = False,
    as_measured: bool = False,
) -> FlowSet:
    """Make `count` labelled flow fields, classes and subjects in turn; the same seed gives the same set.

    A class may be `ANYTHING`: action units drawn at random. `subjects` defaults to one per eight samples.
    `as_measured`: action units reach as far as flow algorithms see them reach (`action_units.MEASURED`).
    Raises UsageError for counts below 1.
    """
    if count < 1 or (subjects is not None and subjects < 1) or not classes:
        raise UsageError("a synthetic set needs at least one sample, one subject and one class")
    subjects = subjects or -(-count // 8)
    draw, table = flows_of if three else _draw_flow, MEASURED if as_measured else ACTION_UNITS
    geometries = [draw_geometry(np.random.default_rng([seed, 1, subject])) for subject in range(subjects)]
    labels = tuple(classes[index % len(classes)] for index in range(count))
    owners = [index // len(classes) % subjects for index in range(count)]
    flows, units = [], []
    for index, (label, owner) in enumerate(zip(labels, owners, strict=True)):
        rng = np.random.default_rng([seed, 2, index])
        if label == ANYTHING:
            expression = draw_anything(rng, table)
        else:
            expression = draw_expression(rng, label, table=table)
        flows.append(draw(rng, expression, geometries[owner], FLOW_SIZE))
        units.append(unit_targets(expression))
    names = tuple(f"synthetic-{owner:03d}" for owner in owners)
    return FlowSet(readonly(np.stack(flows)), labels, names, readonly(np.stack(units)))


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """The fields of one sample on its grid; each (2, size, size) with RMS 1."""

    expression: F64
    blink: F64
    head: F64
    """(4, 2, size, size): rotation, scale, yaw and pitch, for N(0, 1) coefficients."""
    blur: float
    gain_u: float

    @classmethod
    def draw(
        cls, rng: np.random.Generator, expression: Expression, geometry: CropGeometry | None, size: int
    ) -> _Scene:
        geometry = geometry or draw_geometry(rng)
        x, y = geometry.unit_grid(size)
        to_crop = np.array([geometry.eye_distance, geometry.unit_y])[:, None, None]
        moved = np.stack(expression.displacement(x, y)) * to_crop
        lids = np.stack(bump_displacement(draw_blink(rng), x, y)) * to_crop
        blur = float(rng.uniform(0.35, 1.05)) * size / NOISE_SIZE
        gain_u = float(np.exp(rng.normal(0.3, 0.4)))  # ready maps have lost the scale of u to v
        return cls(_unit_rms(moved), _unit_rms(lids), _head_fields(x, y), blur, gain_u)

    def draw_head_motion(self, rng: np.random.Generator) -> F64:
        """What head motion the alignment left over: (2, size, size)."""
        return np.asarray(np.tensordot(rng.normal(size=4), self.head, axes=1), dtype=np.float64)

    def observe(self, rng: np.random.Generator, amplitude: float, nuisance: F64) -> F32:
        """The measured flow (2, size, size): the expression at an amplitude plus all that disturbs it."""
        flow = amplitude * self.expression + nuisance + _draw_noise(rng, self.expression.shape[-1])
        blurred = [cv2.GaussianBlur(part, (0, 0), self.blur, borderType=cv2.BORDER_REFLECT) for part in flow]
        return np.array([blurred[0] * self.gain_u, blurred[1]], dtype=np.float32)


def _unit_rms(field: F64) -> F64:
    return np.asarray(field / max(float(np.sqrt(np.mean(field**2))), 1e-9))


def _head_fields(x: F64, y: F64) -> F64:
    size = x.shape[-1]
    centre = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    across, down = np.meshgrid(centre, centre)
    relief = face_relief(x, y)
    still = np.zeros_like(relief)
    turn, tip = np.stack([relief, still]), np.stack([still, relief])
    rotation, scale = np.stack([-down, across]), np.stack([across, down])
    return np.stack([0.35 * rotation, 0.35 * scale, 0.7 * turn, 0.7 * tip])


def _draw_lids(rng: np.random.Generator) -> float:
    """RMS of the lids' motion, negative when they open; 0 in 40 % of the samples."""
    if rng.random() >= 0.6:
        return 0.0
    strength = float(rng.uniform(0.3, 1.3))
    return -strength if rng.random() < 0.4 else strength


def _draw_noise(rng: np.random.Generator, size: int) -> F64:
    """Smooth noise on two coarse grids and noise of single pixels: (2, size, size)."""
    level = NOISE_LEVEL * float(rng.uniform(0.3, 1.5))
    parts = [
        (0.6 * level, rng.normal(size=(2, 4, 4))),
        (0.8 * level, rng.normal(size=(2, 8, 8))),
        (0.3, rng.normal(size=(2, NOISE_SIZE, NOISE_SIZE))),
    ]
    total = np.zeros((2, size, size))
    for weight, grid in parts:
        total += weight * _enlarge(grid, size)
    return total


def _enlarge(grids: F64, size: int) -> F64:
    enlarged = [cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) for grid in grids]
    return np.array(enlarged, dtype=np.float64)
