"""Runs the processes of all cameras, starts dead ones again, and hands their records to the outputs."""

from __future__ import annotations

import logging
import queue
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, MappingProxyType
from typing import Any

from realtime.errors import OutputError
from realtime.live.camera_process import RENEW, CameraProcess, Exit, Message
from realtime.live.fleet import Fleet
from realtime.live.records import of_camera, status_record
from realtime.live.settings import LiveSettings
from realtime.redaction import Redactor
from realtime.sinks.outlet import Outlet
from realtime.sinks.records import Record
from realtime.sources.stream_status import StreamStatus

log = logging.getLogger("glimpse")

_TICK_S = 0.5
_GRACE_S = 15.0
"""How long a process may take to finish once it was told to."""
_SILENCE_S = 120.0
"""A process that says nothing for so long hangs; on a busy machine its start alone may take a minute."""
_OUTLET_GRACE_S = 5.0
_INBOX = 10_000
"""Messages that may wait; then the cameras' processes wait too."""
_RESTART_S, _RESTART_MAX_S = 1.0, 30.0
_STEADY_S = 60.0
_FREE_TEXT = frozenset({"source", "reason", "warning", "notes"})
"""Entries of records that are said in words, and might name a feed."""


class Supervisor:
    """One run: `run` returns when every camera has ended, or after a signal."""

    def __init__(
        self,
        settings: LiveSettings,
        outlets: Sequence[Outlet],
        *,
        seconds: float | None,
        link: Mapping[str, str] | None = None,
    ) -> None:
        """`seconds`: length of the run; None: until all cameras end or a signal comes. `link`: where the
        cameras' processes find the live page (see `realtime.live.page.channel`); None: there is none."""
        self._settings, self._outlets = settings, outlets
        self.fleet = Fleet(settings.cameras)
        self._redact = Redactor(settings.secrets)
        self._inbox: queue.Queue[Message] = queue.Queue(_INBOX)
        self._processes = {
            name: CameraProcess(name, settings, self._inbox, self._redact, link) for name in settings.cameras
        }
        self._ends_s = None if seconds is None else time.monotonic() + seconds
        self._alive: set[str] = set()
        self._due = dict.fromkeys(settings.cameras, 0.0)
        """When to start the camera's process, on the monotonic clock."""
        self._attempts = dict.fromkeys(settings.cameras, 0)
        self._deaths = dict.fromkeys(settings.cameras, 0)
        self._summed: set[str] = set()
        self._failed = False
        self._asked = 0
        self._stopping_s: float | None = None

    def run(self) -> int:
        """Run to the end; gives the exit code: 1 where a camera failed for good.

        Raises `OutputError` where no output has taken anything.
        """
        with self._signals(), _opened(self._outlets):
            try:
                self._go_on()
            finally:
                self._kill()
            for name, state in self.fleet.states().items():
                if state.state not in ("ended", "failed"):  # a broker keeps the last that it was told
                    self._tell(name, StreamStatus("ended", "the run is over"))
                if name not in self._summed:
                    self._sum_up(name, "ended without a word from its process", state.gauges)
        if any(outlet.is_broken for outlet in self._outlets) and len(self._outlets) == 1:
            raise OutputError("the reader of the output has gone") from BrokenPipeError()
        if self._outlets and all(outlet.is_useless for outlet in self._outlets):
            names = ", ".join(outlet.sink.name for outlet in self._outlets)
            raise OutputError(f"nothing could be delivered to {names}")
        return int(self._failed)

    def stop(self) -> None:
        """Let every camera finish; asked for again, end them at once. From any thread, or a signal's handler:
        it takes no lock and changes nothing but a count."""
        self._asked += 1

    def _go_on(self) -> None:
        while self._alive or self._due:
            self._heed()
            self._start_due()
            self._take()
            self._mind_outlets()
            self._mind_the_silent()
            self._mind_the_end()

    def _heed(self) -> None:
        """Do as `stop` was asked."""
        if self._asked and self._stopping_s is None:
            self._stopping_s = time.monotonic()
            self._due.clear()
            for name in self._alive:
                self._processes[name].stop()
        if self._asked > 1:
            self._kill()

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for name in [name for name, due_s in self._due.items() if due_s <= now_s]:
            if self._asked:
                return
            del self._due[name]
            self._start(name)

    def _start(self, name: str) -> None:
        remaining_s = None if self._ends_s is None else max(self._ends_s - time.monotonic(), 0.1)
        self.fleet.note_start(name)
        try:
            self._processes[name].start(seconds=remaining_s, attempt=self._attempts[name])
        except OSError as error:
            self._again(name, f"its process cannot be started: {error.strerror or error}", 0.0)
        else:
            self._alive.add(name)
            self._summed.discard(name)

    def _take(self) -> None:
        try:
            name, message = self._inbox.get(timeout=_TICK_S)
        except queue.Empty:
            return
        if isinstance(message, Exit):
            self._bury(name, message)
            return
        self.fleet.note(name, message)
        if message["type"] == "summary":
            self._summed.add(name)
        if message["type"] != "gauges":
            self._publish(message)

    def _publish(self, record: Record) -> None:
        record = {key: self._cleaned(value) if key in _FREE_TEXT else value for key, value in record.items()}
        _say(record)
        for outlet in self._outlets:
            outlet.put(record)

    def _cleaned(self, value: Any) -> Any:
        """Text without the secrets of the settings, wherever in a URL they stand."""
        if isinstance(value, str):
            return self._redact(value)
        return [self._cleaned(item) for item in value] if isinstance(value, list | tuple) else value

    def _bury(self, name: str, end: Exit) -> None:
        """A process has ended: as it should, for good, or by a fault, after which it is started again."""
        self._alive.discard(name)
        if end.code == 0 and name in self._summed:
            return
        if end.code in (1, 2) and self.fleet.states()[name].state == "failed":
            self._failed = True
            if name not in self._summed:
                self._sum_up(name, "the camera failed", self.fleet.states()[name].gauges)
            return
        self._again(name, _why(end), end.lived_s)

    def _again(self, name: str, why: str, lived_s: float) -> None:
        """Start a process again, after a while."""
        last = self.fleet.note_death(name)
        self._attempts[name] = int(last.get("attempt", 0))
        if name not in self._summed:
            self._sum_up(name, why, last)
        if self._stopping_s is not None:
            return
        if last.get("frames") and self._settings.cameras[name].is_file:
            self._failed = True
            self._tell(name, StreamStatus("failed", f"{why}; from its start again, all would come twice"))
            return
        self._deaths[name] = 1 if lived_s > _STEADY_S else self._deaths[name] + 1
        wait_s = min(_RESTART_S * 2.0 ** min(self._deaths[name] - 1, 16), _RESTART_MAX_S)
        self._due[name] = time.monotonic() + wait_s
        status = StreamStatus(
            "reconnecting", f"{why}; it is started again", attempt=self._deaths[name], wait_s=wait_s
        )
        self._tell(name, status)

    def _tell(self, name: str, status: StreamStatus) -> None:
        record = of_camera(status_record(status), name, time.time())
        self.fleet.note(name, record)
        self._publish(record)

    def _sum_up(self, name: str, why: str, last: Mapping[str, Any] = MappingProxyType({})) -> None:
        """The summary that a process could not write itself. `last`: what is known of its counts."""
        self._summed.add(name)
        record = {
            "type": "summary",
            "frames": last.get("frames", 0),
            "face_frames": last.get("face_frames", 0),
            "skipped": dict(sorted(last.get("skipped", {}).items())),
            "unobservable": {},
            "events": sum(last.get("events", {}).values()),
            "wall_s": None,
            "notes": [f"{why}; counted up to the last second that is known of"],
        }
        self._publish(of_camera(record, name, time.time()))

    def _mind_outlets(self) -> None:
        """Without anybody who listens there is no use in going on."""
        if not self._asked and self._outlets and all(o.is_broken for o in self._outlets):
            self.stop()

    def _mind_the_silent(self) -> None:
        """A process that stands still is ended, and started again as any dead one is."""
        states = self.fleet.states()
        for name in self._alive:
            if states[name].silent_s > _SILENCE_S:
                self._processes[name].kill()

    def _mind_the_end(self) -> None:
        """Processes end themselves when their time is over; one that does not is ended."""
        now_s = time.monotonic()
        if self._ends_s is not None and now_s > self._ends_s:
            self._due.clear()
        own_s = None if self._ends_s is None else self._ends_s + _GRACE_S
        late_s = now_s - min((s for s in (own_s, self._stopping_s) if s is not None), default=now_s)
        if late_s > _GRACE_S:
            self._kill()
        if late_s > 2 * _GRACE_S:  # one that hangs in a driver cannot even be killed
            self._alive.clear()

    def _kill(self) -> None:
        for name in self._alive:
            self._processes[name].kill()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run in order."""

        def handle(number: int, frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)


@contextmanager
def _opened(outlets: Sequence[Outlet]) -> Iterator[None]:
    opened: list[Outlet] = []
    try:
        for outlet in outlets:
            outlet.open()
            opened.append(outlet)
        yield
    finally:
        deadline_s = time.monotonic() + _OUTLET_GRACE_S
        for outlet in opened:
            outlet.close(max(deadline_s - time.monotonic(), 0.5))


def _why(end: Exit) -> str:
    if end.code < 0:
        return f"its process was killed by signal {-end.code}"
    if end.code == RENEW:
        return "its process had to give way"
    return f"its process broke down ({end.said})" if end.said else "its process broke down"


def _say(record: Record) -> None:
    """States go to the log too: troubles always, the rest with -v."""
    if record["type"] != "status":
        return
    shown = f"{record['width']}×{record['height']} at {record['fps']:g} fps" if "width" in record else None
    gap = f"{record['gap_s']:g} s were missed" if "gap_s" in record else None
    retry = f"trying again in {record['wait_s']:g} s" if "wait_s" in record else None
    words = [record.get("reason"), shown, gap, retry, record.get("warning")]
    trouble = record["state"] in ("stalled", "reconnecting", "failed") or "warning" in record or gap
    line = ", ".join(word for word in words if word)
    log.log(
        logging.WARNING if trouble else logging.INFO,
        "glimpse: %s: %s%s", record["camera"], record["state"], f" ({line})" if line else "",
    )  # fmt: skip
