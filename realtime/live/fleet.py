"""What the supervisor knows of its cameras, for `/metrics`, `/healthz` and the last words of dead ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.sinks.records import Record

STALE_S = 5.0


@dataclass(slots=True)
class CameraState:
    """The last that was heard of a camera."""

    state: str = "starting"
    heard_s: float = field(default_factory=time.monotonic)
    gauges: Mapping[str, Any] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    """Sums over the processes of this camera that have ended, by gauge."""
    restarts: int = 0
    rates: tuple[float, float] = (0.0, 0.0)
    """Frames that came and frames that were processed, per second."""

    @property
    def silent_s(self) -> float:
        """For how long its process has not been heard of, or its route has stood still, s."""
        return max(time.monotonic() - self.heard_s, float(self.gauges.get("idle_s", 0.0)))

    @property
    def is_healthy(self) -> bool:
        """Whether it runs and goes on, or has ended as it should."""
        return self.state == "ended" or (self.state == "running" and self.silent_s < STALE_S)

    def total(self, name: str) -> float:
        """A count over all processes of the camera."""
        return self.before.get(name, 0.0) + float(flat(self.gauges).get(name, 0.0))


class Fleet:
    """All cameras; written by the supervisor, read by the threads of the web server."""

    def __init__(self, names: Iterable[str]) -> None:
        self._cameras = {name: CameraState() for name in names}
        self._lock = threading.Lock()

    def note(self, camera: str, record: Record) -> None:
        """Take in what a camera sent."""
        with self._lock:
            state = self._cameras[camera]
            if record["type"] == "status":
                state.state = record["state"]
                if state.state != "running":
                    state.rates = (0.0, 0.0)
            elif record["type"] == "gauges":
                now_s = time.monotonic()
                if state.state == "running":
                    state.rates = _rates(state.gauges, record, now_s - state.heard_s)
                state.gauges, state.heard_s = record, now_s

    def note_start(self, camera: str) -> None:
        """A process is about to be started."""
        with self._lock:
            state = self._cameras[camera]
            state.state, state.heard_s = "starting", time.monotonic()

    def note_death(self, camera: str) -> Mapping[str, Any]:
        """A process has died; gives its last gauges and keeps their sums."""
        with self._lock:
            state = self._cameras[camera]
            last = state.gauges
            for name, value in flat(last).items():
                state.before[name] = state.before.get(name, 0.0) + value
            state.gauges, state.restarts = {}, state.restarts + 1
            return last

    def states(self) -> dict[str, CameraState]:
        """Every camera by name."""
        with self._lock:
            return dict(self._cameras)

    @property
    def is_healthy(self) -> bool:
        """Whether all cameras are."""
        return all(state.is_healthy for state in self.states().values())


def flat(gauges: Mapping[str, Any]) -> dict[str, float]:
    """The counts among gauges, nested ones as `outer/inner`."""
    counts: dict[str, float] = {}
    for name, value in gauges.items():
        if isinstance(value, Mapping):
            counts |= {f"{name}/{inner}": number for inner, number in flat(value).items()}
        elif isinstance(value, list):
            counts |= {f"{name}/{position}": float(number) for position, number in enumerate(value)}
        elif isinstance(value, (int, float)):
            counts[name] = float(value)
    return counts


def _rates(before: Mapping[str, Any], now: Mapping[str, Any], span_s: float) -> tuple[float, float]:
    came = now["frames"] - before.get("frames", 0)
    dropped = now["skipped"].get("dropped", 0) - before.get("skipped", {}).get("dropped", 0)
    return came / max(span_s, 1e-3), (came - dropped) / max(span_s, 1e-3)
