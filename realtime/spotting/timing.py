"""From two lobes to onset, apex and offset: the displacement itself, rebuilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.geometry import REGION_NAMES
from realtime.spotting.history import Stretch
from realtime.types import F64, EventKind, KeyFrames

# Crossings of 25 % and 80 % of the peak, drawn out to where a raised-cosine movement starts or ends:
# it passes them at .333 and .705 of its rise.
_LOW, _HIGH = 0.25, 0.80
_LOW_AT, _HIGH_AT = 1.0 / 3.0, float(np.arccos(1.0 - 2.0 * _HIGH) / np.pi)
_EXTRAPOLATE = _LOW_AT / (_HIGH_AT - _LOW_AT)
_APEX_LEVEL = 0.9
_MOMENT_S = 0.031
"""Just below a frame of a camera of 30 a second."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one movement went."""

    onset_s: float
    apex_s: float
    offset_s: float
    peak: F64
    """(17,) displacement of each region at the apex, percent of the eye distance."""
    returned: float
    """What is left at the end, as a share of the peak."""
    explained: float
    """Share of the motion's energy along its main direction, 0..1."""


def rebuild(stretch: Stretch) -> F64:
    """Displacement (n, 34) from lagged differences: d(t) = p(t) + d(t − lag), 0 before the stretch.

    Frames whose references are all known already are done at once: about one lag at a time.
    """
    times, index = stretch.time_s, np.arange(len(stretch.time_s))
    reference_s = times - stretch.lag_s
    newest = np.maximum(index - 1, 0)
    low = np.clip(np.searchsorted(times, reference_s) - 1, 0, newest)
    high = np.minimum(low + 1, newest)
    span = times[high] - times[low]
    share = np.clip((reference_s - times[low]) / np.where(span > 0.0, span, np.inf), 0.0, 1.0)[:, None]
    known = (reference_s >= times[0]) & (index > 0) if len(times) else index > 0
    needed = np.maximum.accumulate(high)
    displacement = stretch.vectors.copy()
    start = int(np.argmax(known)) if known.any() else len(times)
    while start < len(times):
        end = max(int(np.searchsorted(needed, start)), start + 1)
        part = start + np.flatnonzero(known[start:end])
        displacement[part] += (1.0 - share[part]) * displacement[low[part]]
        displacement[part] += share[part] * displacement[high[part]]
        start = end
    return displacement


def measure(stretch: Stretch, direction: F64, sigma: F64) -> Course | None:
    """Times and size of the movement along `direction` (34,), or None where it has no clear peak."""
    if len(stretch.time_s) < 4:
        return None
    displacement = rebuild(stretch)
    precision = 1.0 / np.repeat(sigma, 2) ** 2
    axis = direction * precision
    along = displacement @ (axis / max(float(direction @ axis), 1e-12))
    top = int(np.argmax(along))
    if along[top] <= 0:
        return None
    along = along / along[top]
    times = stretch.time_s - stretch.delay_s
    rise = _edge(times[: top + 1][::-1], along[: top + 1][::-1])
    fall = _edge(times[top:], along[top:])
    if rise is None:
        return None
    at_apex = np.linalg.norm(displacement[top].reshape(-1, 2), axis=1)
    return Course(
        onset_s=rise,
        apex_s=_centroid(times, along, top),
        offset_s=fall if fall is not None else float(times[-1]),
        peak=at_apex,
        returned=float(along[top:].min()),
        explained=_explained(stretch.vectors, direction, precision),
    )


def _centroid(times: F64, along: F64, top: int) -> float:
    """Centre of the contiguous part above 90 % of the peak, weighted by how far above."""
    low = high = top
    while low > 0 and along[low - 1] > _APEX_LEVEL:
        low -= 1
    while high < len(along) - 1 and along[high + 1] > _APEX_LEVEL:
        high += 1
    part = slice(low, high + 1)
    return float(np.average(times[part], weights=along[part] - _APEX_LEVEL + 1e-6))


def _edge(times: F64, along: F64) -> float | None:
    """Where the flank that starts at the peak reaches rest; None where it never falls to 25 %."""
    high_s = _crossing(times, along, _HIGH)
    low_s = _crossing(times, along, _LOW)
    if high_s is None or low_s is None:
        return None
    return low_s + _EXTRAPOLATE * (low_s - high_s)


def _crossing(times: F64, along: F64, level: float) -> float | None:
    below = np.flatnonzero(along < level)
    if below.size == 0:
        return None
    i = int(below[0])
    if i == 0:
        return float(times[0])
    share = (along[i - 1] - level) / max(along[i - 1] - along[i], 1e-12)
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def _explained(vectors: F64, direction: F64, precision: F64) -> float:
    """Share of the whitened energy that lies along the direction."""
    root = np.sqrt(precision)
    unit = direction * root
    unit = unit / max(float(np.linalg.norm(unit)), 1e-12)
    whitened = vectors * root
    total = float((whitened**2).sum())
    return float(((whitened @ unit) ** 2).sum()) / max(total, 1e-12)


def pulse_amplitudes(stretch: Stretch, onset_s: float, apex_s: float, offset_s: float) -> F64:
    """(34,) least-squares displacement of each channel at the apex of a raised-cosine movement of these
    times, percent of the eye distance, from what it does to lagged differences."""
    now_s = stretch.time_s - stretch.delay_s
    pulse = _pulse(now_s, onset_s, apex_s, offset_s) - _pulse(
        now_s - stretch.lag_s, onset_s, apex_s, offset_s
    )
    return np.asarray(pulse @ stretch.vectors / max(float(pulse @ pulse), 1e-9))


def jitter(stretch: Stretch, direction: F64) -> float:
    """How much the motion along `direction` (34,) differs from one moment to the next, of its energy: 2 where
    it is noise, near 0 where it is smooth (the ratio of von Neumann 1941, about zero, not the mean).

    Moments are `_MOMENT_S` apart, whatever the frame rate.
    """
    chosen, last_s = [], -np.inf
    for place, time_s in enumerate(stretch.time_s.tolist()):
        if time_s - last_s >= _MOMENT_S:
            chosen.append(place)
            last_s = time_s
    along = stretch.vectors[chosen] @ direction
    return float((np.diff(along) ** 2).sum() / max(float(along @ along), 1e-12))


def _pulse(time_s: F64, onset_s: float, apex_s: float, offset_s: float) -> F64:
    rising = 0.5 - 0.5 * np.cos(np.pi * (time_s - onset_s) / (apex_s - onset_s))
    falling = 0.5 + 0.5 * np.cos(np.pi * (time_s - apex_s) / (offset_s - apex_s))
    inside = (time_s > onset_s) & (time_s < offset_s)
    return np.where(inside, np.where(time_s < apex_s, rising, falling), 0.0)


def key_frames(
    kind: EventKind,
    stretch: Stretch,
    times: tuple[float, float, float],
    moved: F64,
    strength: float,
    now_s: float,
) -> KeyFrames | None:
    """The frames nearest to onset, apex and offset; `moved` (17,): how far each region was moved at the apex.

    None where the times do not fall on three frames.
    """
    if not len(stretch.time_s):
        return None
    onset, apex, offset = (int(np.argmin(np.abs(stretch.time_s - t))) for t in times)
    if not onset < apex < offset:
        return None
    largest = max(float(moved.max()), 1e-12)
    return KeyFrames(
        kind=kind,
        onset_s=float(stretch.time_s[onset]),
        apex_s=float(stretch.time_s[apex]),
        offset_s=float(stretch.time_s[offset]),
        onset_frame=int(stretch.index[onset]),
        apex_frame=int(stretch.index[apex]),
        offset_frame=int(stretch.index[offset]),
        strength=strength,
        regions={name: float(part) / largest for name, part in zip(REGION_NAMES, moved, strict=True)},
        decided_s=now_s,
    )
