"""When what happens in a synthetic stream: events and confounders drawn and set apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.synthesis.fields import Expression, Side, draw_expression
from realtime.errors import UsageError

LEAD_S = 1.0
"""Nothing happens before this time, so that a causal detector has seen the face at rest."""
MARGIN_S = 0.7
"""Least time between two happenings."""
MICRO_LONGEST_S = 0.5


@dataclass(frozen=True, slots=True)
class Pulse:
    """Something that rises smoothly, may hold, and falls again."""

    kind: str
    """"micro_expression", "macro_expression", "blink", "gaze", "head_turn", "light_step" or "talking"."""
    start_s: float
    """Onset; the next times are relative to it."""
    rise_s: float
    hold_s: float
    fall_s: float
    """0 where it stays as it is from then on."""
    strength: float
    """Percent of the face's width for expressions; closure, face units, yaw or share of light else."""
    expression: Expression | None = None

    @property
    def length_s(self) -> float:
        return self.rise_s + self.hold_s + self.fall_s

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s

    def level(self, time_s: float) -> float:
        """Share of the strength at a time, 0..1: raised cosines up and down."""
        since = time_s - self.start_s
        if since <= 0.0:
            return 0.0
        if since < self.rise_s:
            return _raised_cosine(since / self.rise_s)
        if self.fall_s == 0.0 or since <= self.rise_s + self.hold_s:
            return 1.0
        left = (self.length_s - since) / self.fall_s
        return _raised_cosine(left) if left > 0.0 else 0.0

    def at(self, start_s: float) -> Pulse:
        return Pulse(
            self.kind, start_s, self.rise_s, self.hold_s, self.fall_s, self.strength, self.expression
        )


def _raised_cosine(share: float) -> float:
    return 0.5 - 0.5 * float(np.cos(np.pi * share))


def draw_micro(
    rng: np.random.Generator, label: str, amplitude_percent: tuple[float, float], side: Side | None = None
) -> Pulse:
    """A micro-expression with the timing of CASME II's coding; `side` None leaves it to chance.

    Onset→apex has median 150 ms and 5–95 % at 75–325 ms, the whole lasts 180–500 ms.
    """
    rise = float(np.clip(0.15 * np.exp(rng.normal(0.0, 0.45)), 0.06, 0.33))
    fall = float(np.clip(0.15 * np.exp(rng.normal(0.0, 0.45)), 0.06, MICRO_LONGEST_S - rise))
    fall = max(fall, 0.18 - rise)
    amplitude = float(rng.uniform(*amplitude_percent))
    return Pulse("micro_expression", 0.0, rise, 0.0, fall, amplitude, draw_expression(rng, label, side=side))


def draw_macro(rng: np.random.Generator, label: str) -> Pulse:
    """A macro-expression: 0.8–3 s, 1.5–3.5 % of the face's width."""
    length = float(rng.uniform(0.8, 3.0))
    rise, fall = float(rng.uniform(0.25, 0.4)) * length, float(rng.uniform(0.25, 0.4)) * length
    amplitude = float(rng.uniform(1.5, 3.5))
    hold = length - rise - fall
    return Pulse("macro_expression", 0.0, rise, hold, fall, amplitude, draw_expression(rng, label))


def draw_blink(rng: np.random.Generator) -> Pulse:
    """A blink: shut within 60–120 ms, open within 100–220 ms; some stop half way."""
    closure = float(rng.uniform(0.4, 0.8)) if rng.random() < 0.2 else float(rng.uniform(0.95, 1.0))
    rise, hold, fall = rng.uniform([0.06, 0.0, 0.10], [0.12, 0.05, 0.22])
    return Pulse("blink", 0.0, float(rise), float(hold), float(fall), closure)


def draw_gaze(rng: np.random.Generator) -> Pulse:
    """A look aside and back: saccades of 40–80 ms."""
    rise, hold, fall = rng.uniform([0.04, 0.4, 0.04], [0.08, 1.5, 0.08])
    strength = float(rng.uniform(0.03, 0.07)) * _sign(rng)
    return Pulse("gaze", 0.0, float(rise), float(hold), float(fall), strength)


def draw_head_turn(rng: np.random.Generator) -> Pulse:
    """The head turns aside and back within 1–2.5 s; strength is the sine of the angle."""
    rise, hold, fall = rng.uniform([0.4, 0.2, 0.4], [0.8, 0.9, 0.8])
    return Pulse(
        "head_turn", 0.0, float(rise), float(hold), float(fall), float(rng.uniform(0.1, 0.22)) * _sign(rng)
    )


def draw_light_step(rng: np.random.Generator) -> Pulse:
    """The light changes by 6–20 % within 30–150 ms and comes back after a while."""
    rise, hold, fall = rng.uniform([0.03, 0.8, 0.03], [0.15, 2.0, 0.15])
    return Pulse(
        "light_step", 0.0, float(rise), float(hold), float(fall), float(rng.uniform(0.06, 0.2)) * _sign(rng)
    )


def draw_talking(rng: np.random.Generator) -> Pulse:
    """A spell of speech of 1–3 s; `draw_syllables` says how the mouth moves in it. Strength has no unit."""
    return Pulse("talking", 0.0, 0.1, float(rng.uniform(0.8, 2.8)), 0.1, 1.0)


def draw_syllables(rng: np.random.Generator, spell: Pulse) -> tuple[Pulse, ...]:
    """The movements of lips and jaw during speech: 3 to 7 a second, 0.8–2.5 % of the face's width each.

    Syllables come at a theta rate (Chandrasekaran et al., "The natural statistics of audiovisual speech",
    PLoS Computational Biology 5(7), 2009).
    """
    syllables: list[Pulse] = []
    time_s = spell.start_s
    while True:
        rise, fall = (float(t) for t in rng.uniform(0.06, 0.14, 2))
        if time_s + rise + fall > spell.end_s:
            return tuple(syllables)
        units = _MOUTH_SHAPES[int(rng.integers(len(_MOUTH_SHAPES)))]
        expression = draw_expression(rng, action_units=units, side="both")
        amplitude = float(rng.uniform(0.8, 2.5))
        syllables.append(Pulse("syllable", time_s, rise, 0.0, fall, amplitude, expression))
        time_s += rise + float(rng.uniform(0.3, 1.0)) * fall


_MOUTH_SHAPES = (("AU25", "AU26"), ("AU26",), ("AU25",), ("AU20", "AU25"), ("AU24",), ("AU10", "AU25"))


def place(
    rng: np.random.Generator, must: Sequence[Pulse], may: Sequence[Pulse], seconds: float
) -> tuple[Pulse, ...]:
    """Set pulses apart by `MARGIN_S` in random order; of `may`, only as many as there is room for.

    Raises UsageError where `must` alone does not fit.
    """
    room = seconds - LEAD_S - sum(pulse.length_s + MARGIN_S for pulse in must)
    if room < 0.0:
        raise UsageError(
            f"{len(must)} events do not fit into {seconds:g} s: ask for at least {seconds - room:.1f} s "
            "or fewer events"
        )
    chosen = list(must)
    for pulse in may:
        if pulse.length_s + MARGIN_S <= 0.8 * room:
            chosen.append(pulse)
            room -= pulse.length_s + MARGIN_S
    gaps = room * rng.dirichlet(np.ones(len(chosen) + 1))
    placed, time_s = [], LEAD_S
    for index, gap in zip(rng.permutation(len(chosen)), gaps[:-1], strict=True):
        time_s += float(gap)
        placed.append(chosen[index].at(time_s))
        time_s = placed[-1].end_s + MARGIN_S
    return tuple(placed)


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
