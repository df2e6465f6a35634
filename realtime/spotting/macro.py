"""Macro-expressions: a way out and, within seconds, the way back, as two opposite lobes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.geometry import REGION_NAMES
from realtime.spotting.config import SpotterConfig
from realtime.spotting.history import History, Stretch
from realtime.spotting.lobes import Lobe, LobeTracker
from realtime.spotting.noise import RegionNoise
from realtime.spotting.tentative import Tentative
from realtime.spotting.timing import Course, key_frames, measure
from realtime.types import F64, KeyFrames

LONGEST_WAIT_S = 0.6
"""A decision is put off by at most this much where the way back goes on, s."""
_LEAD_S = 0.1


@dataclass(frozen=True, slots=True)
class _Pair:
    """A way out and the way back, waiting to be judged."""

    first: Lobe
    second: Lobe
    sigma: F64
    due_s: float


class MacroSpotter:
    """`push` gives the macro-expressions that were decided, and leaves ways out in `way_out`.

    Two opposite lobes make a movement; it is judged `settle_s` after the second peak. Work per frame
    does not grow with the window: only a pair of lobes causes a look back, and lobes are rare.
    """

    def __init__(self, config: SpotterConfig, history: History) -> None:
        """`history` is shared: the caller pushes every smoothed sample before it calls `push`."""
        self._config = config
        self._history = history
        self._noise = RegionNoise(len(REGION_NAMES), config.noise_s, config.noise_floor)
        self._tracker = LobeTracker(config)
        self.reset()

    def reset(self) -> None:
        self._noise.reset()
        self._busy_until_s = -np.inf
        self._pair: _Pair | None = None
        self._lag_s = 0.0
        self.way_out: Tentative | None = None
        """What the last push saw peak, if it may become a movement; the way back decides that."""
        self.interrupt()

    def interrupt(self) -> None:
        """Forget what has begun, but not the noise."""
        self._tracker.reset()
        self._lobes: deque[Lobe] = deque(maxlen=32)

    @property
    def seen_s(self) -> float:
        """How long the noise has been watched, s."""
        return self._noise.seen_s

    def push(self, time_s: float, lag_s: float, step_s: float, vector: F64) -> tuple[KeyFrames, ...]:
        """`vector` (34,): smoothed motion now; `step_s`: time since the last one."""
        self._lag_s, self.way_out = lag_s, None
        sigma = self._noise.sigma
        lobe = self._tracker.push(time_s, vector, sigma)
        self._noise.push(np.linalg.norm(vector.reshape(-1, 2), axis=1), step_s)
        if lobe is not None and self._noise.seen_s >= self._config.warm_up_s:
            self._take(lobe, sigma)
        return self._decide(time_s)

    def flush(self, last_s: float, now_s: float) -> tuple[KeyFrames, ...]:
        """Judge what is pending at `now_s`, because the signal ended at `last_s`. Idempotent."""
        lobe = self._tracker.finish(last_s)
        if lobe is not None and self._noise.seen_s >= self._config.warm_up_s:
            self._take(lobe, self._noise.sigma)
        return self._decide(now_s, now=True)

    def _take(self, lobe: Lobe, sigma: F64) -> None:
        """Pair the new lobe with the movement that it takes back, if there is one."""
        first = self._partner(lobe)
        self._lobes.append(lobe)
        if first is None:
            self.way_out = self._tell(lobe, sigma)
            return
        due_s = lobe.peak_s + self._config.settle_s
        if self._pair is not None and lobe.cosine(self._pair.second) > 0:
            # the way back goes on: one movement, judged later
            second = lobe if lobe.size > self._pair.second.size else self._pair.second
            self._pair = _Pair(self._pair.first, second, self._pair.sigma, due_s)
        elif self._pair is None:
            self._pair = _Pair(first, lobe, sigma, due_s)

    def _tell(self, lobe: Lobe, sigma: F64) -> Tentative | None:
        """A way out as it is known when it has peaked; None where it is not that of an expression."""
        stretch = self._history.since(lobe.start_s - _LEAD_S)
        during = stretch.time_s >= lobe.start_s
        moved = np.linalg.norm(lobe.vector.reshape(-1, 2), axis=1)
        residual = float(np.median(stretch.residual[during]))
        if (
            float(moved.max()) > self._config.max_micro_motion
            or self._is_of_the_eyes(lobe.start_s, stretch, during, float(moved.max()))
            or float(np.median(stretch.rigid[during])) > self._config.max_head_ratio * residual
        ):
            return None
        onset = int(np.flatnonzero(during)[0])
        return Tentative(
            onset_s=lobe.start_s,
            onset_frame=int(stretch.index[onset]),
            apex_s=lobe.peak_s,
            strength=float((moved / sigma).max()),
            decided_s=lobe.end_s,
        )

    def _partner(self, lobe: Lobe) -> Lobe | None:
        found: Lobe | None = None
        for earlier in reversed(self._lobes):
            if lobe.peak_s - earlier.peak_s > self._config.macro_max_s:
                break
            if earlier.start_s <= self._busy_until_s:
                break
            if found is None:
                if lobe.returns_from(earlier, self._config):
                    found = earlier
            elif found.start_s - earlier.end_s > 0.1 or earlier.cosine(found) < 0.5:
                break
            else:  # the way out began with this lobe
                found = Lobe(earlier.start_s, found.peak_s, found.end_s, found.vector, found.whitened)
        return found

    def _decide(self, now_s: float, now: bool = False) -> tuple[KeyFrames, ...]:
        pair = self._pair
        if pair is None or (now_s < pair.due_s and not now):
            return ()
        goes_on = (
            self._tracker.direction is not None
            and float(self._tracker.direction @ pair.second.whitened) > 0
            and now_s < pair.due_s + LONGEST_WAIT_S
        )
        if goes_on and not now:
            return ()
        self._pair = None
        found = self._judge(pair, now_s)
        if found is None:
            return ()
        self._busy_until_s = pair.second.start_s
        return (found,)

    def _judge(self, pair: _Pair, now_s: float) -> KeyFrames | None:
        stretch = self._history.since(pair.first.start_s - self._lag_s - _LEAD_S)
        direction = pair.first.vector - pair.second.vector
        course = measure(stretch, direction, pair.sigma)
        if course is None or not self._is_facial(course, pair, stretch):
            return None
        times = (course.onset_s, course.apex_s, course.offset_s)
        strength = float((course.peak / pair.sigma).max())
        found = key_frames("macro_expression", stretch, times, course.peak, strength, now_s)
        if found is None or found.offset_s - found.onset_s <= self._config.micro_max_s + 1e-6:
            return None
        return found

    def _is_facial(self, course: Course, pair: _Pair, stretch: Stretch) -> bool:
        during = (stretch.time_s >= pair.first.start_s) & (stretch.time_s <= pair.second.end_s)
        if not during.any():
            return False
        moved = np.linalg.norm(stretch.vectors[during].reshape(during.sum(), -1, 2), axis=2).max()
        residual = float(np.median(stretch.residual[during]))
        return (
            course.returned < self._config.max_return
            and course.offset_s - course.onset_s >= self._config.min_duration_s
            and not self._is_of_the_eyes(pair.first.start_s, stretch, during, float(moved))
            and float(np.median(stretch.rigid[during])) <= self._config.max_head_ratio * residual
            and course.explained >= self._config.min_explained
        )

    def _is_of_the_eyes(
        self, start_s: float, stretch: Stretch, during: NDArray[np.bool_], moved: float
    ) -> bool:
        before = stretch.aperture[stretch.time_s <= start_s]
        open_eyes = float(np.median(before)) if before.size else float(stretch.aperture.max())
        closure = 1.0 - float(stretch.aperture[during].min()) / max(open_eyes, 1e-6)
        ratio = float(stretch.lids[during].max()) / max(moved, 1e-6)
        blink = closure > self._config.blink_closure and ratio > self._config.blink_lid_ratio
        return blink or ratio > self._config.max_lid_ratio
