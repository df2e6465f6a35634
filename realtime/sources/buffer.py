"""Pictures that wait for the pipeline, bounded in time and in memory; the oldest go first."""

from __future__ import annotations

import threading
import time
from collections import deque

from realtime.sources.feed import Shot
from realtime.types import U8

MAX_BYTES = 256 * 2**20
_BYTES_OF_NONE = 1024
_LOSSLESS_SHOTS = 8


class ShotBuffer:
    """Between the thread that reads and the one that measures.

    `put` never blocks: when the pictures that wait span more than `span_s`, or more than 256 MiB, the
    oldest are dropped. Whoever takes the next one sees from its number how many are missing. With
    `lossless`, `put` waits for room instead.
    """

    def __init__(self, span_s: float, *, lossless: bool = False) -> None:
        self._span_s = span_s
        self._lossless = lossless
        self._shots: deque[Shot] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False

    def put(self, shot: Shot) -> None:
        """Add the newest picture."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._has_room() or self._ended)
            self._shots.append(shot)
            self._bytes += _size(shot)
            while len(self._shots) > 1 and not self._lossless and self._is_full():
                self._bytes -= _size(self._shots.popleft())
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Shot | None:
        """The oldest picture; None where none came in time or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._shots or self._ended, timeout_s)
            if not self._shots:
                return None
            shot = self._shots.popleft()
            self._bytes -= _size(shot)
            self._changed.notify_all()
            return shot

    def first_picture(self, timeout_s: float) -> U8 | None:
        """The oldest picture that waits and could be decoded; None where there is none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._decoded() is not None or self._ended, timeout_s)
            return self._decoded()

    def _decoded(self) -> U8 | None:
        return next((shot.image for shot in self._shots if shot.image is not None), None)

    def end(self) -> None:
        """Nothing more will be put in."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether everything was taken and nothing more will come."""
        with self._changed:
            return self._ended and not self._shots

    @property
    def waiting_s(self) -> float:
        """Age of the oldest picture that waits, s."""
        with self._changed:
            return time.monotonic() - self._shots[0].arrival_s if self._shots else 0.0

    def _has_room(self) -> bool:
        """Those that could not be decoded take none: whoever waits for a picture waits behind them."""
        return sum(shot.image is not None for shot in self._shots) < _LOSSLESS_SHOTS

    def _is_full(self) -> bool:
        return self._shots[-1].arrival_s - self._shots[0].arrival_s > self._span_s or self._bytes > MAX_BYTES


def _size(shot: Shot) -> int:
    return _BYTES_OF_NONE if shot.image is None else shot.image.nbytes
