"""The spotter: motion in, finished movements out, causally."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realtime.spotting.config import SpotterConfig
from realtime.spotting.history import History, Sample
from realtime.spotting.lids import LidLeak
from realtime.spotting.macro import LONGEST_WAIT_S, MacroSpotter
from realtime.spotting.micro import MicroSpotter
from realtime.spotting.network import Weights
from realtime.spotting.signal import Row
from realtime.spotting.tentative import Tentative
from realtime.types import F64, KeyFrames, Motion

__all__ = ["LONGEST_WAIT_S", "Spotter"]

_LIGHT_S = 5.0
_ACTIVITY_S = 0.2


class Spotter:
    """`push(motion)` gives the movements that were decided with this frame.

    Micro-expressions are sought by a network, macro-expressions as pairs of lobes; both see the same
    signal, from which blinks are taken out, and neither while the light changes too much.

    Time counts from the first motion, rounded to a microsecond: the same motions give the same movements at
    any time of a stream.
    """

    def __init__(self, config: SpotterConfig | None = None, weights: Weights | None = None) -> None:
        """`weights` of the network that finds micro-expressions; None: those of the package."""
        self.config = config or SpotterConfig()
        self._history = History(self.config.macro_max_s + 2.0)
        self._macro = MacroSpotter(self.config, self._history)
        self._micro = MicroSpotter(self.config, weights)
        self._leak = LidLeak()
        self.reset()

    def reset(self) -> None:
        for part in (self._history, self._macro, self._micro, self._leak):
            part.reset()
        self._raw: deque[tuple[float, F64]] = deque()
        self._start_s: float | None = None
        self._last_s: float | None = None
        self._light: float | None = None
        self._suspended = False
        self._activity = 0.0
        self._late_s = 0.0

    def set_confidence(self, confidence: float) -> None:
        """From the next decision on, another `SpotterConfig.confidence`; raises `ConfigError`."""
        self.config = replace(self.config, confidence=confidence)
        self._micro.set_confidence(confidence)

    def push(self, motion: Motion, now_s: float | None = None) -> tuple[KeyFrames, ...]:
        """Take the next motion. `now_s`: time of the frame that it is known with; without it, its own."""
        self._late_s = 0.0 if now_s is None else max(now_s - motion.time_s, 0.0)
        if self._start_s is None:
            self._start_s = motion.time_s
        here = replace(motion, time_s=self._since_start(motion.time_s))
        return self._in_stream_time(self._push(here), self._late_s)

    def _push(self, motion: Motion) -> tuple[KeyFrames, ...]:
        step_s = motion.time_s - self._last_s if self._last_s is not None else 0.0
        self._activity += min(step_s / _ACTIVITY_S, 1.0) * (motion.residual - self._activity)
        self._suspended = self._light_is_bad(motion, step_s)
        if self._suspended:
            decided = self._flush(motion.time_s)
            self._micro.interrupt()
            self._macro.interrupt()
            self._leak.interrupt()
            self._raw.clear()
            self._last_s = motion.time_s
            return decided
        self._last_s = motion.time_s
        motion = replace(motion, regions=self._leak.push(motion))
        vector, delay_s = self._smooth(motion)
        self._history.push(_sample(motion, vector, delay_s))
        micro = self._micro.push(motion, self._history)
        return self._macro.push(motion.time_s, motion.lag_s, step_s, vector) + micro

    def flush(self, now_s: float | None = None) -> tuple[KeyFrames, ...]:
        """Judge what is pending, because the signal ends here. Idempotent.

        `now_s`: time of the frame that showed it; without it, of the last motion.
        """
        return self._in_stream_time(self._flush(None if now_s is None else self._since_start(now_s)))

    def _flush(self, now_s: float | None) -> tuple[KeyFrames, ...]:
        if self._last_s is None:
            return ()
        end_s = self._last_s if now_s is None else now_s
        return self._macro.flush(self._last_s, end_s) + self._micro.flush(self._history, end_s)

    @property
    def way_out(self) -> Tentative | None:
        """What the last push saw peak, if it may become a movement; the way back decides that."""
        way_out = None if self._suspended else self._macro.way_out
        return way_out and replace(
            way_out,
            onset_s=self._at(way_out.onset_s),
            apex_s=self._at(way_out.apex_s),
            decided_s=self._at(way_out.decided_s + self._late_s),
        )

    @property
    def rows(self) -> Sequence[Row]:
        """What the network was shown with the last push: its training is made of these."""
        rows = () if self._suspended else self._micro.rows
        return tuple(Row(self._at(row.time_s), row.values) for row in rows)

    @property
    def blind(self) -> str | None:
        """Why a small movement would go unnoticed now: "warm_up", "light" or "motion"; else None.

        "motion": the face does so much else that a movement would have to be large to stand out.
        """
        if self._suspended:
            return "light"
        if self._macro.seen_s < self.config.warm_up_s or not self._micro.has_room:
            return "warm_up"
        return "motion" if self._activity > self.config.observable_motion else None

    @property
    def activity(self) -> float:
        """How much the whole face has been moving, head removed: RMS, percent of the eye distance per lag."""
        return self._activity

    def _since_start(self, time_s: float) -> float:
        return round(time_s - (self._start_s or 0.0), 6)

    def _at(self, since_start_s: float) -> float:
        return round(since_start_s + (self._start_s or 0.0), 6)

    def _in_stream_time(self, decided: tuple[KeyFrames, ...], late_s: float = 0.0) -> tuple[KeyFrames, ...]:
        return tuple(
            replace(
                keys,
                onset_s=self._at(keys.onset_s),
                apex_s=self._at(keys.apex_s),
                offset_s=self._at(keys.offset_s),
                decided_s=self._at(keys.decided_s + late_s),
            )
            for keys in decided
        )

    def _light_is_bad(self, motion: Motion, step_s: float) -> bool:
        if self._light is None:
            self._light = motion.brightness
        dim = motion.brightness < self.config.min_light_ratio * self._light
        changes = (
            abs(motion.brightness_change) > self.config.max_light_change
            or abs(motion.patchy_light) > self.config.max_patchy_light
        )
        self._light += min(step_s / _LIGHT_S, 1.0) * (motion.brightness - self._light)
        return dim or changes

    def _smooth(self, motion: Motion) -> tuple[F64, float]:
        """Mean over the boxcar, and how much older than this frame it is."""
        self._raw.append((motion.time_s - motion.delay_s, motion.regions.astype(np.float64).ravel()))
        while self._raw[-1][0] - self._raw[0][0] >= self.config.smoothing_s - 1e-6:
            if len(self._raw) == 1:
                break
            self._raw.popleft()
        smoothed = sum(vector for _, vector in self._raw) / len(self._raw)
        delay_s = motion.time_s - sum(time_s for time_s, _ in self._raw) / len(self._raw)
        return np.asarray(smoothed), delay_s


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
