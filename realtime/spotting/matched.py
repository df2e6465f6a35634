"""Matched filters: how well the last half second looks like one action unit that came and went.

The motion against a lagged reference is y(t) = d(t) − d(t − lag). For a pulse p of known rise and fall the
least-squares amplitude of every channel is z = Σ p·y / Σ p². Against noise of variance V per channel a
template a is then present with amplitude α = aᵀV⁻¹z / aᵀV⁻¹a, and √(aᵀV⁻¹a)·α is the adaptive matched
filter (Robey et al. 1992). How much of the whitened energy it explains, (adaptive) coherence (Kraut,
Scharf and Butler 2005), tells an action unit from other, larger motion: over the whole face, or over the
part of it where the template moves, so that a brow is seen while the mouth talks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime.types import F64

SHAPES: tuple[tuple[float, float], ...] = (
    (0.09, 0.09),
    (0.10, 0.18),
    (0.18, 0.10),
    (0.14, 0.14),
    (0.19, 0.19),
    (0.15, 0.30),
    (0.30, 0.15),
    (0.24, 0.24),
)
"""Rise and fall of the pulses that are looked for, s, short ones first."""
TAIL_S = 0.05
"""A pulse is looked for up to this long after its end, s: its trace lasts one lag longer."""
_RISE, _FALL = (np.array(column)[:, None] for column in zip(*SHAPES, strict=True))
_SPANS_S = (_RISE + _FALL)[:, 0] + TAIL_S
WINDOW_S = float(_SPANS_S[-1])
assert (np.diff(_SPANS_S) >= 0.0).all()
_TINY = 1e-9
USUAL_SHAPE = SHAPES.index((0.14, 0.14))
_EARLY_S = 0.5
"""Up to this the noise is hardly known, s."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the filters say at one time: (g, k) for k templates and the first g of `SHAPES`, those that have
    room in what was seen so far."""

    amplitude: F64
    """Displacement at the apex, percent of the eye distance; negative: the template backwards."""
    signal: F64
    """Adaptive matched filter: amplitude over its standard deviation."""
    coherence: F64
    """Share of the amplitudes z that the template explains, 0..1."""
    part_coherence: F64
    """The same over the part of the face that the template moves."""
    explained: F64
    """Share of the motion over the whole window that template and pulse explain, 0..1."""
    part_explained: F64
    """The same over the part of the face that the template moves."""
    precision: F64
    """(g, c) inverse variance of each channel's amplitude."""
    energy: F64
    """(g,) whitened energy of the window."""
    response: F64
    """(g, k) energy that each template would have at an amplitude of 1, same unit."""
    channels: F64
    """(g, c) amplitude of each channel, percent of the eye distance."""
    covariance: F64
    """(c, c) of the amplitudes some time ago: what moves together on this face just now."""

    def unmixed(self, g: int, template: F64) -> tuple[float, float, float]:
        """Signal, coherence and amplitude of a template (c,) with the covariance of all channels taken
        into account, so that what leaks from one part of the face into another is taken out."""
        spread = np.diag(self.covariance)
        loaded = self.covariance + np.diag(0.3 * spread + 1.0 / self.precision[g].max())
        white = np.linalg.solve(loaded, np.stack([template, self.channels[g]], axis=1))
        norm, projected = float(template @ white[:, 0]), float(template @ white[:, 1])
        total = float(self.channels[g] @ white[:, 1])
        return (
            projected / max(norm, _TINY) ** 0.5,
            projected * abs(projected) / max(norm * total, _TINY),
            projected / max(norm, _TINY),
        )

    def quality(self, least_signal: float, amplitudes: tuple[float, float]) -> F64:
        """(g, k) geometric mean of both explained shares; 0 where signal or amplitude are out of range."""
        low, high = amplitudes
        fits = (self.signal > least_signal) & (self.amplitude > low) & (self.amplitude < high)
        return np.where(fits, np.sqrt(self.explained * self.part_explained), 0.0)


class MatchedFilter:
    """`push` takes the motion of all channels and gives the match, once there is room for a pulse."""

    def __init__(self, templates: F64, noise_s: float, guard_s: float, floor: float) -> None:
        """`templates` (k, c): displacement of each channel for an amplitude of 1. `noise_s`: time constant
        of the noise, which stays `guard_s` behind; `floor`: its least standard deviation, percent."""
        self._templates = templates
        self._squared = templates**2
        self._part = np.abs(templates) / np.abs(templates).max(axis=1, keepdims=True)
        self._noise_s, self._guard_s, self._floor = noise_s, guard_s, floor
        self.reset()

    def reset(self) -> None:
        channels = self._templates.shape[1]
        self._variance = np.full((len(SHAPES), channels), (2.0 * self._floor) ** 2)
        self._covariance = np.eye(channels) * self._floor**2
        self.seen_s = np.zeros(len(SHAPES))
        """(g,) how much of the stream the noise of each of `SHAPES` rests on, s."""
        self.interrupt()

    def interrupt(self) -> None:
        """Forget the motion, but not the noise: there is a hole in the signal."""
        self._samples: deque[tuple[float, float, F64]] = deque()
        self._waiting: deque[tuple[float, F64]] = deque()
        self._last_s: float | None = None
        self.shapes = 0
        """How many of `SHAPES`, from the first on, have room in what was seen since then."""

    def push(self, time_s: float, lag_s: float, channels: F64) -> Match | None:
        """`channels` (c,): motion since the reference frame, percent of the eye distance."""
        self._samples.append((time_s, lag_s, channels))
        while len(self._samples) > 2 and self._samples[1][0] < time_s - WINDOW_S:
            self._samples.popleft()
        self.shapes = int(np.searchsorted(_SPANS_S, time_s - self._samples[0][0] + 1e-6, "right"))
        if not self.shapes:
            return None
        rise, fall, variance = _RISE[: self.shapes], _FALL[: self.shapes], self._variance[: self.shapes]
        times = np.array([sample[0] for sample in self._samples])
        lags = np.array([sample[1] for sample in self._samples])
        motion = np.array([sample[2] for sample in self._samples])
        since = times - (time_s - TAIL_S) + rise + fall
        pulse = _pulse(since, rise, fall) - _pulse(since - lags, rise, fall)
        weight = np.maximum((pulse**2).sum(axis=1, keepdims=True), _TINY)
        amplitude = pulse @ motion / weight
        energy = (since >= 0.0).astype(np.float64) @ motion**2
        precision = 1.0 / np.maximum(variance, self._floor**2)
        self._learn(time_s, amplitude)
        return self._match(amplitude, weight, energy, precision)

    def _match(self, z: F64, weight: F64, energy: F64, precision: F64) -> Match:
        templates, squared, part = self._templates.T, self._squared.T, self._part.T
        white = z * precision
        projected, norm = white @ templates, np.maximum(precision @ squared, _TINY)
        in_part, norm_part = white @ (templates * part), np.maximum(precision @ (squared * part), _TINY)
        total, window = white * z, energy * precision
        shared, shared_part = projected**2 / norm, in_part**2 / norm_part
        all_energy = np.maximum(window.sum(axis=1, keepdims=True), _TINY)
        return Match(
            amplitude=projected / norm,
            signal=projected / np.sqrt(norm),
            coherence=shared / np.maximum(total.sum(axis=1, keepdims=True), _TINY),
            part_coherence=shared_part / np.maximum(total @ part, _TINY),
            explained=np.minimum(shared * weight / all_energy, 1.0),
            part_explained=np.minimum(shared_part * weight / np.maximum(window @ part, _TINY), 1.0),
            precision=precision,
            energy=all_energy[:, 0],
            response=norm * weight,
            channels=z,
            covariance=self._covariance,
        )

    def _learn(self, time_s: float, amplitude: F64) -> None:
        """Running mean square of the amplitudes, some time ago; clipped, so that an event moves it little."""
        self._waiting.append((time_s, amplitude))
        # one sample counts for much at first, and must be over before it does
        guard_s = self._guard_s * (1.0 if self.seen_s[0] >= _EARLY_S else 2.0)
        while self._waiting[0][0] <= time_s - guard_s:
            at_s, old = self._waiting.popleft()
            step_s = 0.0 if self._last_s is None else min(at_s - self._last_s, 0.1)
            self._last_s = at_s
            known = len(old)
            self.seen_s[:known] += step_s
            share = 1.0 - np.exp(-step_s / np.clip(self.seen_s[:known, None], 0.1, self._noise_s))
            limit = 9.0 * np.maximum(self._variance[:known], self._floor**2)
            self._variance[:known] += share * (np.minimum(old**2, limit) - self._variance[:known])
            if known <= USUAL_SHAPE:
                continue
            typical = np.clip(old[USUAL_SHAPE], -np.sqrt(limit[USUAL_SHAPE]), np.sqrt(limit[USUAL_SHAPE]))
            change = np.outer(typical, typical) - self._covariance
            self._covariance = self._covariance + share[USUAL_SHAPE] * change


def halves(since_s: F64, lag_s: F64, g: int, along: F64) -> tuple[float, float]:
    """Amplitude of pulse g in its way out and in its way back, each by itself.

    `since_s`, `lag_s` and `along`, all (n,): time since the onset, the lag, and the motion along a template.
    """
    rise_s, fall_s = _RISE[g], _FALL[g]
    pulse = _pulse(since_s, rise_s, fall_s) - _pulse(since_s - lag_s, rise_s, fall_s)
    out, back = (pulse * (pulse * sign > 0.0) for sign in (1.0, -1.0))
    first, second = (float(part @ along) / max(float(part @ part), _TINY) for part in (out, back))
    return first, second


def _pulse(since: F64, rise: F64, fall: F64) -> F64:
    """Raised cosines up and down: (g, n) for (g, n) times since the onset and (g, 1) lengths, s."""
    rising = 0.5 - 0.5 * np.cos(np.pi * since / rise)
    falling = 0.5 + 0.5 * np.cos(np.pi * (since - rise) / fall)
    inside = (since > 0.0) & (since < rise + fall)
    return np.where(inside, np.where(since < rise, rising, falling), 0.0)
