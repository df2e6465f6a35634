"""The supervisor's side of one camera's process."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

from realtime import child
from realtime.live.settings import LiveSettings
from realtime.sinks.records import Record

log = logging.getLogger("glimpse")

RENEW = 75
"""Exit code: finished in order, but another process has to go on (EX_TEMPFAIL)."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A process has ended, and all that it sent was taken."""

    code: int
    lived_s: float
    said: str
    """The last that it, or a library in it, complained of."""


Message = tuple[str, Record | Exit]


class CameraProcess:
    """Starts the process of a camera and passes on what it sends as `(camera, record)`, its end at last."""

    def __init__(
        self,
        name: str,
        settings: LiveSettings,
        inbox: queue.Queue[Message],
        redact: Callable[[str], str],
        link: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self._settings = name, settings
        self._inbox, self._redact, self._link = inbox, redact, link
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float | None = None, attempt: int = 0, check: bool = False) -> None:
        """Start. `seconds`: length of its run. `attempt`: how many to connect have failed in a row before.
        `check`: only look and say what there is. Raises `OSError` where this machine starts no more."""
        camera = self._settings.cameras[self._name]
        job = {
            "camera": self._name,
            "settings": asdict(camera),
            "model": self._settings.model,
            "device": self._settings.device,
            "route": asdict(self._settings.route_of(camera)),
            "seconds": seconds,
            "attempt": attempt,
            "check": check,
            "show": self._settings.show,
            "allow_clips": self._settings.allow_clips,
            "link": self._link,
        }
        self._process = process = subprocess.Popen(
            child.command("realtime.live.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child.environment(),
            start_new_session=True,  # a Ctrl-C on the terminal is for the supervisor
        )
        assert process.stdin is not None
        with suppress(OSError):  # where it died at once, its end is reported below
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        said: deque[str] = deque(maxlen=1)
        hearer = threading.Thread(target=self._overhear, args=(process, said), daemon=True)
        try:
            hearer.start()
            threading.Thread(target=self._listen, args=(process, said, hearer), daemon=True).start()
        except RuntimeError as error:  # no more threads
            process.kill()
            process.wait()
            raise OSError(str(error)) from error

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Ask it to finish what is going on and end."""
        if self._process is not None and self._process.stdin is not None:
            _close(self._process.stdin)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def _listen(self, process: subprocess.Popen[bytes], said: deque[str], hearer: threading.Thread) -> None:
        started_s = time.monotonic()
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            record = _parsed(line)
            if record is not None:
                self._inbox.put((self._name, record))
        code = process.wait()
        hearer.join(1.0)
        process.stdout.close()
        _close(process.stdin)
        lived_s = time.monotonic() - started_s
        self._inbox.put((self._name, Exit(code, lived_s, said[0] if said else "")))

    def _overhear(self, process: subprocess.Popen[bytes], said: deque[str]) -> None:
        """What the process and its libraries complain of goes to the log."""
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                text = self._redact(line.decode("utf-8", "replace").rstrip())
                said.append(text)
                log.debug("%s: %s", self._name, text)


def _parsed(line: bytes) -> Record | None:
    """A record; None for a line that a process that was killed left unfinished."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):
        pipe.close()
