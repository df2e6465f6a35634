"""Events as markers of the Lab Streaming Layer, each at its own time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from realtime.errors import ConfigError
from realtime.sinks import extras
from realtime.sinks.records import Record, to_line

_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class LslSettings:
    """Marker streams."""

    name: str = "glimpse"
    """Streams are named `<name>-<camera>`."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("lsl: name must not be empty")


class LslSink:
    """One stream of type "Markers" per camera, one string per event: its record as JSON.

    A marker carries the time of the onset on LSL's clock, not that of its sending, so that it lies right
    beside EEG however late the event was decided. LSL gives late samples the time they say.
    """

    def __init__(self, settings: LslSettings) -> None:
        """Raises `UsageError` where pylsl or its library is missing."""
        self._lsl = extras.load("pylsl", "the Lab Streaming Layer", "lsl")
        self._settings = settings
        self.name = "Lab Streaming Layer"
        self._outlets: dict[str, Any] = {}

    def open(self) -> None:
        pass

    def write(self, record: Record) -> None:
        """Send an event; any other record only makes the camera's stream known."""
        outlet = self._outlet(record["camera"])
        if "onset_monotonic_s" not in record:
            return
        age_s = time.monotonic() - record["onset_monotonic_s"]
        outlet.push_sample([to_line(record)[:-1].decode()], self._lsl.local_clock() - age_s)

    def close(self) -> None:
        """Let what was sent arrive: LSL sends in a thread, and drops what waits when a stream closes."""
        if any(outlet.have_consumers() for outlet in self._outlets.values()):
            time.sleep(_LINGER_S)
        self._outlets.clear()

    def _outlet(self, camera: str) -> Any:
        if camera not in self._outlets:
            name = f"{self._settings.name}-{camera}"
            info = self._lsl.StreamInfo(name, "Markers", 1, 0.0, "string", name)
            self._outlets[camera] = self._lsl.StreamOutlet(info)
        return self._outlets[camera]
