"""A live stream that stalls, drops and comes back: one sequence of frames over many connections."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from realtime.sources.feed import Feed, Shot
from realtime.sources.loss import LossWatch, RateWatch
from realtime.sources.moments import FeedClock, Moment, Moments
from realtime.sources.reader import Reader
from realtime.sources.stream_status import LivePolicy, State, StreamStatus
from realtime.types import U8, Frame, StreamInfo, Unreadable

MAX_HUNG = 8
_TICK_S = 0.1
_GRACE_S = 1.0
_STEADY_S = 10.0


class LiveSource:
    """Frames of a live stream, as `FrameSource`, after `connect`.

    `on_status` is told every change of state in the thread that iterates, between two frames. Frames
    that were dropped because the route was too slow are `Unreadable("dropped")`, and counted in the
    index. Iteration ends when the stream does, when `stop` is set, when the time is over, or when so many
    connections hang that only a new process gets rid of them (`is_clogged`).
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Feed],
        policy: LivePolicy,
        on_status: Callable[[StreamStatus], object],
        *,
        stop: threading.Event | None = None,
        attempt: int = 0,
        seed: int | None = None,
    ) -> None:
        """`name`: to report, without credentials. `connect`: gives a new, unopened connection. `stop`: set
        from any thread, it ends the stream soon. `attempt`: how many failed in a row before. `seed`: of the
        jitter."""
        self._name, self._connect, self._policy, self._tell = name, connect, policy, on_status
        self._random = random.Random(seed)
        self._stop = threading.Event() if stop is None else stop
        self._started_s = self._beat_s = time.monotonic()
        self._clock, self._moments = FeedClock(), Moments()
        self._reader: Reader | None = None
        self._hung: list[Reader] = []
        self._info: StreamInfo | None = None
        self._state: State = "starting"
        self._index = 0
        self.attempt = attempt
        """Attempts in a row that have failed."""
        self._silent_since_s: float | None = None
        self._watch, self._rate = LossWatch(), RateWatch()
        self.reconnects = 0
        """How often the stream was lost and came back."""
        self.gap_s = 0.0
        """Time without pictures, s."""

    @property
    def info(self) -> StreamInfo:
        """What runs; only after `connect`."""
        assert self._info is not None, "connect() comes first"
        return self._info

    @property
    def state(self) -> State:
        """Where the stream stands."""
        return self._state

    @property
    def notes(self) -> tuple[str, ...]:
        """What was out of the ordinary, one line each."""
        notes = self._info.notes if self._info else ()
        if self.reconnects:
            notes += (f"lost and found again {self.reconnects} times, {self.gap_s:.1f} s without pictures",)
        return notes + self._watch.notes

    def moment(self, index: int) -> Moment | None:
        """When frame `index` was captured; None where that is not known any more."""
        return self._moments.at(index)

    @property
    def is_clogged(self) -> bool:
        """Whether so many connections hang that a new process has to go on."""
        return len(self._hung) > MAX_HUNG

    @property
    def waiting_s(self) -> float:
        """Age of the oldest picture that waits for the route, s."""
        return self._reader.buffer.waiting_s if self._reader else 0.0

    @property
    def idle_s(self) -> float:
        """For how long whoever takes the frames has not asked for one, s."""
        return time.monotonic() - self._beat_s

    def connect(self) -> bool:
        """Wait for the first picture; False where the run ends before there is one."""
        self._change(StreamStatus("starting"))
        return self._establish()

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._reader is not None:
            self._reader.abandon()

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        while True:
            yield from self._frames()
            if self._finish() or not self._establish():
                return

    def _establish(self) -> bool:
        """Connect, again and again, until there is a picture."""
        while not self._is_over():
            self._reader = Reader(
                self._connect(), span_s=self._policy.buffer_s, lossless=self._policy.lossless
            )
            first = self._first_picture(self._reader)
            if first is not None:
                self._run(self._reader, first)
                return True
            if self._is_over():
                break
            reason = self._reader.error or (
                "opened, but delivers no picture" if self._reader.info else "does not answer"
            )
            if not self._retry(reason):
                return False
        if self._reader is not None:
            self._reader.abandon()
        self._change(StreamStatus("ended", self._why_over()))
        return False

    def _first_picture(self, reader: Reader) -> U8 | None:
        """What a connection shows; None where nothing that can be decoded comes in time."""
        patience_s = self._policy.open_timeout_s + self._policy.read_timeout_s + _GRACE_S
        while not self._is_over() and time.monotonic() - reader.started_s < patience_s:
            image = reader.buffer.first_picture(_TICK_S)
            if image is not None or reader.buffer.is_over:
                return image
        return None

    def _retry(self, reason: str) -> bool:
        """Give the connection up and pause; False where that was the last attempt."""
        self._let_go()
        self.attempt += 1
        if self._policy.retries is not None and self.attempt > self._policy.retries:
            self._change(StreamStatus("failed", reason, attempt=self.attempt))
            return False
        wait_s = min(self._policy.backoff_s * 2.0 ** min(self.attempt - 1, 16), self._policy.backoff_max_s)
        wait_s *= self._random.uniform(0.5, 1.0)
        status = StreamStatus("reconnecting", reason, attempt=self.attempt, wait_s=wait_s)
        is_power_of_two = self.attempt & (self.attempt - 1) == 0
        if self._state != "reconnecting" or is_power_of_two:  # an outage may be long
            self._change(status)
        if self.is_clogged:
            return False
        remaining_s = self._remaining_s()
        self._stop.wait(wait_s if remaining_s is None else min(wait_s, max(remaining_s, 0.0)))
        return True

    def _let_go(self) -> None:
        assert self._reader is not None
        self._reader.abandon()
        self._hung = [reader for reader in (*self._hung, self._reader) if reader.is_alive]

    def _run(self, reader: Reader, picture: U8) -> None:
        """A connection delivers: from here on it is the stream."""
        seen = reader.info
        assert seen is not None
        first = self._info is None
        height, width = picture.shape[:2]
        self._info = StreamInfo(self._name, width, height, seen.fps, None, seen.notes)
        self._clock.begin(recorded=seen.finite)
        self._moments.begin()
        self._rate.reset()
        self._is_recorded = seen.finite
        self._connected_s = time.monotonic()
        gap_s = None
        if not first and self._silent_since_s is not None:
            gap_s = time.monotonic() - self._silent_since_s
            self.gap_s += gap_s
            self.reconnects += 1
        self._change(StreamStatus("running", info=self._info, gap_s=gap_s))

    def _frames(self) -> Iterator[Frame | Unreadable]:
        """The frames of one connection."""
        reader = self._reader
        assert reader is not None
        self._heard_s, expected = time.monotonic(), 0
        while not self._is_over():
            shot = reader.buffer.take(_TICK_S)
            if shot is not None:
                for _ in range(shot.number - expected):
                    yield Unreadable(self._next_index(), "dropped")
                self._warn_of_loss(shot.number - expected)
                expected = shot.number + 1
            if shot is not None and shot.image is not None:
                yield self._frame(shot, shot.image)
                continue
            if shot is not None:
                yield Unreadable(self._next_index(), "undecodable")
            if self._is_lost(reader, "no picture" if shot is None else "nothing that can be decoded"):
                break
        self._silent_since_s = self._heard_s

    def _frame(self, shot: Shot, image: U8) -> Frame:
        """The next picture, and what it says about the state of the stream."""
        now_s = time.monotonic()
        if self._state == "stalled":
            gap_s = now_s - self._heard_s
            self.gap_s += gap_s
            self._rate.reset()
            self._change(StreamStatus("running", info=self._info, gap_s=gap_s))
        self._heard_s = now_s
        if now_s - self._connected_s > _STEADY_S:
            self.attempt = 0
        index, time_s = self._next_index(), self._clock.stamp(shot)
        self._moments.add(index, time_s, shot)
        self._compare(index, time_s, image)
        return Frame(index, time_s, image)

    def _compare(self, index: int, time_s: float, image: U8) -> None:
        """Tell where the picture's size or the frame rate has changed."""
        before = self.info
        height, width = image.shape[:2]
        if (width, height) != (before.width, before.height):
            self._info = replace(before, width=width, height=height)
            reason = f"the picture has changed from {before.width}×{before.height}"
            self._change(StreamStatus("running", reason, self._info))
        fps = None if self._is_recorded else self._rate.push(time_s, index, before.fps)
        if fps is not None:
            self._info = replace(self.info, fps=round(fps, 1))
            reason = f"not {before.fps:g} but {fps:.1f} frames per second come"
            self._change(StreamStatus("running", reason, self._info))

    def _is_lost(self, reader: Reader, what: str) -> bool:
        """Without a picture: whether the connection is over or has to be given up."""
        silent_s = time.monotonic() - self._heard_s
        if reader.buffer.is_over or silent_s > self._policy.read_timeout_s + _GRACE_S:
            return True
        if silent_s > self._policy.stall_s and self._state == "running":
            self._change(StreamStatus("stalled", f"{what} for {silent_s:.1f} s"))
        return False

    def _finish(self) -> bool:
        """After a connection's last frame: whether that was all."""
        assert self._reader is not None
        reader, info = self._reader, self._reader.info
        if self._is_over():
            self._change(StreamStatus("ended", self._why_over()))
        elif reader.buffer.is_over and reader.error is None and info is not None and info.finite:
            self._change(StreamStatus("ended", "the recording is over"))
        elif info is not None and info.finite:  # from its start again, all would come twice
            self._change(StreamStatus("failed", reader.error or "delivers no pictures"))
        elif self._policy.retries == 0:
            self._change(StreamStatus("ended", reader.error or "the stream ended"))
        else:
            reason = reader.error or ("the stream ended" if reader.buffer.is_over else "delivers no pictures")
            return not self._retry(reason)
        reader.abandon()
        return True

    def _warn_of_loss(self, dropped: int) -> None:
        warning = self._watch.push(time.monotonic(), dropped)
        if warning:
            self._tell(StreamStatus(self._state, warning=warning))

    def _change(self, status: StreamStatus) -> None:
        self._state = status.state
        self._tell(status)

    def _next_index(self) -> int:
        self._index += 1
        return self._index - 1

    def _remaining_s(self) -> float | None:
        if self._policy.seconds is None:
            return None
        return self._started_s + self._policy.seconds - time.monotonic()

    def _is_over(self) -> bool:
        self._beat_s = time.monotonic()
        remaining_s = self._remaining_s()
        return self._stop.is_set() or (remaining_s is not None and remaining_s <= 0)

    def _why_over(self) -> str:
        return "stopped" if self._stop.is_set() else "the time of the run is over"
