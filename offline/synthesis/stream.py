"""Labelled streams: a plan becomes frames and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from offline.synthesis import schedule
from offline.synthesis.fields import Expression, Side
from offline.synthesis.identities import Identity
from offline.synthesis.recipes import FOUR_CLASSES, MIXTURES
from offline.synthesis.render import FACE_WIDTH_UNITS, FaceState, FieldTable, FrameRenderer
from offline.synthesis.schedule import Pulse
from offline.synthesis.sensor import Sensor
from offline.synthesis.truth import Confounder, TrueEvent, Truth
from realtime.errors import UsageError
from realtime.types import U8

MOST_PERCENT = 3.5
"""Beyond this the narrowest action units would fold the skin over."""


@dataclass(frozen=True, slots=True)
class Confounders:
    """What else happens; each can be switched off."""

    noise: float = 1.5
    """Standard deviation of the sensor's noise in grey levels, >= 0."""
    sway: float = 1.0
    """Strength of the head's constant small motion; 1 is that of a person sitting still, 0 none."""
    flicker: float = 0.004
    """Relative amplitude of the light's flicker, 0 none."""
    blinks: bool = True
    macro_expressions: bool = True
    gaze: bool = True
    head_turns: bool = True
    light_steps: bool = True
    talking: bool = False


NO_CONFOUNDERS = Confounders(0.0, 0.0, 0.0, False, False, False, False, False)
"""A face that does nothing but its micro-expressions, without noise."""
CALM = Confounders(macro_expressions=False, gaze=False, head_turns=False, light_steps=False)
"""Noise, sway and blinks."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What to render. Raises UsageError for values outside their range."""

    identity: Identity
    seconds: float = 20.0
    fps: float = 100.0
    """25..200."""
    width: int = 640
    height: int = 480
    face_width_px: float = 180.0
    """40 px to the width of the picture."""
    seed: int = 0
    events: int = 5
    """Number of micro-expressions."""
    classes: tuple[str, ...] = FOUR_CLASSES
    amplitude_percent: tuple[float, float] = (0.4, 1.5)
    """Range of the largest displacement, percent of the face's width."""
    confounders: Confounders = field(default_factory=Confounders)
    busy: bool = False
    """Let confounders overlap with micro-expressions."""
    side: Side | None = None
    """The side of the person that micro-expressions move; None leaves it to chance."""

    def __post_init__(self) -> None:
        low, high = self.amplitude_percent
        unknown = [label for label in self.classes if label not in MIXTURES]
        checks = (
            (25.0 <= self.fps <= 200.0, f"fps is {self.fps:g}: use 25 to 200"),
            (self.seconds >= 2.0, f"a stream of {self.seconds:g} s is too short: use 2 s or more"),
            (self.width >= 160 and self.height >= 120, "the picture is too small: use 160×120 or more"),
            (
                40.0 <= self.face_width_px <= min(self.width, self.height),
                f"face width is {self.face_width_px:g} px: use 40 to the picture's shorter side",
            ),
            (
                0.0 < low <= high <= MOST_PERCENT,
                f"amplitude is {low:g} to {high:g} %: use 0 < low <= high <= {MOST_PERCENT:g}",
            ),
            (self.events >= 0, f"{self.events} events: use 0 or more"),
            (self.seed >= 0, f"seed is {self.seed}: use 0 or more"),
            (bool(self.classes) and not unknown, f"classes {unknown}: use some of {', '.join(MIXTURES)}"),
        )
        for good, message in checks:
            if not good:
                raise UsageError(message)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)


@dataclass(frozen=True, slots=True)
class Sway:
    """The head's constant small motion: sums of slow sines, so that any time can be asked for."""

    amplitude: tuple[tuple[float, ...], ...]
    """(6 motions, 3 sines): x, y (face units), roll (rad), scale, yaw, pitch (sines of angles)."""
    frequency_hz: tuple[tuple[float, ...], ...]
    phase: tuple[tuple[float, ...], ...]

    SIZES: ClassVar[tuple[float, ...]] = (0.02, 0.015, 0.006, 0.004, 0.012, 0.012)

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> Sway:
        amplitude = rng.uniform(0.3, 0.7, (6, 3)) * np.array(cls.SIZES)[:, None] * strength
        return cls(
            tuple(map(tuple, amplitude.tolist())),
            tuple(map(tuple, rng.uniform(0.06, 0.55, (6, 3)).tolist())),
            tuple(map(tuple, rng.uniform(0.0, 2.0 * np.pi, (6, 3)).tolist())),
        )

    def at(self, time_s: float) -> tuple[float, ...]:
        """The six motions at a time."""
        turns = 2.0 * np.pi * np.array(self.frequency_hz) * time_s + np.array(self.phase)
        return tuple((np.array(self.amplitude) * np.sin(turns)).sum(axis=1).tolist())


class SyntheticStream:
    """A rendered stream: its truth at once, its frames one by one."""

    def __init__(self, plan: StreamPlan) -> None:
        """Raises UsageError where the events do not fit into the time."""
        self.plan = plan
        self._pulses = _draw_pulses(plan)
        self._sway = Sway.draw(np.random.default_rng([plan.seed, 2]), plan.confounders.sway)
        rng = np.random.default_rng([plan.seed, 4])
        spells = [pulse for pulse in self._pulses if pulse.kind == "talking"]
        self._moves = (*self._pulses, *(s for spell in spells for s in schedule.draw_syllables(rng, spell)))
        self._tables = {id(p): FieldTable(p.expression) for p in self._moves if p.expression}
        self.truth = _truth(plan, self._pulses)

    @property
    def micro_expressions(self) -> tuple[Expression, ...]:
        """What moves in each micro-expression, in the order of the truth's."""
        return tuple(p.expression for p in self._pulses if p.kind == "micro_expression" and p.expression)

    def state(self, time_s: float) -> FaceState:
        """What the face does at a time."""
        x, y, roll, scale, yaw, pitch = self._sway.at(time_s)
        turn = self._sum("head_turn", time_s)
        return FaceState(
            x=x + 0.5 * turn,
            y=y,
            roll=roll + 0.1 * turn,
            scale=1.0 + scale,
            yaw=yaw + turn,
            pitch=pitch,
            moves=tuple(
                (self._tables[id(pulse)], pulse.strength / 100.0 * FACE_WIDTH_UNITS * level)
                for pulse in self._moves
                if pulse.expression and (level := pulse.level(time_s)) > 0.0
            ),
            closure=min(1.0, self._sum("blink", time_s)),
            gaze=self._sum("gaze", time_s),
            brightness=1.0 + self._sum("light_step", time_s) + self._flicker(time_s),
        )

    def frames(self) -> Iterator[U8]:
        """The frames: BGR uint8 (height, width, 3). Each call renders the same ones anew."""
        plan = self.plan
        renderer = FrameRenderer(plan.identity, (plan.width, plan.height), plan.face_width_px)
        sensor = Sensor(
            np.random.default_rng([plan.seed, 3]), (plan.width, plan.height), plan.confounders.noise
        )
        for index in range(plan.frames):
            yield sensor.expose(renderer.render(self.state(index / plan.fps)))

    def _sum(self, kind: str, time_s: float) -> float:
        return sum(p.strength * p.level(time_s) for p in self._pulses if p.kind == kind)

    def _flicker(self, time_s: float) -> float:
        # Mains light at 100 Hz beats against the frame rate; what is left is slow.
        return self.plan.confounders.flicker * float(np.sin(2.0 * np.pi * 1.3 * time_s))


def _draw_pulses(plan: StreamPlan) -> tuple[Pulse, ...]:
    rng = np.random.default_rng([plan.seed, 1])
    offset = int(rng.integers(len(plan.classes)))
    micros = [
        schedule.draw_micro(
            rng, plan.classes[(index + offset) % len(plan.classes)], plan.amplitude_percent, plan.side
        )
        for index in range(plan.events)
    ]
    others = _draw_confounders(rng, plan)
    if plan.busy:
        placed = schedule.place(rng, micros, (), plan.seconds) + schedule.place(rng, (), others, plan.seconds)
    else:
        placed = schedule.place(rng, micros, others, plan.seconds)
    return tuple(sorted(placed, key=lambda pulse: pulse.start_s))


def _draw_confounders(rng: np.random.Generator, plan: StreamPlan) -> Sequence[Pulse]:
    """Confounders at natural rates, in random order."""
    on = plan.confounders
    rates: tuple[tuple[bool, float, Callable[[], Pulse]], ...] = (
        (on.blinks, 15.0, lambda: schedule.draw_blink(rng)),
        (on.macro_expressions, 5.0, lambda: schedule.draw_macro(rng, str(rng.choice(plan.classes)))),
        (on.gaze, 6.0, lambda: schedule.draw_gaze(rng)),
        (on.head_turns, 3.0, lambda: schedule.draw_head_turn(rng)),
        (on.light_steps, 3.0, lambda: schedule.draw_light_step(rng)),
        (on.talking, 6.0, lambda: schedule.draw_talking(rng)),
    )
    drawn = [
        draw()
        for wanted, per_minute, draw in rates
        if wanted
        for _ in range(max(1, round(per_minute * plan.seconds / 60.0)))
    ]
    return [drawn[index] for index in rng.permutation(len(drawn))]


def _truth(plan: StreamPlan, pulses: Sequence[Pulse]) -> Truth:
    return Truth(
        fps=plan.fps,
        frames=plan.frames,
        width=plan.width,
        height=plan.height,
        seed=plan.seed,
        identity=plan.identity.name,
        events=tuple(_event(pulse, plan.fps) for pulse in pulses if pulse.expression),
        confounders=tuple(
            Confounder(pulse.kind, round(pulse.start_s, 6), round(pulse.end_s, 6))
            for pulse in pulses
            if not pulse.expression
        ),
    )


def _event(pulse: Pulse, fps: float) -> TrueEvent:
    assert pulse.expression is not None
    apex = pulse.start_s + pulse.rise_s + 0.5 * pulse.hold_s
    return TrueEvent(
        kind="micro_expression" if pulse.kind == "micro_expression" else "macro_expression",
        label=pulse.expression.label,
        onset_s=round(pulse.start_s, 6),
        apex_s=round(apex, 6),
        offset_s=round(pulse.end_s, 6),
        onset_frame=round(pulse.start_s * fps),
        apex_frame=round(apex * fps),
        offset_frame=round(pulse.end_s * fps),
        action_units=pulse.expression.action_units,
        side=pulse.expression.side,
        amplitude_percent=round(pulse.strength, 4),
    )
