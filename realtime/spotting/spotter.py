"""The spotter: motion in, finished movements out, causally."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.geometry import REGION_NAMES
from realtime.spotting.config import SpotterConfig
from realtime.spotting.history import History, Sample, Stretch
from realtime.spotting.lobes import Lobe, LobeTracker
from realtime.spotting.noise import RegionNoise
from realtime.spotting.tentative import Tentative
from realtime.spotting.timing import Course, measure
from realtime.types import F64, KeyFrames, Motion

LONGEST_WAIT_S = 0.6
"""A decision is put off by at most this much where the way back goes on, s."""
_LEAD_S = 0.1
_LIGHT_S = 5.0
_ACTIVITY_S = 0.2


@dataclass(frozen=True, slots=True)
class _Pair:
    """A way out and the way back, waiting to be judged."""

    first: Lobe
    second: Lobe
    sigma: F64
    due_s: float


class Spotter:
    """`push(motion)` gives the movements that were decided with this frame.

    Two opposite lobes make a movement; it is judged `settle_s` after the second peak. Work per frame
    does not grow with the window: only a pair of lobes causes a look back, and lobes are rare.
    """

    def __init__(self, config: SpotterConfig | None = None) -> None:
        self.config = config or SpotterConfig()
        self._noise = RegionNoise(len(REGION_NAMES), self.config.noise_s, self.config.noise_floor)
        self._tracker = LobeTracker(self.config)
        self._history = History(self.config.macro_max_s + 2.0)
        self.reset()

    def reset(self) -> None:
        self._noise.reset()
        self._tracker.reset()
        self._history.reset()
        self._raw: deque[tuple[float, F64]] = deque()
        self._lobes: deque[Lobe] = deque(maxlen=32)
        self._pair: _Pair | None = None
        self._last_s: float | None = None
        self._lag_s = 0.0
        self._busy_until_s = -np.inf
        self._light: float | None = None
        self._suspended = False
        self._way_out: Tentative | None = None
        self._activity = 0.0

    def push(self, motion: Motion) -> tuple[KeyFrames, ...]:
        step_s = motion.time_s - self._last_s if self._last_s is not None else 0.0
        self._last_s, self._lag_s = motion.time_s, motion.lag_s
        self._way_out = None
        self._activity += min(step_s / _ACTIVITY_S, 1.0) * (motion.residual - self._activity)
        self._suspended = self._light_is_bad(motion, step_s)
        if self._suspended:
            return self._suspend(motion)
        vector, delay_s = self._smooth(motion)
        sigma = self._noise.sigma
        self._history.push(_sample(motion, vector, delay_s))
        lobe = self._tracker.push(motion.time_s, vector, sigma)
        self._noise.push(np.linalg.norm(vector.reshape(-1, 2), axis=1), step_s)
        if lobe is not None and self._noise.seen_s >= self.config.warm_up_s:
            self._take(lobe, sigma)
        return self._decide(motion.time_s)

    def flush(self, now_s: float | None = None) -> tuple[KeyFrames, ...]:
        """Judge what is pending, because the signal ends here. Idempotent.

        `now_s`: time of the frame that showed it; without it, of the last motion.
        """
        if self._last_s is None:
            return ()
        lobe = self._tracker.finish(self._last_s)
        if lobe is not None and self._noise.seen_s >= self.config.warm_up_s:
            self._take(lobe, self._noise.sigma)
        return self._decide(self._last_s if now_s is None else now_s, now=True)

    @property
    def way_out(self) -> Tentative | None:
        """What the last push saw peak, if it may become a movement; the way back decides that."""
        return self._way_out

    @property
    def blind(self) -> str | None:
        """Why a small movement would go unnoticed now: "warm_up", "light" or "motion"; else None.

        "motion": the face does so much else that a movement would have to be large to stand out.
        """
        if self._suspended:
            return "light"
        if self._noise.seen_s < self.config.warm_up_s:
            return "warm_up"
        return "motion" if self._activity > self.config.observable_motion else None

    @property
    def activity(self) -> float:
        """How much the whole face has been moving, head removed: RMS, percent of the eye distance per lag."""
        return self._activity

    def _light_is_bad(self, motion: Motion, step_s: float) -> bool:
        if self._light is None:
            self._light = motion.brightness
        dim = motion.brightness < self.config.min_light_ratio * self._light
        changes = abs(motion.brightness_change) > self.config.max_light_change
        self._light += min(step_s / _LIGHT_S, 1.0) * (motion.brightness - self._light)
        return dim or changes

    def _suspend(self, motion: Motion) -> tuple[KeyFrames, ...]:
        decided = self._decide(motion.time_s, now=True)
        self._tracker.reset()
        self._lobes.clear()
        self._raw.clear()
        return decided

    def _smooth(self, motion: Motion) -> tuple[F64, float]:
        """Mean over the boxcar, and how much older than this frame it is."""
        self._raw.append((motion.time_s, motion.regions.astype(np.float64).ravel()))
        while motion.time_s - self._raw[0][0] >= self.config.smoothing_s - 1e-6:
            if len(self._raw) == 1:
                break
            self._raw.popleft()
        smoothed = sum(vector for _, vector in self._raw) / len(self._raw)
        delay_s = motion.time_s - sum(time_s for time_s, _ in self._raw) / len(self._raw)
        return np.asarray(smoothed), delay_s

    def _take(self, lobe: Lobe, sigma: F64) -> None:
        """Pair the new lobe with the movement that it takes back, if there is one."""
        first = self._partner(lobe)
        self._lobes.append(lobe)
        if first is None:
            self._way_out = self._tell(lobe, sigma)
            return
        due_s = lobe.peak_s + self.config.settle_s
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
            float(moved.max()) > self.config.max_micro_motion
            or self._is_of_the_eyes(lobe.start_s, stretch, during, float(moved.max()))
            or float(np.median(stretch.rigid[during])) > self.config.max_head_ratio * residual
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
            if lobe.peak_s - earlier.peak_s > self.config.macro_max_s:
                break
            if earlier.start_s <= self._busy_until_s:
                break
            if found is None:
                if lobe.returns_from(earlier, self.config):
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
        onset, apex, offset = (
            int(np.argmin(np.abs(stretch.time_s - t)))
            for t in (course.onset_s, course.apex_s, course.offset_s)
        )
        if not onset < apex < offset:
            return None
        duration_s = float(stretch.time_s[offset] - stretch.time_s[onset])
        is_micro = duration_s <= self.config.micro_max_s + 1e-6
        if is_micro and float(course.peak.max()) > self.config.max_micro_motion:
            return None
        largest = max(float(course.peak.max()), 1e-12)
        return KeyFrames(
            kind="micro_expression" if is_micro else "macro_expression",
            onset_s=float(stretch.time_s[onset]),
            apex_s=float(stretch.time_s[apex]),
            offset_s=float(stretch.time_s[offset]),
            onset_frame=int(stretch.index[onset]),
            apex_frame=int(stretch.index[apex]),
            offset_frame=int(stretch.index[offset]),
            strength=float((course.peak / pair.sigma).max()),
            regions={name: float(p) / largest for name, p in zip(REGION_NAMES, course.peak, strict=True)},
            decided_s=now_s,
        )

    def _is_facial(self, course: Course, pair: _Pair, stretch: Stretch) -> bool:
        during = (stretch.time_s >= pair.first.start_s) & (stretch.time_s <= pair.second.end_s)
        if not during.any():
            return False
        moved = np.linalg.norm(stretch.vectors[during].reshape(during.sum(), -1, 2), axis=2).max()
        residual = float(np.median(stretch.residual[during]))
        return (
            course.returned < self.config.max_return
            and course.offset_s - course.onset_s >= self.config.min_duration_s
            and not self._is_of_the_eyes(pair.first.start_s, stretch, during, float(moved))
            and float(np.median(stretch.rigid[during])) <= self.config.max_head_ratio * residual
            and course.explained >= self.config.min_explained
        )

    def _is_of_the_eyes(
        self, start_s: float, stretch: Stretch, during: NDArray[np.bool_], moved: float
    ) -> bool:
        before = stretch.aperture[stretch.time_s <= start_s]
        open_eyes = float(np.median(before)) if before.size else float(stretch.aperture.max())
        closure = 1.0 - float(stretch.aperture[during].min()) / max(open_eyes, 1e-6)
        ratio = float(stretch.lids[during].max()) / max(moved, 1e-6)
        blink = closure > self.config.blink_closure and ratio > self.config.blink_lid_ratio
        return blink or ratio > self.config.max_lid_ratio


def _sample(motion: Motion, vector: F64, delay_s: float) -> Sample:
    return Sample(
        index=motion.index,
        time_s=motion.time_s,
        lag_s=motion.lag_s,
        delay_s=delay_s,
        vector=vector,
        lids=float(np.linalg.norm(motion.lids, axis=1).max()),
        aperture=motion.aperture,
        rigid=motion.rigid,
        residual=motion.residual,
    )
