"""What is planted when: events at seeded times, away from each other, wherever a face is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from offline.planting.track import FaceTrack
from offline.synthesis import schedule
from offline.synthesis.fields import draw_expression
from offline.synthesis.recipes import FOUR_CLASSES, MIXTURES
from offline.synthesis.render import FACE_WIDTH_UNITS
from offline.synthesis.schedule import Pulse
from offline.synthesis.stream import MOST_PERCENT
from realtime.errors import UsageError
from realtime.types import Side

REFERENCE_WIDTH_PX = 200.0
"""Face width on which amplitudes in pixels are stated, whatever the width of the face at hand."""
DEFAULT_AMPLITUDES_PX = (0.4, 0.6, 0.8, 1.2, 1.6, 2.4)


@dataclass(frozen=True, slots=True)
class PlantingPlan:
    """What to plant into a recording. Raises UsageError for values out of their range."""

    amplitudes_px: tuple[float, ...] = DEFAULT_AMPLITUDES_PX
    """Largest displacement of an event, px on a face of 200 px; each is used equally often."""
    classes: tuple[str, ...] = FOUR_CLASSES
    side: Side | None = None
    """The side that moves; None leaves it to chance, as in CASME II (17 % one-sided)."""
    seed: int = 0
    lead_s: float = 0.6
    """Time from the face's first appearance to the first onset, s."""
    spacing_s: float = 0.7
    """Least time between two events, s."""
    tail_s: float = 0.1
    """Time from the last offset to the face's disappearance, s."""

    def __post_init__(self) -> None:
        most_px = MOST_PERCENT / 100.0 * REFERENCE_WIDTH_PX
        unknown = [label for label in self.classes if label not in MIXTURES]
        checks = (
            (bool(self.amplitudes_px), "no amplitude to plant: name one or more"),
            (
                all(0.0 < px <= most_px for px in self.amplitudes_px),
                f"amplitudes must be above 0 and at most {most_px:g} px on a face of 200 px",
            ),
            (bool(self.classes) and not unknown, f"classes {unknown}: use some of {', '.join(MIXTURES)}"),
            (self.seed >= 0, f"seed is {self.seed}: use 0 or more"),
            (min(self.lead_s, self.spacing_s, self.tail_s) >= 0.0, "times must be 0 or more"),
        )
        for good, message in checks:
            if not good:
                raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Planted:
    """One event that is planted."""

    pulse: Pulse
    """Its course in time and its field; the strength is in percent of the face's width."""
    apex_s: float
    amplitude_px: float
    """Largest displacement, px on a face of 200 px."""


def draw_events(track: FaceTrack, plan: PlantingPlan) -> tuple[Planted, ...]:
    """Draw as many events as there is room for, in order of time; each seed gives other ones."""
    rng = np.random.default_rng([plan.seed, 11])
    amplitudes: list[float] = []
    events: list[Planted] = []
    for first, last in track.stretches():
        start_s = float(track.time_s[first]) + plan.lead_s
        end_s = float(track.time_s[last]) - plan.tail_s
        while True:
            if not amplitudes:
                amplitudes = rng.permutation(np.array(plan.amplitudes_px)).tolist()
            pulse = _draw_pulse(rng, plan, amplitudes[-1])
            # the slack is what is left over when this event and its spacing have been taken in
            slack_s = end_s - start_s - pulse.length_s
            if slack_s < 0.0:
                break
            wait_s = float(rng.uniform(0.0, min(slack_s, plan.spacing_s)))
            pulse = pulse.at(start_s + wait_s)
            events.append(Planted(pulse, pulse.start_s + pulse.rise_s, amplitudes.pop()))
            start_s = pulse.end_s + plan.spacing_s
    return tuple(events)


def _draw_pulse(rng: np.random.Generator, plan: PlantingPlan, amplitude_px: float) -> Pulse:
    percent = amplitude_px / REFERENCE_WIDTH_PX * 100.0
    label = str(rng.choice(plan.classes))
    pulse = schedule.draw_micro(rng, label, (percent, percent))
    return (
        pulse if plan.side is None else replace(pulse, expression=draw_expression(rng, label, side=plan.side))
    )


def face_units(pulse: Pulse) -> float:
    """Largest displacement of a pulse in face units."""
    return pulse.strength / 100.0 * FACE_WIDTH_UNITS
