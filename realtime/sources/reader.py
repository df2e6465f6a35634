"""A thread that reads one connection and can be left behind when it hangs."""

from __future__ import annotations

import math
import threading
import time
from typing import Literal

from realtime.errors import GlimpseError
from realtime.sources.buffer import ShotBuffer
from realtime.sources.feed import Feed, FeedInfo

_AHEAD = 0.8
"""Share of the buffer's span by which stamps may run ahead of the clock before the reader waits."""
_LONGEST_WAIT_S = 10.0
_DRIFT_S = 3e-5
"""By this much the reference may follow per picture: clocks of cameras drift by less."""


class Reader:
    """Reads a feed into a buffer until it ends, fails or is abandoned.

    A blocked call into OpenCV cannot be interrupted: `abandon` only makes the thread let go of the
    connection, and stop, as soon as that call returns, if ever. Feeds that arrive in bursts, as HLS
    does, are taken at the pace of their stamps.
    """

    def __init__(self, feed: Feed, *, span_s: float, lossless: bool = False) -> None:
        self._feed = feed
        self._span_s, self._lossless = span_s, lossless
        self.buffer = ShotBuffer(span_s, lossless=lossless)
        self.started_s = time.monotonic()
        self.info: FeedInfo | None = None
        """What the connection shows, once it is open."""
        self.error: str | None = None
        """Why it ended; None for the feed's own end."""
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    @property
    def state(self) -> Literal["opening", "reading", "over"]:
        if self.buffer.is_over:
            return "over"
        return "opening" if self.info is None else "reading"

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs: after `abandon`, that it hangs."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        """Stop as soon as the call that is going on returns."""
        self._abandoned.set()
        self.buffer.end()

    def _run(self) -> None:
        try:
            self.info = self._feed.open()
            self._read()
        except GlimpseError as error:
            self.error = str(error)
        except Exception as error:  # a foreign fault ends this connection, not the run
            self.error = f"{type(error).__name__} while reading"
        finally:
            self.buffer.end()
            self._feed.close()

    def _read(self) -> None:
        first: tuple[float, float] | None = None
        while not self._abandoned.is_set():
            shot = self._feed.read()
            if shot is None:
                return
            self.buffer.put(shot)
            if self._lossless or not shot.stamp_s >= 0:
                continue
            if first is None:
                first = (shot.arrival_s, shot.stamp_s)
            ahead_s = (shot.stamp_s - first[1]) - (shot.arrival_s - first[0])
            if abs(ahead_s) > _LONGEST_WAIT_S:
                first = None
                continue
            first = (first[0] - math.copysign(_DRIFT_S, ahead_s), first[1])
            self._abandoned.wait(max(ahead_s - _AHEAD * self._span_s, 0.0))
