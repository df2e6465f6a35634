"""What an output is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from realtime.types import FacialEvent, FrameRow, ModelInfo, Notice, RunSummary, StreamInfo


class EventSink(Protocol):
    """An output. Calls: `open`, any number of writes, then either `close` or `abort`.

    Every method raises `OutputError` where the result cannot be written.
    """

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Start; the place to write to is checked here, before any work is done."""

    def write_event(self, event: FacialEvent) -> None:
        """Take a finished event."""

    def write_notice(self, notice: Notice) -> None:
        """Take what the stream says besides its events, in the order in which it is known."""

    def write_frame(self, row: FrameRow) -> None:
        """Take the measurements of a frame; frames come in order, before the events that they decide."""

    def close(self, summary: RunSummary) -> None:
        """Finish; only now does a file stand under its own name."""

    def abort(self) -> str | None:
        """End without a summary, after an error. Gives a line that says what was kept, if anything."""


class SinkGroup:
    """Several outputs as one."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = tuple(sinks)

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Open all, in order."""
        for sink in self._sinks:
            sink.open(info, model)

    def write_event(self, event: FacialEvent) -> None:
        """Pass an event to all, in order."""
        for sink in self._sinks:
            sink.write_event(event)

    def write_notice(self, notice: Notice) -> None:
        """Pass a notice to all, in order."""
        for sink in self._sinks:
            sink.write_notice(notice)

    def write_frame(self, row: FrameRow) -> None:
        """Pass the measurements of a frame to all, in order."""
        for sink in self._sinks:
            sink.write_frame(row)

    def close(self, summary: RunSummary) -> None:
        """Close all, in order."""
        for sink in self._sinks:
            sink.close(summary)

    def abort(self) -> str | None:
        """End all that are still open; the lines they give, joined."""
        lines = [line for sink in self._sinks if (line := sink.abort())]
        return "; ".join(lines) or None
