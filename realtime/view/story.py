"""What a picture of one moment shows, and the recent past that it needs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.geometry import REGION_NAMES
from realtime.observability import ObservabilityConfig
from realtime.sinks.base import Watched
from realtime.sinks.records import Record, event_record
from realtime.types import F32, F64, U8, FacialEvent, Frame, FrameRow

SPAN_S = 10.0
"""Time that the strip shows, s."""
EVENTS = 8
_PACE_S = 2.0
_MOST_POINTS = 10_000
_SEEN, _MOVING, _BLIND = 0.0, 1.0, 2.0
"""States of a point: observable, not because of motion, not because of anything else."""
PARTS = ("brows", "eyelids", "cheeks and nose", "mouth and chin")
"""Parts of the face that have a curve of their own."""
_EYELIDS = 1
_PART_OF = tuple(
    0 if name.startswith(("brow", "glabella")) else 2 if name.startswith(("cheek", "nose")) else 3
    for name in REGION_NAMES
)
"""Where in `PARTS` each region is."""
_AFTERGLOW_S = ObservabilityConfig().afterglow_s


@dataclass(frozen=True, slots=True)
class Gauges:
    """How the run does; what is not known is None or empty."""

    status: str = ""
    fps: float | None = None
    """Frames per second of the route, by the clock on the wall."""
    latency_ms: float | None = None
    """From the arrival of a frame to the end of its route."""
    dropped: int = 0
    """Frames that were dropped because the route was too slow."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One moment, with nothing in it that changes later: it may be drawn elsewhere."""

    image: U8
    """BGR; may be reduced."""
    size: tuple[int, int]
    """Width and height of the frame, whose pixels all places are given in."""
    time_s: float
    outlines: tuple[F32, ...]
    """(468, 2) per face: landmarks in pixels of the frame."""
    rows: tuple[FrameRow, ...]
    """Measurements, one row per face."""
    time_axis_s: F64
    """Stream times of the strip's points, (n,)."""
    motion: F64
    """Largest motion of a region at these, percent of the eye distance, (n,); NaN without evidence."""
    parts: F64
    """The same of each of the `PARTS`, (4, n)."""
    hidden: F64
    """1 where a micro-expression could not have been seen, else 0, (n,)."""
    events: tuple[Record, ...]
    """The last ones, oldest first, as records of schema glimpse/1."""
    count: int
    """Events so far."""
    gauges: Gauges


class Pace:
    """How many frames the route takes in a second, by the clock on the wall."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def push(self, now_s: float) -> None:
        """A frame is done."""
        self._moments.append(now_s)
        while self._moments[0] < now_s - _PACE_S:
            self._moments.popleft()

    @property
    def fps(self) -> float | None:
        """Frames per second over the last two seconds."""
        span_s = self._moments[-1] - self._moments[0] if self._moments else 0.0
        return (len(self._moments) - 1) / span_s if span_s > 0.0 else None


class Story:
    """Follows the route frame by frame, in bounded memory; `scene` gives the picture of the last frame."""

    def __init__(self) -> None:
        self._strip = _Strip()
        self._seen: deque[tuple[float, float]] = deque(maxlen=EVENTS)
        self._events: deque[Record] = deque(maxlen=EVENTS)
        self._count = 0

    def push(self, frame: Frame, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Take a frame after the route has."""
        self.tell(decided)
        parts = _largest(route.observations)
        regions = max(parts[0], *parts[2:])
        causes = [row.unobservable for row in route.observations]
        cause = None if None in causes or not causes else causes[0]
        state = _SEEN if cause is None else _MOVING if cause == "motion" else _BLIND
        self._strip.push(frame.time_s, regions, state, *parts)

    def tell(self, decided: Sequence[FacialEvent]) -> None:
        """Take events alone."""
        for event in decided:
            if event.kind == "micro_expression":
                keys = event.key_frames
                self._seen.append((keys.onset_s, keys.decided_s + _AFTERGLOW_S))
        self._events.extend(map(event_record, decided))
        self._count += len(decided)

    def scene(self, frame: Frame, route: Watched, gauges: Gauges) -> Scene:
        """The moment that was pushed last."""
        times, motion, states, *parts = self._strip.last(frame.time_s - SPAN_S)
        hidden = states != _SEEN
        for from_s, to_s in self._seen:  # a micro-expression that was found hid nothing by its own motion
            hidden &= (states != _MOVING) | (times < from_s) | (times > to_s)
        return Scene(
            image=frame.image,
            size=(frame.image.shape[1], frame.image.shape[0]),
            time_s=frame.time_s,
            outlines=tuple(face.landmarks_px[:, :2] for face in route.faces),
            rows=route.observations,
            time_axis_s=times,
            motion=motion,
            parts=np.stack(parts),
            hidden=hidden.astype(np.float64),
            events=tuple(self._events),
            count=self._count,
            gauges=gauges,
        )


class _Strip:
    """Time, motion, state and motion of the parts in the last frames, ready to be copied: drawing must not
    hold up the route."""

    def __init__(self) -> None:
        self._columns = np.zeros((3 + len(PARTS), 2 * _MOST_POINTS))
        self._end = 0

    def push(self, *values: float) -> None:
        if self._end == self._columns.shape[1]:
            self._columns[:, :_MOST_POINTS] = self._columns[:, _MOST_POINTS:]
            self._end = _MOST_POINTS
        self._columns[:, self._end] = values
        self._end += 1

    def last(self, from_s: float) -> F64:
        """Copies of the columns from a time on."""
        start = max(self._end - _MOST_POINTS, 0)
        start += int(np.searchsorted(self._columns[0, start : self._end], from_s))
        return self._columns[:, start : self._end].copy()


def _largest(rows: Sequence[FrameRow]) -> list[float]:
    """Largest motion of each part over all faces; NaN without evidence."""
    found = [-1.0] * len(PARTS)
    for row in rows:
        if row.motion is None or row.skipped is not None:
            continue
        squares: list[float] = np.square(row.motion.regions).sum(axis=1).tolist()
        lids: list[float] = np.square(row.motion.lids).sum(axis=1).tolist()
        found[_EYELIDS] = max(found[_EYELIDS], *lids)
        for part, square in zip(_PART_OF, squares, strict=True):
            found[part] = max(found[part], square)
    return [math.nan if square < 0.0 else math.sqrt(square) for square in found]
