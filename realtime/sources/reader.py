"""A thread that reads one connection and can be left behind when it hangs."""

from __future__ import annotations

import math
import threading
import time

from realtime.errors import GlimpseError
from realtime.sources.buffer import ShotBuffer
from realtime.sources.feed import Feed, FeedInfo, Shot

_AHEAD = 0.8
"""Share of the buffer's span by which stamps may run ahead of the clock before the reader waits."""
_LEAP_S = 0.25
"""A longer step between two stamps, or one backwards, says nothing about how far the feed is ahead."""
_DRIFT_S = 3e-5
"""By this much the reference may follow per picture: clocks of cameras drift by less."""


class Pace:
    """How far the stamps of a feed run ahead of the clock: pictures that come in bursts are ahead.

    A leap of the stamps is no burst: it leaves what is ahead as it was.
    """

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._lead_s = 0.0
        """Stamp minus arrival where nothing is ahead."""
        self._ahead_s = 0.0

    def ahead_s(self, shot: Shot) -> float:
        """Take the next picture that has a stamp."""
        lead_s = shot.stamp_s - shot.arrival_s
        step_s = math.inf if self._last_s is None else shot.stamp_s - self._last_s
        self._last_s = shot.stamp_s
        if 0 < step_s <= _LEAP_S:
            self._ahead_s = lead_s - self._lead_s
            self._lead_s += math.copysign(_DRIFT_S, self._ahead_s)
        else:
            self._lead_s = lead_s - self._ahead_s
        return self._ahead_s


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
        pace = Pace()
        while not self._abandoned.is_set():
            shot = self._feed.read()
            if shot is None:
                return
            self.buffer.put(shot)
            if not self._lossless and math.isfinite(shot.stamp_s):
                self._abandoned.wait(max(pace.ahead_s(shot) - _AHEAD * self._span_s, 0.0))
