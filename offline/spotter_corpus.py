"""What the spotter's network learns from: living motion with known events, drawn or seen by the route.

All of it is synthetic. Direct motion (`synthesis.living_motion`) is cheap and has more variety than any
picture; rendered faces, onto which events are planted, have the flow, mesh and camera of the real route.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from offline.planting import PlantedSource, PlantingPlan, draw_events, track_face
from offline.synthesis.hosts import HostKind, render_host
from offline.synthesis.living import LivingPlan, LivingStream
from offline.synthesis.living_motion import living_motions
from realtime.config import PipelineConfig
from realtime.pipeline import Pipeline
from realtime.spotting import Spotter
from realtime.spotting.network import blank_weights
from realtime.spotting.signal import STEP_S
from realtime.types import F32, F64, FrameSource, Motion

HOST_AMPLITUDES_PX = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 2.8)


class Event(NamedTuple):
    """A micro-expression: its times, s, and its largest displacement, percent of the face's width."""

    onset_s: float
    apex_s: float
    offset_s: float
    percent: float


class Seen(NamedTuple):
    """What the route measured of a recording, and the events in it."""

    motions: Sequence[Motion]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A stretch of the network's input without a hole, and the events in it."""

    time_s: F64
    """(n,)"""
    rows: F32
    """(n, INPUTS)"""
    events: tuple[Event, ...]


def passages(seen: Seen) -> list[Passage]:
    """What the live spotter's network is shown of it; longer holes than the route bears end a passage."""
    max_gap_s = PipelineConfig().max_gap_s
    found: list[list[tuple[float, F64]]] = [[]]
    spotter, last_s = Spotter(weights=blank_weights()), -np.inf
    for motion in seen.motions:
        if motion.time_s - last_s > max_gap_s:
            spotter.reset()
        last_s = motion.time_s
        spotter.push(motion)
        for row in spotter.rows:
            if found[-1] and row.time_s - found[-1][-1][0] > 1.5 * STEP_S:
                found.append([])
            found[-1].append(row)
    return [
        Passage(
            np.array([t for t, _ in part]), np.array([v for _, v in part], np.float32), tuple(seen.events)
        )
        for part in found
        if part
    ]


def draw_motion_plan(seed: int, seconds: float = 60.0) -> LivingPlan:
    """A living face whose motion is made directly: frame rate and liveliness drawn."""
    rng = np.random.default_rng([seed, 24])
    fps = float(rng.choice([25.0, 30.0, 30.0, 60.0]))
    return LivingPlan(seed=seed, seconds=seconds, fps=fps, liveliness=float(rng.uniform()) ** 1.5)


def direct_motion(seed: int, seconds: float = 60.0) -> Seen:
    """Living motion made directly, its events in it."""
    stream = LivingStream(draw_motion_plan(seed, seconds))
    events = [
        Event(e.start_s, e.start_s + e.rise_s + 0.5 * e.hold_s, e.end_s, e.strength) for e in stream.events
    ]
    return Seen(tuple(living_motions(stream)), events)


def rendered_motion(kind: HostKind, seed: int, rounds: int, seconds: float = 20.0) -> list[Seen]:
    """A rendered face as the route sees it, first untouched, then with events planted, `rounds` times."""
    host = render_host(kind, seed, seconds)
    found = [Seen(tuple(_seen(host)), ())]
    if not rounds:
        return found
    track = track_face(host)
    for number in range(rounds):
        plan = PlantingPlan(amplitudes_px=HOST_AMPLITUDES_PX, seed=10 * seed + number)
        planted = draw_events(track, plan)
        events = [
            Event(e.pulse.start_s, e.apex_s, e.pulse.end_s, e.amplitude_px / 2.0)  # of a face of 200 px
            for e in planted
        ]
        found.append(Seen(tuple(_seen(PlantedSource(host, track, planted))), events))
    return found


def _seen(source: FrameSource) -> Iterator[Motion]:
    """The motions that the live route measures."""
    with source, Pipeline() as pipeline:
        for frame in source:
            pipeline.push(frame)
            for row in pipeline.observations:
                yield from row.motions
