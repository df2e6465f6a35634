"""Outputs of a live run, each by itself: one that fails or is slow holds up nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from realtime.errors import OutputError
from realtime.sinks.records import Record

log = logging.getLogger("glimpse")

_PAUSE_S = 1.0
_REPEAT_S = 60.0


class Refused(OutputError):
    """This record will never be taken: it is not tried again."""


class RecordSink(Protocol):
    """Where the records of a live run go. Used by one thread."""

    name: str
    """For messages; without credentials."""

    def open(self) -> None:
        """Start. Raises `OutputError` where this can never work; a server that is away is no such case."""

    def write(self, record: Record) -> None:
        """Deliver a record.

        Raises `Refused` where that will never be possible. After any other error the record comes again.
        """

    def close(self) -> None:
        """Finish."""


class Outlet:
    """A sink behind a bounded store and a thread of its own.

    What cannot be delivered is tried again every second, in order; when the store is full, the oldest
    records go, and are counted.
    """

    def __init__(
        self,
        sink: RecordSink,
        *,
        store: int = 1000,
        wants: Callable[[Record], bool] = lambda record: True,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        """`store`: records that may wait. `wants`: which records this sink is for."""
        self.sink = sink
        self._store = store
        self._wants, self._redact = wants, redact
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self._deadline_s: float | None = None
        self._complaint = ("", 0.0)
        self.delivered = self.lost = self.refused = self.failures = 0
        self.is_broken = False
        """Whether its reader has gone for good."""
        self._thread = threading.Thread(target=self._run, name=f"outlet {sink.name}", daemon=True)

    def open(self) -> None:
        """Start the sink and its thread. Raises `OutputError`."""
        self.sink.open()
        self._thread.start()

    def put(self, record: Record) -> None:
        """Take a record; never blocks for long and never raises."""
        if not self._wants(record) or self.is_broken:
            return
        with self._changed:
            self._records.append(record)
            if len(self._records) > self._store:
                self._records.popleft()
                self.lost += 1
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Records that wait for delivery."""
        return len(self._records)

    @property
    def is_useless(self) -> bool:
        """Whether records came, and not one of them was delivered; known when it is closed."""
        return not self.delivered and self.lost + self.refused > 0

    def close(self, grace_s: float) -> None:
        """Deliver what waits, for at most `grace_s`, and finish."""
        with self._changed:
            self._deadline_s = time.monotonic() + grace_s
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(grace_s + _PAUSE_S)
        self.lost += len(self._records)
        for count, what in ((self.lost, "lost"), (self.refused, "refused")):
            if count and not self.is_broken:
                log.warning("glimpse: %s: %d records were %s", self.sink.name, count, what)

    def _run(self) -> None:
        try:
            while (record := self._next()) is not None:
                if self._is_settled(record):
                    with self._changed:
                        if self._records and self._records[0] is record:
                            self._records.popleft()
                else:
                    self._pause()
        finally:
            self._finish()

    def _next(self) -> Record | None:
        """The oldest record, which stays in the store until it is delivered; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._records or self._deadline_s is not None)
            late = self._deadline_s is not None and time.monotonic() > self._deadline_s
            return self._records[0] if self._records and not late and not self.is_broken else None

    def _is_settled(self, record: Record) -> bool:
        """Whether the sink has taken the record, or never will. Whatever a sink raises ends here."""
        try:
            self.sink.write(record)
        except Refused as error:
            self.refused += 1
            if self.refused == 1:  # what is refused once will be again
                self._complain(error)
        except Exception as error:
            self.failures += 1
            self.is_broken = isinstance(error.__cause__, BrokenPipeError)
            self._complain(error)
            return False
        else:
            self.delivered += 1
        return True

    def _finish(self) -> None:
        try:
            self.sink.close()
        except Exception as error:
            self._complain(error)

    def _pause(self) -> None:
        with self._changed:
            if self._deadline_s is None:
                self._changed.wait_for(lambda: self._deadline_s is not None, _PAUSE_S)
            else:
                self._changed.wait(0.1)

    def _complain(self, error: Exception) -> None:
        """The same at most once a minute; not where a reader has merely gone away."""
        if self.is_broken:
            return
        text = str(error) if isinstance(error, OutputError) else f"{type(error).__name__}: {error}"
        text = self._redact(f"{self.sink.name}: {text.removeprefix(f'{self.sink.name}: ')}")
        now_s, (last, last_s) = time.monotonic(), self._complaint
        if text != last or now_s - last_s > _REPEAT_S:
            self._complaint = (text, now_s)
            log.warning("glimpse: %s", text)
