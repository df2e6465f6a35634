"""What is said of a live stream, and when to worry about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realtime.types import StreamInfo

State = Literal["starting", "running", "stalled", "reconnecting", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """When to worry, when to give up."""

    stall_s: float = 2.0
    """Time without a picture that can be decoded after which a stream counts as stalled."""
    open_timeout_s: float = 8.0
    read_timeout_s: float = 5.0
    """Time without a picture that can be decoded after which the connection is given up."""
    buffer_s: float = 1.0
    """Time of pictures that may wait before the oldest are dropped."""
    backoff_s: float = 0.5
    """First pause before connecting again; it doubles up to `backoff_max_s`, each time cut at random by up
    to a half."""
    backoff_max_s: float = 3.0
    retries: int | None = None
    """Attempts in a row before the stream counts as failed; None: without end."""
    seconds: float | None = None
    """Length of the run, connecting included."""
    lossless: bool = False
    """Wait for the pipeline rather than drop: only for files."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A change in the state of a stream, or a warning about it."""

    state: State
    reason: str | None = None
    info: StreamInfo | None = None
    """What runs; with "running" only."""
    attempt: int | None = None
    wait_s: float | None = None
    """Pause before the next attempt."""
    gap_s: float | None = None
    """For how long there were no pictures; with "running" after a break."""
    warning: str | None = None
