"""The conditions by name. Each makes a stream and its truth from a seed, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.spotting.modifiers import (
    Compressed,
    Dropped,
    Leaving,
    Lit,
    Modified,
    SideBySide,
    VariableRate,
)
from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, Confounders, StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from realtime.config import PipelineConfig
from realtime.faces import TrackerConfig
from realtime.types import FrameSource

PARTS = {"tuning": 100_000, "final": 300_000}
"""First seed of each part. Settings may be chosen on the first; the second only gives the final figure, and
moves on where a setting was chosen with its figure in sight (200,000 was)."""
SIZE = {"width": 360, "height": 300, "face_width_px": 180.0}
_ONE = Confounders(
    macro_expressions=False, gaze=False, head_turns=False, light_steps=False, blinks=False, talking=False
)
"""Noise and sway alone, to which a scenario adds what it is about."""

Wrap = Callable[[FrameSource, Truth, int], tuple[FrameSource, Truth]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One condition."""

    fps: float
    confounders: Confounders = CALM
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the `StreamPlan`."""
    wrap: Wrap | None = None
    """What happens to the stream on its way."""
    faces: int = 1

    def open(self, seed: int, seconds: float, events: int) -> tuple[FrameSource, Truth]:
        """The stream of a seed, and its truth."""
        if self.faces == 2:
            (left, true_left), (right, true_right) = (
                _stream(self, seed + 50_000 * side, seconds, events) for side in (0, 1)
            )
            both = sorted((*true_left.events, *true_right.events), key=lambda event: event.onset_s)
            confounders = true_left.confounders + true_right.confounders
            return SideBySide(left, right), replace(true_left, events=tuple(both), confounders=confounders)
        source, truth = _stream(self, seed, seconds, events)
        return self.wrap(source, truth, seed) if self.wrap else (source, truth)

    @property
    def config(self) -> PipelineConfig:
        """Settings of the route: the defaults, for as many faces as there are."""
        return PipelineConfig(tracker=TrackerConfig(max_faces=self.faces))


def _stream(scenario: Scenario, seed: int, seconds: float, events: int) -> tuple[FrameSource, Truth]:
    fields: dict[str, Any] = {**SIZE, **scenario.plan}
    plan = StreamPlan(
        make_identity(seed),
        seconds=seconds,
        fps=scenario.fps,
        seed=seed,
        events=events,
        confounders=scenario.confounders,
        **fields,
    )
    stream = SyntheticStream(plan)
    return SyntheticSource(stream), stream.truth


def _leaving(source: FrameSource, truth: Truth, seed: int) -> tuple[FrameSource, Truth]:
    leaving = Leaving(source, truth)
    return leaving, leaving.truth


def _through(make: Callable[[FrameSource, int], Modified]) -> Wrap:
    return lambda source, truth, seed: (make(source, seed), truth)


SCENARIOS: Mapping[str, Scenario] = {
    **{f"calm-{fps}": Scenario(float(fps)) for fps in (25, 30, 60, 100, 200)},
    "still-100": Scenario(100.0, replace(CALM, sway=0.0)),
    "moving-100": Scenario(100.0, replace(CALM, sway=3.0)),
    "weak-100": Scenario(100.0, plan={"amplitude_percent": (0.4, 0.6)}),
    "strong-100": Scenario(100.0, plan={"amplitude_percent": (1.0, 1.5)}),
    "left-100": Scenario(100.0, plan={"side": "left"}),
    "right-100": Scenario(100.0, plan={"side": "right"}),
    "small-face-60": Scenario(60.0, plan={"face_width_px": 65.0}),
    "two-faces-60": Scenario(60.0, faces=2),
    "leaving-60": Scenario(60.0, wrap=_leaving),
    "variable-rate": Scenario(120.0, wrap=_through(VariableRate)),
    "dropped-60": Scenario(60.0, wrap=_through(Dropped)),
    "compressed-60": Scenario(60.0, wrap=_through(lambda source, seed: Compressed(source))),
    "dim-60": Scenario(60.0, wrap=_through(lambda source, seed: Lit(source, seed, level=0.3, noise=3.0))),
    "flicker-60": Scenario(60.0, wrap=_through(lambda source, seed: Lit(source, seed, flicker=0.03))),
    "light-steps-60": Scenario(60.0, replace(_ONE, light_steps=True)),
    "blinks-100": Scenario(100.0, replace(_ONE, blinks=True)),
    "gaze-60": Scenario(60.0, replace(_ONE, gaze=True)),
    "talking-60": Scenario(60.0, replace(_ONE, talking=True)),
    "macro-60": Scenario(60.0, replace(_ONE, macro_expressions=True)),
    "head-turns-60": Scenario(60.0, replace(_ONE, head_turns=True)),
    "busy-60": Scenario(60.0, replace(Confounders(), talking=True), plan={"busy": True}),
    "all-30": Scenario(30.0, replace(Confounders(), talking=True)),
    "all-200": Scenario(200.0, replace(Confounders(), talking=True)),
}
"""Every condition; the number in a name is the frame rate."""
