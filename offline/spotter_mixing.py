"""Planted events, lifted off the face that they were planted into and laid onto other living motion.

A displacement of a pixel adds to whatever else moves: what a planted event adds to the motion of its host is
the difference between the planted and the untouched recording, and can be added to that of any other host at
any time. A few thousand events seen by the route so become any number of new recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from offline.spotter_corpus import Event, Seen
from realtime.geometry import LIDS, REGIONS
from realtime.types import F64, Motion

_BEFORE_S, _AFTER_S = 0.07, 0.25
"""What is lifted off begins and ends this much beside the event: the lag and the smoothing follow it."""
_GAPS_S, _LONG_GAPS_S, _BUSY = (0.35, 1.6), (1.0, 6.0), 0.75
"""Pauses between events, and how often they are the short ones."""
_BACKWARDS, _PACED, _SPEEDS = 0.4, 0.5, (0.8, 1.25)
"""How often a host's motion is played backwards, and at another speed."""
_TURN, _GAIN, _LEAK = 0.12, 0.15, 0.02
"""σ of another face: radians by which a region's motion is turned, logarithm of its gain, share of others."""
_NOISY, _NOISE = 0.4, (0.005, 0.05)
"""How often another camera's noise is added, and how much, percent of the eye distance."""
_LOUDER = 0.35
"""σ of the logarithm of the factor by which an event is made larger or smaller."""
_RESIDUAL_SHARE = 0.92
"""Energy of the whole face's motion over that of the regions' mean: .82 to 1.3 on rendered hosts, correlated
by .94 to 1.00."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What an event adds to the motion of a face, over n frames."""

    event: Event
    """Times since the first of these frames."""
    moved: F64
    """(n, 19, 2): regions, then lids, percent of the eye distance."""
    aperture: F64
    """(n,)"""


def responses(untouched: Seen, planted: Seen) -> list[Response]:
    """One for every planted event during which no frame of either recording is missing."""
    plain = {motion.index: motion for motion in untouched.motions}
    here = [motion for motion in planted.motions if motion.index in plain]
    found = []
    for event in planted.events:
        began_s, ended_s = event.onset_s - _BEFORE_S, event.offset_s + _AFTER_S
        part = [motion for motion in here if began_s <= motion.time_s <= ended_s]
        if not part or not _whole(part, began_s, ended_s):
            continue
        first_s = part[0].time_s
        moved = np.array([_moved(motion) - _moved(plain[motion.index]) for motion in part])
        aperture = np.array([motion.aperture - plain[motion.index].aperture for motion in part])
        found.append(Response(_later(event, -first_s), moved, aperture))
    return found


def _later(event: Event, by_s: float) -> Event:
    return Event(event.onset_s + by_s, event.apex_s + by_s, event.offset_s + by_s, event.percent)


def _whole(part: Sequence[Motion], began_s: float, ended_s: float) -> bool:
    count = part[-1].index - part[0].index + 1
    step_s = (part[-1].time_s - part[0].time_s) / max(count - 1, 1)
    return count == len(part) and part[0].time_s - began_s <= step_s and ended_s - part[-1].time_s <= step_s


def _moved(motion: Motion) -> F64:
    return np.concatenate([motion.regions, motion.lids]).astype(np.float64)


def superposed(host: Seen, pool: Sequence[Response], seed: Sequence[int]) -> Seen:
    """The host's own motion, varied, with events of the pool, of the same frame rate, laid onto it."""
    rng = np.random.default_rng(list(seed))
    motions = _varied_course(host.motions, rng)
    moved, aperture = np.zeros((len(motions), 19, 2)), np.zeros(len(motions))
    events: list[Event] = []
    gaps_s = _GAPS_S if rng.random() < _BUSY else _LONG_GAPS_S
    at_s = motions[0].time_s + rng.uniform(*gaps_s) if motions else 0.0
    for k, motion in enumerate(motions):
        if motion.time_s < at_s:
            continue
        chosen = pool[int(rng.integers(len(pool)))]
        n = len(chosen.moved)
        if k + n > len(motions):
            break
        if motions[k + n - 1].index - motion.index == n - 1:
            gain = float(np.exp(np.clip(rng.normal(0.0, _LOUDER), -1.0, 1.0)))
            moved[k : k + n] = gain * (mirrored(chosen.moved) if rng.random() < 0.5 else chosen.moved)
            aperture[k : k + n] = gain * chosen.aperture
            event = _later(chosen.event, motion.time_s)
            events.append(event._replace(percent=gain * event.percent))
        at_s = motions[k + n - 1].time_s + rng.uniform(*gaps_s)
    before = np.array([_moved(motion) for motion in motions]).reshape(-1, 19, 2)
    after = _other_face(before + moved, rng)
    parts = zip(motions, before, after, aperture, strict=True)
    return Seen(tuple(_replaced(*part) for part in parts), events)


def _varied_course(motions: Sequence[Motion], rng: np.random.Generator) -> Sequence[Motion]:
    """The same faster, slower or backwards: a face that says something else."""
    if len(motions) < 2 or motions[-1].index - motions[0].index != len(motions) - 1:
        return motions  # there are holes in it
    if rng.random() < _BACKWARDS:
        motions = _backwards(motions)
    return _faster(motions, float(rng.uniform(*_SPEEDS))) if rng.random() < _PACED else motions


def _backwards(motions: Sequence[Motion]) -> Sequence[Motion]:
    """What went from A to B within a lag goes from B to A, known one lag after it was at B."""
    first, last = motions[0], motions[-1]
    step_s = (last.time_s - first.time_s) / (len(motions) - 1)
    lag = round(first.lag_s / step_s)
    count = len(motions)
    found = []
    for k in range(lag, count):
        here, way = motions[count - 1 - k], motions[count - 1 - k + lag]
        turned = replace(
            way, regions=-way.regions, lids=-way.lids, aperture=here.aperture, brightness=here.brightness,
            brightness_change=-way.brightness_change,
        )  # fmt: skip
        found.append(_at(turned, motions[k]))
    return found


def _faster(motions: Sequence[Motion], speed: float) -> Sequence[Motion]:
    """At another speed; what moves within a lag grows with it."""
    found = []
    for k in range(min(int((len(motions) - 1) / speed) + 1, len(motions))):
        place = min(k * speed, len(motions) - 1.0)
        a = motions[int(place)]
        b = motions[min(int(place) + 1, len(motions) - 1)]
        share = place - int(place)
        moved = speed * ((1.0 - share) * _moved(a) + share * _moved(b))
        between = replace(
            a,
            rigid=speed * _between(a.rigid, b.rigid, share),
            residual=speed * _between(a.residual, b.residual, share),
            aperture=_between(a.aperture, b.aperture, share),
            regions=moved[: len(REGIONS)].astype(np.float32),
            lids=moved[len(REGIONS) :].astype(np.float32),
        )
        found.append(_at(between, motions[k]))
    return found


def _between(a: float, b: float, share: float) -> float:
    return (1.0 - share) * a + share * b


def _at(motion: Motion, other: Motion) -> Motion:
    return replace(motion, index=other.index, time_s=other.time_s, delay_s=other.delay_s)


def _other_face(moved: F64, rng: np.random.Generator) -> F64:
    """(n, 19, 2) as another face would show it: every region more or less, a little turned, with some of the
    others in it, and with the noise of another camera."""
    turns = rng.normal(0.0, _TURN, 19)
    gains = np.exp(rng.normal(0.0, _GAIN, 19))
    mixing = rng.normal(0.0, _LEAK, (38, 38))
    for k, (gain, turn) in enumerate(zip(gains, turns, strict=True)):
        cos, sin = gain * np.cos(turn), gain * np.sin(turn)
        mixing[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[cos, -sin], [sin, cos]]
    found = moved.reshape(-1, 38) @ mixing.T
    if rng.random() < _NOISY:
        level = np.exp(rng.uniform(*np.log(_NOISE)))
        found += level * np.exp(rng.normal(0.0, 0.5, 38)) * rng.normal(size=found.shape)
    return np.asarray(found.reshape(-1, 19, 2))


def _replaced(motion: Motion, before: F64, after: F64, aperture: float) -> Motion:
    energy = [float((part[: len(REGIONS)] ** 2).sum(axis=1).mean()) for part in (before, after)]
    residual = motion.residual**2 + _RESIDUAL_SHARE * (energy[1] - energy[0])
    return replace(
        motion,
        regions=after[: len(REGIONS)].astype(np.float32),
        lids=after[len(REGIONS) :].astype(np.float32),
        residual=float(np.sqrt(max(residual, 1e-6))),
        aperture=max(motion.aperture + aperture, 0.0),
    )


def _twins() -> list[int]:
    names = [region.name for region in (*REGIONS, *LIDS)]
    others = {"left": "right", "right": "left"}
    return [names.index("_".join(others.get(word, word) for word in name.split("_"))) for name in names]


TWINS = _twins()
"""Which of the regions and lids stands where in a mirrored face."""


def mirrored(moved: F64) -> F64:
    """(n, 19, 2) motion as seen in a mirror."""
    return np.asarray(moved[:, TWINS] * [-1.0, 1.0])
