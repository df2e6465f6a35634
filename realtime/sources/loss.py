"""When so many frames are lost that the rest cannot show what is looked for, or more or fewer come."""

from __future__ import annotations

from collections import deque

from realtime.sources.common import MIN_USEFUL_FPS

_WATCH_S = 5.0
_REPEAT_S = 60.0
_TOLERANCE = 0.95


class LossWatch:
    """Says when so many frames are dropped that what is left cannot show a micro-expression."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, int]] = deque()
        self._warned_s: float | None = None
        self._warnings = 0

    def push(self, now_s: float, dropped: int) -> str | None:
        """A frame was taken after `dropped` were lost; a line where that is too many."""
        self._taken.append((now_s, dropped))
        while now_s - self._taken[0][0] > _WATCH_S:
            self._taken.popleft()
        span_s = now_s - self._taken[0][0]
        lost = sum(count for _, count in self._taken)
        if lost == 0 or span_s < 0.8 * _WATCH_S:
            return None
        fps = (len(self._taken) - 1) / span_s
        if fps >= MIN_USEFUL_FPS or (self._warned_s is not None and now_s - self._warned_s < _REPEAT_S):
            return None
        self._warned_s = now_s
        self._warnings += 1
        share = lost / (lost + len(self._taken))
        return (
            f"this machine is too slow: {share:.0%} of the frames are dropped and {fps:.0f} per second"
            f" are left; {MIN_USEFUL_FPS:g} is the least for micro-expressions"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for the summary, where there was a warning."""
        if not self._warnings:
            return ()
        return ("so many frames were dropped that micro-expressions may have been missed",)


class RateWatch:
    """Says when a feed's frame rate is not what it was believed to be."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, int]] = deque()

    def reset(self) -> None:
        """The stream was interrupted."""
        self._frames.clear()

    def push(self, time_s: float, index: int, believed_fps: float) -> float | None:
        """Frame `index`, dropped ones counted, lies at `time_s`; the rate of the last 5 s, 1/s, where it is
        steady, and another by a half or more or too low to be useful."""
        self._frames.append((time_s, index))
        while time_s - self._frames[0][0] > _WATCH_S:
            self._frames.popleft()
        first_s, first = self._frames[0]
        middle_s, middle = self._frames[len(self._frames) // 2]
        if time_s - first_s < 0.8 * _WATCH_S:
            return None
        fps = (index - first) / (time_s - first_s)
        if abs((middle - first) / (middle_s - first_s) - fps) > (1 - _TOLERANCE) * fps:
            return None
        too_low = fps < _TOLERANCE * MIN_USEFUL_FPS <= _TOLERANCE * believed_fps
        if not too_low and 1 / 1.5 < fps / believed_fps < 1.5:
            return None
        self.reset()
        return fps
