"""What the flow meter would measure on a living face, made directly: hours of motion without a picture.

The flow over one lag is the sum of what skin, lids and head did in it, of a smooth wander that no action
unit accounts for (hands, cloth, glasses, wrong depth), and of the noise of the measurement. Everything
passes the live route's own removal of the head and pooling into regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from offline.synthesis.fields import bump_displacement, draw_blink
from offline.synthesis.living import LivingPlan, LivingStream
from offline.synthesis.relief import face_relief
from offline.synthesis.render import FACE_WIDTH_UNITS
from offline.synthesis.schedule import Pulse
from realtime.flow import GRID, motion_from_grid
from realtime.geometry import unit_grid
from realtime.types import F64, Motion, readonly

LAG_S = 0.133
_X, _Y = unit_grid(GRID)
FLOW_BLUR_CELLS = 0.9
"""How far the optical flow smears a displacement, σ in cells of the grid."""


def living_motions(stream: LivingStream) -> Iterator[Motion]:
    """The motions of a stream in order of time; each call draws the same."""
    plan = stream.plan
    rng = np.random.default_rng([plan.seed, 31])
    lag = max(1, round(LAG_S * plan.fps))
    times = np.arange(round(plan.seconds * plan.fps)) / plan.fps
    relief = face_relief(_X, _Y)
    gain = _draw_gain(rng)
    flow = gain * (_skin(stream, times) + _lids(stream, rng, times) + _eyes(stream, rng, times))
    flow += _noise(rng, plan, times)
    flow += _head(stream, times, relief * float(np.exp(rng.normal(0.0, 0.15))) + 0.04 * _smooth(rng, 1)[0, 0])
    flow += _wander(rng, plan, times)
    step = flow[lag:] - flow[:-lag]
    light, aperture = _light(stream, times), _aperture(stream, rng, times)
    shown = readonly((relief + 0.04 * _smooth(rng, 1)[0, 0]).astype(np.float32))
    for i, grid in enumerate(step):
        yield motion_from_grid(
            grid[0],
            grid[1],
            shown,
            index=i + lag,
            time_s=float(times[i + lag]),
            lag_s=lag / plan.fps,
            brightness=(float(light[i + lag]), float(light[i])),
            aperture=float(aperture[i + lag]),
        )


def _levels(pulses: Sequence[Pulse], times: F64) -> F64:
    """(p, n) share of its strength that each pulse has at each time."""
    levels = [[pulse.level(t) for t in times.tolist()] for pulse in pulses]
    return np.array(levels, dtype=np.float64).reshape(len(pulses), len(times))


def _skin(stream: LivingStream, times: F64) -> F64:
    """(n, 2, GRID, GRID) displacement by all expressions, percent of the eye distance."""
    pulses = [pulse for pulse in stream.moves if pulse.expression]
    fields = [
        np.stack(pulse.expression.displacement(_X, _Y)) * (pulse.strength * FACE_WIDTH_UNITS)
        for pulse in pulses
        if pulse.expression
    ]
    return _mix(_levels(pulses, times), fields, len(times))


def _lids(stream: LivingStream, rng: np.random.Generator, times: F64) -> F64:
    blinks = [pulse for pulse in stream.others if pulse.kind == "blink"]
    size = float(np.exp(rng.uniform(np.log(1.5), np.log(20.0))))
    field = np.stack(bump_displacement(draw_blink(rng), _X, _Y))
    spill = np.stack(bump_displacement(draw_blink(rng) * [1, 1, 2.5, 3.0, 1, 1], _X, _Y + 0.1))
    spilt = float(rng.uniform(-0.1, 0.3))
    fields = [
        (field + spill * (spilt + float(rng.normal(0.0, 0.06)))) * (size * pulse.strength) for pulse in blinks
    ]
    return _mix(_levels(blinks, times), fields, len(times))


def _eyes(stream: LivingStream, rng: np.random.Generator, times: F64) -> F64:
    """Looks aside: the flow sees some of the iris's way, and the lids follow a little."""
    gazes = [pulse for pulse in stream.others if pulse.kind == "gaze"]
    seen, wide, lids = rng.uniform([0.1, 0.0, -0.2], [0.8, 0.25, 0.2])
    bump, around = (
        sum(
            np.exp(-(((_X - x) / (0.14 * size)) ** 2 + ((_Y - 0.02) / (0.09 * size)) ** 2) / 2.0)
            for x in (-0.5, 0.5)
        )
        for size in (1.0, 2.2)
    )
    field = np.stack([seen * (bump + wide * around), lids * bump])
    return _mix(_levels(gazes, times), [100.0 * pulse.strength * field for pulse in gazes], len(times))


def _mix(levels: F64, fields: Sequence[F64], count: int) -> F64:
    if not len(fields):
        return np.zeros((count, 2, GRID, GRID))
    smeared = np.array(
        [[cv2.GaussianBlur(part, (0, 0), FLOW_BLUR_CELLS) for part in field] for field in fields]
    )
    return np.asarray(np.tensordot(levels.T, smeared, axes=1))


def _head(stream: LivingStream, times: F64, relief: F64) -> F64:
    states = [stream.state(t) for t in times.tolist()]
    shift, roll, scale, turn = (
        100.0 * np.array(part)
        for part in (
            [(s.x, s.y) for s in states],
            [s.roll for s in states],
            [s.scale for s in states],
            [(s.yaw, s.pitch) for s in states],
        )
    )
    down = _Y - 1.6
    one, none = np.ones_like(_X), np.zeros_like(_X)
    fields = np.array([(one, none), (none, one), (-down, _X), (_X, down), (relief, none), (none, relief)])
    return np.asarray(np.tensordot(np.column_stack([shift, roll, scale, turn]), fields, axes=1))


def _draw_gain(rng: np.random.Generator) -> F64:
    """How much of a displacement the flow finds: less where the skin is bare of texture."""
    return np.asarray(np.clip(0.85 + 0.15 * _smooth(rng, 1)[0, 0], 0.4, 1.05))


def _smooth(rng: np.random.Generator, count: int) -> F64:
    """(count, 2, GRID, GRID) smooth random fields of RMS about 1."""
    size = float(rng.uniform(1.2, 3.5))
    raw = rng.normal(size=(count, 2, GRID, GRID))
    fields = np.array([[cv2.GaussianBlur(part, (0, 0), size) for part in field] for field in raw])
    return fields / max(float(np.sqrt(np.mean(fields**2))), 1e-9)


def _noise(rng: np.random.Generator, plan: LivingPlan, times: F64) -> F64:
    """Noise of the measurement, new in every frame, smoothed in space; much of it where glasses or hair
    glitter, on some faces."""
    level = float(np.exp(rng.uniform(np.log(0.015), np.log(0.12))))
    local = np.ones_like(_X)
    for _ in range(int(rng.choice([0, 0, 1, 2, 3]))):
        centre_x, centre_y, reach = rng.uniform([-0.8, -0.4, 0.1], [0.8, 1.5, 0.4])
        bump = np.exp(-((_X - centre_x) ** 2 + (_Y - centre_y) ** 2) / (2.0 * reach**2))
        local += float(np.exp(rng.uniform(0.0, np.log(30.0)))) * bump
    return level * local * _smooth(rng, len(times))


def _wander(rng: np.random.Generator, plan: LivingPlan, times: F64) -> F64:
    """A few smooth fields, each rising and falling by itself, in bouts; stronger on a lively face."""
    total = np.zeros((len(times), 2, GRID, GRID))
    for field in _smooth(rng, 6):
        centre_x, centre_y, reach = rng.uniform([-0.8, -0.4, 0.5], [0.8, 1.5, 2.0])
        local = field * np.exp(-((_X - centre_x) ** 2 + (_Y - centre_y) ** 2) / (2.0 * reach**2))
        size = float(np.exp(rng.normal(-1.5, 0.8))) * (0.1 + 6.0 * plan.liveliness**2)
        total += size * _band(rng, plan, times)[:, None, None, None] * local
    return total


def _band(rng: np.random.Generator, plan: LivingPlan, times: F64) -> F64:
    """A random course between 0.2 and about 4 Hz that swells and dies down."""
    frequency = np.exp(rng.uniform(np.log(0.2), np.log(4.0), 12))
    phase = rng.uniform(0.0, 2.0 * np.pi, 12)
    course = (np.sin(2.0 * np.pi * frequency * times[:, None] + phase) / np.sqrt(1.0 + frequency)).sum(axis=1)
    swell = np.sin(2.0 * np.pi * rng.uniform(0.03, 0.25) * times + rng.uniform(0.0, 2.0 * np.pi))
    return np.asarray(course * np.clip(0.5 + swell, 0.0, None))


def _light(stream: LivingStream, times: F64) -> F64:
    return 120.0 * np.array([stream.state(t).brightness for t in times.tolist()])


def _aperture(stream: LivingStream, rng: np.random.Generator, times: F64) -> F64:
    """The mesh sees a shut eye as about two thirds open."""
    closure = np.array([stream.state(t).closure for t in times.tolist()])
    open_eyes, share = float(rng.uniform(0.2, 0.38)), float(rng.uniform(0.2, 0.5))
    jitter = rng.normal(0.0, 0.008, len(times))
    return open_eyes * (1.0 - share * closure) + np.convolve(jitter, np.ones(3) / 3.0, "same")
