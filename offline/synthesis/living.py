"""A living face: it talks, nods, turns, blinks and smiles, with micro-expressions in the midst of it.

`stream` sets its happenings apart, so that each can be counted; here they overlap as they do on a face
that is doing something else. Talking is a jaw that opens three to six times a second (Chandrasekaran et
al. 2009 give 2–7 Hz) and a mouth that changes its shape a little more slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from offline.synthesis import schedule
from offline.synthesis.fields import draw_expression
from offline.synthesis.identities import make_identity
from offline.synthesis.recipes import FOUR_CLASSES
from offline.synthesis.render import FACE_WIDTH_UNITS, FaceState, FieldTable, FrameRenderer
from offline.synthesis.schedule import Pulse
from offline.synthesis.sensor import Sensor
from offline.synthesis.stream import MOST_PERCENT, Sway
from realtime.errors import UsageError
from realtime.types import U8

_JAW = (("AU26", 1.0), ("AU25", 0.7))
_SHAPES = ("AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU24")
_GESTURES = ("x", "y", "roll", "yaw", "pitch")
_LEAD_S = 1.0
_APART_S = 0.7


@dataclass(frozen=True, slots=True)
class LivingPlan:
    """What to render. Raises UsageError for values outside their range."""

    seed: int = 0
    identity: int = 0
    """Number of the synthetic identity."""
    seconds: float = 20.0
    fps: float = 30.0
    face_width_px: float = 90.0
    liveliness: float = 0.5
    """0: sits still and is silent; 1: talks and gestures a lot."""
    events_per_minute: float = 30.0
    """Micro-expressions that are tried; those without room are left out."""
    amplitude_percent: tuple[float, float] = (0.2, 1.6)
    """Range of the largest displacement of a micro-expression, percent of the face's width, drawn
    evenly on a log scale."""
    noise: float = 1.5
    """Standard deviation of the sensor's noise, grey levels."""

    def __post_init__(self) -> None:
        low, high = self.amplitude_percent
        checks = (
            (self.seed >= 0, f"seed is {self.seed}: use 0 or more"),
            (self.seconds >= 2.0, f"{self.seconds:g} s is too short: use 2 s or more"),
            (25.0 <= self.fps <= 200.0, f"fps is {self.fps:g}: use 25 to 200"),
            (self.face_width_px >= 40.0, f"face width is {self.face_width_px:g} px: use 40 or more"),
            (0.0 <= self.liveliness <= 1.0, f"liveliness is {self.liveliness:g}: use 0 to 1"),
            (self.events_per_minute >= 0.0, "events per minute must be 0 or more"),
            (0.0 < low <= high <= MOST_PERCENT, f"amplitudes must lie above 0, up to {MOST_PERCENT:g} %"),
        )
        for good, message in checks:
            if not good:
                raise UsageError(message)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, pixels."""
        return int(2.0 * self.face_width_px) * 2, int(1.8 * self.face_width_px) * 2


class LivingStream:
    """A rendered living face; `events` are its micro-expressions in order of time."""

    def __init__(self, plan: LivingPlan) -> None:
        self.plan = plan
        rng = np.random.default_rng([plan.seed, 21])
        self.events = _draw_events(rng, plan)
        self.moves = (*self.events, *_draw_talking(rng, plan), *_draw_macros(rng, plan))
        self.others = (*_draw_gestures(rng, plan), *_draw_eyes_and_light(rng, plan))
        self._sway = Sway.draw(rng, float(rng.uniform(0.5, 1.5 + 5.0 * plan.liveliness)))
        self._tables = {id(pulse): FieldTable(pulse.expression) for pulse in self.moves if pulse.expression}

    def state(self, time_s: float) -> FaceState:
        """What the face does at a time."""
        x, y, roll, scale, yaw, pitch = self._sway.at(time_s)
        turn, nod = self._sum("yaw", time_s), self._sum("pitch", time_s)
        return FaceState(
            x=x + self._sum("x", time_s) + 0.5 * turn,
            y=y + self._sum("y", time_s),
            roll=roll + 0.3 * self._sum("roll", time_s),
            scale=1.0 + scale,
            yaw=yaw + turn,
            pitch=pitch + nod,
            moves=tuple(
                (self._tables[id(pulse)], pulse.strength / 100.0 * FACE_WIDTH_UNITS * level)
                for pulse in self.moves
                if (level := pulse.level(time_s)) > 0.0
            ),
            closure=min(1.0, self._sum("blink", time_s)),
            gaze=float(np.clip(self._sum("gaze", time_s), -0.08, 0.08)),
            brightness=1.0 + self._sum("light_step", time_s),
        )

    def frames(self) -> Iterator[tuple[float, U8]]:
        """Time in s and BGR uint8 (height, width, 3) of each frame. Each call renders them anew."""
        plan = self.plan
        renderer = FrameRenderer(make_identity(plan.identity), plan.size, plan.face_width_px)
        sensor = Sensor(np.random.default_rng([plan.seed, 22]), plan.size, plan.noise)
        for index in range(round(plan.seconds * plan.fps)):
            time_s = index / plan.fps
            yield time_s, sensor.expose(renderer.render(self.state(time_s)))

    def _sum(self, kind: str, time_s: float) -> float:
        return sum(p.strength * p.level(time_s) for p in self.others if p.kind == kind)


def _draw_events(rng: np.random.Generator, plan: LivingPlan) -> tuple[Pulse, ...]:
    low, high = np.log(plan.amplitude_percent)
    placed: list[Pulse] = []
    time_s = _LEAD_S
    mean_gap_s = 60.0 / plan.events_per_minute if plan.events_per_minute else np.inf
    while True:
        time_s += _APART_S + float(rng.exponential(1.0)) * max(mean_gap_s - _APART_S - 0.35, 0.1)
        amplitude = float(np.exp(rng.uniform(low, high)))
        pulse = schedule.draw_micro(rng, str(rng.choice(FOUR_CLASSES)), (amplitude, amplitude)).at(time_s)
        if not pulse.end_s < plan.seconds - 0.5:
            return tuple(placed)
        placed.append(pulse)
        time_s = pulse.end_s


def _draw_talking(rng: np.random.Generator, plan: LivingPlan) -> list[Pulse]:
    """Bouts of 1.2–7 s; a silent face has none."""
    if plan.liveliness < 0.15 or rng.random() > 0.8:
        return []
    pulses: list[Pulse] = []
    time_s = float(rng.uniform(0.5, 3.0))
    while time_s < plan.seconds:
        end_s = time_s + float(rng.uniform(1.2, 7.0))
        strength = float(np.exp(rng.normal(0.0, 0.3))) * (0.5 + 2.5 * plan.liveliness)
        for unit, share in _JAW:
            pulses += _syllables(rng, (unit,), (time_s, end_s), (0.16, 0.32), share * strength)
        pulses += _syllables(rng, _SHAPES, (time_s, end_s), (0.25, 0.6), 0.6 * strength)
        time_s = end_s + float(rng.uniform(0.5, 5.0))
    return pulses


def _syllables(
    rng: np.random.Generator,
    units: Sequence[str],
    span_s: tuple[float, float],
    period_s: tuple[float, float],
    strength: float,
) -> list[Pulse]:
    """Overlapping pulses of one action unit each, as one follows the other without rest."""
    pulses, (time_s, end_s) = [], span_s
    while time_s < end_s:
        step_s = float(rng.uniform(*period_s))
        rise, hold, fall = (rng.uniform([0.5, 0.0, 0.5], [0.9, 0.3, 0.9]) * step_s).tolist()
        size = min(strength * float(np.exp(rng.normal(0.0, 0.35))), MOST_PERCENT)
        expression = draw_expression(rng, None, [str(rng.choice(list(units)))], "both")
        pulses.append(Pulse("talking", time_s, rise, hold, fall, size, expression))
        time_s += step_s
    return pulses


def _draw_macros(rng: np.random.Generator, plan: LivingPlan) -> list[Pulse]:
    count = rng.poisson(plan.seconds * 0.06 * (1.0 + plan.liveliness))
    return [
        schedule.draw_macro(rng, str(rng.choice(FOUR_CLASSES))).at(_any_time(rng, plan)) for _ in range(count)
    ]


def _draw_gestures(rng: np.random.Generator, plan: LivingPlan) -> list[Pulse]:
    """Nods, shakes and shifts of the head: one to four swings each."""
    pulses = []
    for _ in range(rng.poisson(plan.seconds * 0.35 * (0.3 + plan.liveliness))):
        kind, start_s = str(rng.choice(_GESTURES)), _any_time(rng, plan)
        period_s = float(rng.uniform(0.3, 1.2))
        size = float(rng.uniform(-0.15, 0.15)) * (0.3 + plan.liveliness)
        for swing in range(int(rng.integers(1, 5))):
            fall_s = 0.5 * period_s * float(rng.uniform(0.8, 1.5))
            pulses.append(Pulse(kind, start_s + swing * period_s, 0.5 * period_s, 0.0, fall_s, size))
            size *= -0.8
    return pulses


def _draw_eyes_and_light(rng: np.random.Generator, plan: LivingPlan) -> list[Pulse]:
    rates = ((0.3, schedule.draw_blink), (0.2, schedule.draw_gaze), (0.03, schedule.draw_light_step))
    return [
        draw(rng).at(_any_time(rng, plan))
        for rate, draw in rates
        for _ in range(rng.poisson(plan.seconds * rate))
    ]


def _any_time(rng: np.random.Generator, plan: LivingPlan) -> float:
    return float(rng.uniform(0.0, plan.seconds))


def draw_plan(seed: int) -> LivingPlan:
    """A plan with everything drawn: identity, frame rate, size, liveliness and noise."""
    rng = np.random.default_rng([seed, 23])
    fps = float(rng.choice([25.0, 30.0, 30.0, 30.0, 50.0]))
    return LivingPlan(
        seed=seed,
        identity=seed,
        seconds=16.0,
        fps=fps,
        face_width_px=float(np.exp(rng.uniform(np.log(55.0), np.log(110.0)))),
        liveliness=float(rng.uniform()) ** 1.5,
        noise=float(rng.uniform(0.7, 2.5)),
    )
