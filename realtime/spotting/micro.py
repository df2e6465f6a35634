"""Micro-expressions: candidates of the matched filters, judged by the model, timed on the full signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime.geometry import REGION_NAMES
from realtime.spotting.candidates import Candidate, CandidateFinder
from realtime.spotting.config import SpotterConfig
from realtime.spotting.history import History
from realtime.spotting.model import MicroModel, load_model
from realtime.spotting.timing import Course, measure
from realtime.types import F64, KeyFrames, Motion

_LEAD_S = 0.15
_SLACK_S = 0.08


class MicroSpotter:
    """`push(motion, history)` gives a micro-expression when it is decided, else None."""

    def __init__(self, config: SpotterConfig, model: MicroModel | None = None) -> None:
        self._config = config
        self._model = model or load_model()
        self._finder = CandidateFinder(config, self._model)
        self.reset()

    def reset(self) -> None:
        self._finder.reset()
        self._busy_until_s = -np.inf

    def interrupt(self) -> None:
        """Forget what has begun, but not the noise."""
        self._finder.interrupt()

    @property
    def has_room(self) -> bool:
        """Whether a movement of usual length has room in what was seen since the last hole."""
        return self._finder.has_room

    @property
    def needed_amplitude(self) -> float:
        """Displacement at the apex that a typical action unit would need now, percent of the eye distance."""
        return self._finder.needed_amplitude * self._config.needed_factor

    def set_confidence(self, confidence: float) -> None:
        """From the next decision on, another least probability of what is reported."""
        self._config = replace(self._config, confidence=confidence)

    def push(self, motion: Motion, history: History) -> tuple[KeyFrames, ...]:
        return self._decide(self._finder.push(motion), history, motion.time_s)

    def flush(self, history: History, now_s: float) -> tuple[KeyFrames, ...]:
        """Judge what is pending, because the signal ends here."""
        return self._decide(self._finder.flush(), history, now_s)

    def _decide(
        self, candidates: tuple[Candidate, ...], history: History, now_s: float
    ) -> tuple[KeyFrames, ...]:
        found = (self._judge(candidate, history, now_s) for candidate in candidates)
        return tuple(movement for movement in found if movement is not None)

    def _judge(self, candidate: Candidate, history: History, now_s: float) -> KeyFrames | None:
        if candidate.apex_s <= self._busy_until_s:
            return None
        least = self._config.confidence
        if candidate.seen_s < self._config.warm_up_s:
            least = max(least, self._config.early_confidence)
        if self._model.score(candidate.features) < least:
            return None
        stretch = history.since(candidate.onset_s - _LEAD_S)
        direction = candidate.amplitude * self._model.templates[candidate.template][: 2 * len(REGION_NAMES)]
        moved = np.linalg.norm(direction.reshape(-1, 2), axis=1)
        course = measure(stretch, direction, candidate.noise)
        if course is not None and self._agrees(candidate, course):
            times, seen = (course.onset_s, course.apex_s, course.offset_s), _seen(course, candidate.noise)
        else:  # the pulse and the template that fit best
            times, seen = (candidate.onset_s, candidate.apex_s, candidate.offset_s), moved
        onset, apex, offset = (int(np.argmin(np.abs(stretch.time_s - t))) for t in times)
        if not onset < apex < offset:
            return None
        self._busy_until_s = float(stretch.time_s[offset])
        return KeyFrames(
            kind="micro_expression",
            onset_s=float(stretch.time_s[onset]),
            apex_s=float(stretch.time_s[apex]),
            offset_s=float(stretch.time_s[offset]),
            onset_frame=int(stretch.index[onset]),
            apex_frame=int(stretch.index[apex]),
            offset_frame=int(stretch.index[offset]),
            strength=float((moved / candidate.noise).max()),
            regions={name: float(m / seen.max()) for name, m in zip(REGION_NAMES, seen, strict=True)},
            decided_s=now_s,
        )

    def _agrees(self, candidate: Candidate, course: Course) -> bool:
        length_s = course.offset_s - course.onset_s
        return (
            abs(course.apex_s - candidate.apex_s) < _SLACK_S
            and abs(course.onset_s - candidate.onset_s) < _SLACK_S
            and abs(course.offset_s - candidate.offset_s) < _SLACK_S
            and self._config.min_duration_s <= length_s <= self._config.micro_max_s
        )


def _seen(course: Course, noise: F64) -> F64:
    """(17,) how far each region was moved at the apex, less what noise alone would show."""
    return np.asarray(np.sqrt(np.maximum(course.peak**2 - 2.0 * noise**2, 1e-12)), np.float64)
