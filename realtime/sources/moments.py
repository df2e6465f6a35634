"""Stream time of a live feed over all its connections, and when each frame was really there."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

from realtime.sources.clock import MAX_GAP_S
from realtime.sources.feed import Shot

_KEPT_S = 30.0
_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame was captured, as well as that can be known from here."""

    index: int
    monotonic_s: float
    """On this machine's `time.monotonic()`."""
    wall_s: float
    """Seconds since 1970, UTC."""


class FeedClock:
    """Gives each picture its stream time, s, strictly increasing.

    Within a connection the feed's own stamps count, because they are free of the network's jitter, and
    because a recording that is played gets the times that it has as a file. Where a stamp is missing,
    does not increase or leaps by more than 10 s, the clock of this machine takes over from there.
    Between connections time goes on as long as the gap really was.
    """

    def __init__(self) -> None:
        self._time_s = 0.0
        self._last: Shot | None = None
        self._base_s: float | None = None

    def begin(self, *, recorded: bool = False) -> None:
        """A new connection. `recorded`: its first stamp is the stream's time itself."""
        self._base_s = 0.0 if recorded else None

    def stamp(self, shot: Shot) -> float:
        """Stream time of the next picture."""
        last = self._last
        if last is None:
            time_s = shot.stamp_s if self._base_s is not None and shot.stamp_s >= 0 else 0.0
        elif self._base_s is not None and self._follows(last, shot):
            time_s = max(self._base_s + shot.stamp_s, self._time_s + 1e-6)
        else:
            time_s = self._time_s + max(shot.arrival_s - last.arrival_s, 1e-6)
            self._base_s = None
        if self._base_s is None and math.isfinite(shot.stamp_s):
            self._base_s = time_s - shot.stamp_s
        self._time_s, self._last = time_s, shot
        return time_s

    def _follows(self, last: Shot, shot: Shot) -> bool:
        step_s = shot.stamp_s - last.stamp_s if math.isfinite(last.stamp_s) else math.inf
        return 0.0 < step_s <= MAX_GAP_S


class Moments:
    """The moments of the last 30 s of frames.

    A frame cannot have been captured after it arrived; the one of the last 10 s that was under way the
    shortest tells how stream time lies on the machine's clock. That is the clock filter of NTP (RFC 5905,
    section 10: the sample of least delay among the last few counts). Over 10 s a clock that is wrong
    by 1e-4, which is much for a quartz, is off by 1 ms.
    """

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque()
        self._delays: deque[tuple[float, float]] = deque()
        """Arrival, and arrival minus stream time, of those that no later one has undercut."""

    def begin(self) -> None:
        """A new connection."""
        self._delays.clear()

    def add(self, index: int, time_s: float, shot: Shot) -> None:
        """Take the next frame."""
        delay_s = shot.arrival_s - time_s
        while self._delays and self._delays[-1][1] >= delay_s:
            self._delays.pop()
        self._delays.append((shot.arrival_s, delay_s))
        while shot.arrival_s - self._delays[0][0] > _WINDOW_S:
            self._delays.popleft()
        monotonic_s = self._delays[0][1] + time_s
        self._moments.append(Moment(index, monotonic_s, shot.wall_s + monotonic_s - shot.arrival_s))
        while monotonic_s - self._moments[0].monotonic_s > _KEPT_S:
            self._moments.popleft()

    def at(self, index: int) -> Moment | None:
        """The moment of frame `index`; None where that is not known any more."""
        position = bisect_left(self._moments, index, key=lambda moment: moment.index)
        if position == len(self._moments) or self._moments[position].index != index:
            return None
        return self._moments[position]
