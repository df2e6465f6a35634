"""Micro-expressions: a network says when one has ended, the full signal when it began, peaked and ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from realtime.spotting.config import SpotterConfig
from realtime.spotting.history import History
from realtime.spotting.network import CausalNetwork, Weights, load_weights
from realtime.spotting.signal import STEP_S, Row, Signal
from realtime.spotting.timing import Course, jitter, key_frames, measure, pulse_amplitudes
from realtime.types import F64, KeyFrames, Motion

_LEAD_S = 0.15
_SLACK_S = 0.08
_ALONE_S = 0.15
"""Of what the network says within this time, the likeliest alone counts, s."""
_ROOM_S = 0.33
"""A movement of usual length has room in this, s."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """What the network said at one time."""

    time_s: float
    probability: float
    onset_s: float
    apex_s: float
    offset_s: float


class MicroSpotter:
    """`push(motion, history)` gives the micro-expressions that are decided."""

    def __init__(self, config: SpotterConfig, weights: Weights | None = None) -> None:
        """`weights` of the network; None: those of the package."""
        self._config = config
        self._signal = Signal()
        self._network = CausalNetwork(weights or load_weights())
        self.reset()

    def reset(self) -> None:
        self._signal.reset()
        self._busy_until_s = -np.inf
        self.interrupt()

    def interrupt(self) -> None:
        """Forget what has begun, but not the noise: there is a hole in the signal."""
        self._signal.interrupt()
        self._network.reset()
        self._guesses: deque[_Guess] = deque()
        self._pending: _Guess | None = None
        self._since_s = np.inf
        self._now_s = 0.0
        self.rows: Sequence[Row] = ()
        """What the network was shown with the last push."""

    @property
    def has_room(self) -> bool:
        """Whether a movement of usual length has room in what was seen since the last hole."""
        return self._now_s - self._since_s >= _ROOM_S

    def set_confidence(self, confidence: float) -> None:
        """From the next decision on, another least probability of what is reported."""
        self._config = replace(self._config, confidence=confidence)

    def push(self, motion: Motion, history: History) -> tuple[KeyFrames, ...]:
        """`motion`: of regions without what follows the lids; `history` holds it already."""
        self._since_s = min(self._since_s, motion.time_s)
        self._now_s = motion.time_s
        self.rows = self._signal.push(motion)
        found: list[KeyFrames] = []
        for row in self.rows:
            self._hear(_guess(row.time_s, self._network.push(row.values)))
            found += self._decide(row.time_s - self._config.peak_s, history, motion.time_s)
        return tuple(found)

    def flush(self, history: History, now_s: float) -> tuple[KeyFrames, ...]:
        """Judge what is pending, because the signal ends here."""
        return self._decide(np.inf, history, now_s)

    def _hear(self, guess: _Guess) -> None:
        """Let the likeliest guess of the last while wait."""
        while self._guesses and self._guesses[0].time_s < guess.time_s - _ALONE_S:
            self._guesses.popleft()
        if guess.probability > max((known.probability for known in self._guesses), default=0.0):
            self._pending = guess
        self._guesses.append(guess)

    def _decide(self, before_s: float, history: History, now_s: float) -> tuple[KeyFrames, ...]:
        pending = self._pending
        if pending is None or pending.time_s > before_s + 1e-6:
            return ()
        self._pending = None
        if pending.probability < self._config.confidence or pending.apex_s <= self._busy_until_s:
            return ()
        found = self._measure(pending, history, now_s)
        if found is None:
            return ()
        self._busy_until_s = found.offset_s
        return (found,)

    def _measure(self, guess: _Guess, history: History, now_s: float) -> KeyFrames | None:
        """Key frames and what moved: as measured where that agrees with the network, else as it says."""
        longest_s = guess.onset_s + self._config.micro_max_s
        guess = replace(guess, offset_s=min(guess.offset_s, longest_s))
        if not guess.onset_s < guess.apex_s < guess.offset_s or guess.onset_s < self._since_s - STEP_S:
            return None  # what began before the signal is not known to be one
        if guess.offset_s - guess.onset_s < self._config.min_duration_s:
            return None
        stretch = history.since(guess.onset_s - _LEAD_S)
        noise = self._signal.noise
        direction = pulse_amplitudes(stretch, guess.onset_s, guess.apex_s, guess.offset_s)
        if jitter(stretch, direction) > self._config.max_jitter:
            return None
        course = measure(stretch, direction, noise)
        if course is not None and self._agrees(guess, course):
            times, seen = (course.onset_s, course.apex_s, course.offset_s), _above(course.peak, noise)
        else:
            times = (guess.onset_s, guess.apex_s, guess.offset_s)
            seen = _above(np.linalg.norm(direction.reshape(-1, 2), axis=1), noise)
        return key_frames("micro_expression", stretch, times, seen, float((seen / noise).max()), now_s)

    def _agrees(self, guess: _Guess, course: Course) -> bool:
        length_s = course.offset_s - course.onset_s
        return (
            abs(course.apex_s - guess.apex_s) < _SLACK_S
            and abs(course.onset_s - guess.onset_s) < _SLACK_S
            and abs(course.offset_s - guess.offset_s) < _SLACK_S
            and self._config.min_duration_s <= length_s <= self._config.micro_max_s
        )


def _guess(time_s: float, said: F64) -> _Guess:
    odds, onset, apex, offset = said.tolist()
    probability = float(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))
    return _Guess(time_s, probability, time_s - onset, time_s - apex, time_s - offset)


def _above(moved: F64, noise: F64) -> F64:
    """(17,) displacements, less what noise alone would show."""
    return np.asarray(np.sqrt(np.maximum(moved**2 - 2.0 * noise**2, 1e-12)), np.float64)
