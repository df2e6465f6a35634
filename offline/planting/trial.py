"""The live route over one recording, untouched and planted: what became of every planted event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from offline.metrics import score_spotting
from offline.planting.plan import REFERENCE_WIDTH_PX, Planted, PlantingPlan, draw_events
from offline.planting.source import PlantedSource
from offline.planting.track import FaceTrack, track_face
from offline.synthesis.render import FACE_WIDTH_UNITS
from realtime.config import PipelineConfig
from realtime.pipeline import Pipeline
from realtime.types import F64, FacialEvent, FrameSource, Notice, Unobservable

CALM_PX, MID_PX = 0.3, 0.8
"""Largest residual motion, per lag of the flow, of a calm host and of one in mid-motion; above: busy."""
ACTIVITIES = ("calm", "mid-motion", "busy", "unmeasured")
_PERCENT_TO_PX = REFERENCE_WIDTH_PX / FACE_WIDTH_UNITS / 100.0
"""Percent of the eye distance → pixels on a face of 200 px."""
_AROUND_S = 0.133


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What the live route made of one pass over a recording."""

    events: tuple[FacialEvent, ...]
    time_s: F64
    """(n,) times of the readable frames."""
    residual_px: F64
    """(n,) RMS motion of the face against one lag earlier, head motion removed, px on a face of 200 px;
    NaN where the face was not measured."""
    stretches: tuple[Unobservable, ...]
    """Where the stream says that nothing could have been seen."""
    unobservable: Mapping[str, float]
    """Share of the time of these, by cause."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planted event."""

    recording: str
    amplitude_px: float
    activity: str
    """One of `ACTIVITIES`: what the host did there by himself."""
    residual_px: float | None
    """Median residual motion of the untouched host around the event; None where it was not measured."""
    observable: bool
    """On the untouched recording the stream calls at least half of the event's time observable."""
    action_units: tuple[str, ...]
    side: str
    onset_s: float
    apex_s: float
    offset_s: float
    found: bool
    """A micro-expression was spotted whose interval overlaps with this one at IoU >= 0.5."""
    apex_error_ms: float | None
    """Spotted minus true apex, where found."""


@dataclass(frozen=True, slots=True)
class Trial:
    """All passes over one recording."""

    recording: str
    seconds: float
    """Length of the recording."""
    rounds: int
    outcomes: tuple[Outcome, ...]
    false_alarms: int
    """Micro-expressions of all planted passes that touch no planted event."""
    imprecise: int
    """Micro-expressions of all planted passes that touch a planted event, but are not it."""
    untouched_alarms: int
    """Micro-expressions of the untouched pass."""
    unobservable: Mapping[str, float]
    """Share of the time of the untouched pass, by cause."""


def run_trial(
    name: str,
    open_recording: Callable[[], FrameSource],
    plan: PlantingPlan,
    rounds: int = 1,
    config: PipelineConfig | None = None,
) -> Trial:
    """Track the face, watch the untouched recording, then `rounds` planted ones with seeds counted up."""
    with open_recording() as source:
        track = track_face(source)
    with open_recording() as source:
        untouched = watch(source, config)
    outcomes: list[Outcome] = []
    alarms = imprecise = 0
    for number in range(rounds):
        events = draw_events(track, replace(plan, seed=plan.seed + number))
        with PlantedSource(open_recording(), track, events) as source:
            spotted = micro(watch(source, config).events)
        judged, beside, touching = judge(name, events, spotted, untouched)
        outcomes += judged
        alarms += beside
        imprecise += touching
    return Trial(
        name,
        length_s(track),
        rounds,
        tuple(outcomes),
        alarms,
        imprecise,
        len(micro(untouched.events)),
        untouched.unobservable,
    )


def watch(source: FrameSource, config: PipelineConfig | None = None) -> Watched:
    """Run the live route, without a recogniser, over an open source."""
    events: list[FacialEvent] = []
    times: list[float] = []
    residual: list[float] = []
    notices: list[Notice] = []
    with Pipeline(config) as pipeline:
        for frame in source:
            events += pipeline.push(frame)
            notices += pipeline.notices
            row = pipeline.observation
            if row is not None and row.time_s is not None:
                times.append(row.time_s)
                residual.append(np.nan if row.motion is None else row.motion.residual * _PERCENT_TO_PX)
        events += pipeline.flush()
        notices += pipeline.notices
        return Watched(
            tuple(events),
            np.array(times),
            np.array(residual),
            tuple(notice for notice in notices if isinstance(notice, Unobservable)),
            pipeline.unobservable,
        )


def judge(
    name: str, events: tuple[Planted, ...], spotted: list[FacialEvent], untouched: Watched
) -> tuple[list[Outcome], int, int]:
    """Outcome of every planted event; alarms that touch none; alarms that touch one and miss it."""
    true = [(e.pulse.start_s, e.pulse.end_s) for e in events]
    guesses = [(s.key_frames.onset_s, s.key_frames.offset_s) for s in spotted]
    score = score_spotting(true, guesses)
    partner = dict(score.matches)
    outcomes = [
        _outcome(name, event, spotted[partner[i]] if i in partner else None, untouched)
        for i, event in enumerate(events)
    ]
    loose = [guesses[j] for j in set(range(len(guesses))) - set(partner.values())]
    touching = sum(any(g[0] < t[1] and g[1] > t[0] for t in true) for g in loose)
    return outcomes, len(loose) - touching, touching


def activity(residual_px: float | None) -> str:
    """What a residual motion is called: "calm", "mid-motion", "busy"; "unmeasured" for None."""
    if residual_px is None:
        return "unmeasured"
    return "calm" if residual_px <= CALM_PX else "mid-motion" if residual_px <= MID_PX else "busy"


def micro(events: tuple[FacialEvent, ...]) -> list[FacialEvent]:
    """The micro-expressions among events."""
    return [event for event in events if event.kind == "micro_expression"]


def length_s(track: FaceTrack) -> float:
    """Length of the recording, the last frame's own time included, s."""
    return float(np.ptp(track.time_s)) + 1.0 / track.info.fps if track.time_s.size else 0.0


def _outcome(name: str, event: Planted, found: FacialEvent | None, untouched: Watched) -> Outcome:
    pulse = event.pulse
    assert pulse.expression is not None
    residual = _residual(untouched, pulse.start_s - _AROUND_S, pulse.end_s + _AROUND_S)
    return Outcome(
        recording=name,
        amplitude_px=event.amplitude_px,
        activity=activity(residual),
        residual_px=residual,
        observable=_hidden_s(untouched, pulse.start_s, pulse.end_s) < 0.5 * pulse.length_s,
        action_units=pulse.expression.action_units,
        side=pulse.expression.side,
        onset_s=round(pulse.start_s, 4),
        apex_s=round(event.apex_s, 4),
        offset_s=round(pulse.end_s, 4),
        found=found is not None,
        apex_error_ms=None if found is None else (found.key_frames.apex_s - event.apex_s) * 1e3,
    )


def _hidden_s(untouched: Watched, from_s: float, to_s: float) -> float:
    """How much of an interval is unobservable, s."""
    return sum(max(min(s.to_s, to_s) - max(s.from_s, from_s), 0.0) for s in untouched.stretches)


def _residual(untouched: Watched, from_s: float, to_s: float) -> float | None:
    """Median over an interval; None where less than half of its frames were measured."""
    around = (untouched.time_s >= from_s) & (untouched.time_s <= to_s)
    values = untouched.residual_px[around]
    measured = values[np.isfinite(values)]
    return float(np.median(measured)) if measured.size and 2 * measured.size >= values.size else None
