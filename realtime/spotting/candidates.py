"""Candidates for a micro-expression: peaks of the matched filters, each described by a few numbers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime.spotting.config import SpotterConfig
from realtime.spotting.features import BROWS, LIDS, REGIONS, Sample, describe
from realtime.spotting.matched import SHAPES, TAIL_S, USUAL_SHAPE, WINDOW_S, Match, MatchedFilter, halves
from realtime.spotting.model import MicroModel
from realtime.types import F64, Motion

_STEP_S = 1.0 / 62.0
"""Faster streams are averaged to this, s: the filters need no more."""
_BEFORE_S = 0.4
_LEFT_S = 0.12
_USUAL_S = 2.0
_LEAST_QUALITY = 0.12
_LEAST_SIGNAL = 3.5
_AMPLITUDES = (0.15, 9.0)
"""Percent of the eye distance."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch that looks like an action unit that came and went."""

    onset_s: float
    apex_s: float
    offset_s: float
    template: int
    amplitude: float
    """Displacement at the apex, percent of the eye distance."""
    seen_s: float
    """How much of the stream the noise that it is judged against rests on, s."""
    noise: F64
    """(17,) standard deviation of each region's motion, percent of the eye distance."""
    features: F64


class CandidateFinder:
    """`push` gives the candidates whose peak has stood for `peak_s`."""

    def __init__(self, config: SpotterConfig, model: MicroModel) -> None:
        self._config = config
        self._model = model
        self._filter = MatchedFilter(model.templates, config.noise_s, 0.3, config.noise_floor)
        strongest = np.abs(model.templates).argmax(axis=1)
        upper = (strongest < BROWS.stop) | (strongest >= LIDS.start)
        self._halves = (np.flatnonzero(upper), np.flatnonzero(~upper))
        self.reset()

    def reset(self) -> None:
        self._filter.reset()
        self._usual: float | None = None
        self._recent = np.zeros(len(self._halves))
        self._last_s: float | None = None
        self.interrupt()

    def interrupt(self) -> None:
        """Forget what has begun, but not the noise: there is a hole in the signal."""
        self._filter.interrupt()
        self._bin: list[Sample] = []
        self._samples: deque[Sample] = deque()
        self._peaks: tuple[deque[tuple[float, float]], ...] = tuple(deque() for _ in self._halves)
        self._pending: list[tuple[float, Candidate] | None] = [None for _ in self._halves]
        self.needed_amplitude = np.inf
        """What an action unit must have now to stand out, percent of the eye distance; inf until there is
        room for the shortest one."""

    @property
    def has_room(self) -> bool:
        """Whether a movement of usual length has room in what was seen since the last hole."""
        return self._filter.shapes > USUAL_SHAPE

    def push(self, motion: Motion) -> tuple[Candidate, ...]:
        self._bin.append(Sample.of(motion))
        if self._last_s is not None and motion.time_s - self._last_s < _STEP_S - 1e-6:
            return ()
        sample, self._bin = Sample.mean(self._bin), []
        step_s = 0.0 if self._last_s is None else motion.time_s - self._last_s
        self._last_s = motion.time_s
        self._samples.append(sample)
        while self._samples[0].time_s < sample.time_s - WINDOW_S - _BEFORE_S:
            self._samples.popleft()
        self._follow(sample, step_s)
        match = self._filter.push(sample.time_s, sample.lag_s, sample.channels)
        if match is not None:
            self._look(sample.time_s, match)
        return self._take(motion.time_s - self._config.peak_s + 1e-6)

    def flush(self) -> tuple[Candidate, ...]:
        """The candidates that wait, because the signal ends."""
        return self._take(np.inf)

    def _take(self, before_s: float) -> tuple[Candidate, ...]:
        due = [i for i, pending in enumerate(self._pending) if pending and pending[0] <= before_s]
        taken = tuple(pending[1] for i in due if (pending := self._pending[i]))
        for i in due:
            self._pending[i] = None
        return taken

    def _follow(self, sample: Sample, step_s: float) -> None:
        residual = float(sample.state[0])
        if self._usual is None:
            self._usual = residual
        self._usual += min(step_s / _USUAL_S, 1.0) * (residual - self._usual)
        self._recent *= np.exp(-step_s / _USUAL_S)

    def _look(self, time_s: float, match: Match) -> None:
        """The upper and the lower face have peaks of their own: a brow may move while the mouth talks."""
        quality = match.quality(_LEAST_SIGNAL, _AMPLITUDES)
        self.needed_amplitude = float(
            np.median(np.sqrt(match.energy[:, None] / np.maximum(match.response, 1e-12)).min(axis=0))
        )
        for i, half in enumerate(self._halves):
            part = quality[:, half]
            g, k = divmod(int(np.argmax(part)), half.size)
            best, peaks = float(part[g, k]), self._peaks[i]
            while peaks and peaks[0][0] < time_s - _LEFT_S:
                self._recent[i] = max(self._recent[i], peaks.popleft()[1])
            higher = best > max((value for _, value in peaks), default=0.0)
            peaks.append((time_s, best))
            if best > _LEAST_QUALITY and higher:
                candidate = self._describe(time_s, match, g, int(half[k]), i)
                if candidate is not None:
                    self._pending[i] = (time_s, candidate)

    def _describe(self, time_s: float, match: Match, g: int, k: int, i: int) -> Candidate | None:
        rise_s, fall_s = SHAPES[g]
        offset_s = time_s - TAIL_S
        onset_s = offset_s - rise_s - fall_s
        times = np.array([sample.time_s for sample in self._samples])
        during = times >= onset_s
        before = (times >= onset_s - _BEFORE_S) & (times < onset_s + 0.03)
        if before.sum() < 2 or during.sum() < 3 or not self._returns(times - onset_s, match, g, k):
            return None
        past = {
            "log_residual_usual": float(np.log(max(self._usual or 0.0, 1e-3))),
            "recent": float(self._recent[i]),
            "recent_elsewhere": float(self._recent[1 - i]),
        }
        return Candidate(
            onset_s=onset_s,
            apex_s=onset_s + rise_s,
            offset_s=offset_s,
            template=k,
            amplitude=float(match.amplitude[g, k]),
            seen_s=float(self._filter.seen_s[g]),
            noise=(match.precision[g][REGIONS] ** -0.5).reshape(-1, 2).max(axis=1),
            features=describe(self._samples, during, before, match, g, k, self._model, past),
        )

    def _returns(self, since_s: F64, match: Match, g: int, k: int) -> bool:
        """Whether there is a way out and a way back, not one of them alone."""
        weighted = self._model.templates[k] * match.precision[g]
        norm = max(float(weighted @ self._model.templates[k]), 1e-12)
        along = np.array([sample.channels for sample in self._samples]) @ weighted / norm
        lag_s = np.array([sample.lag_s for sample in self._samples])
        first, second = halves(since_s, lag_s, g, along)
        return min(first, second) > self._config.balance * max(first, second)
