"""What an output is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from realtime.types import (
    AlignedFace,
    Face,
    FacialEvent,
    Frame,
    FrameRow,
    ModelInfo,
    Notice,
    RunSummary,
    StreamInfo,
    Unreadable,
)


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


class Watched(Protocol):
    """What a viewer may read of the route; see `realtime.pipeline.Pipeline`."""

    @property
    def faces(self) -> tuple[Face, ...]: ...

    @property
    def observations(self) -> tuple[FrameRow, ...]: ...

    @property
    def notices(self) -> tuple[Notice, ...]: ...

    @property
    def footage(self) -> Mapping[str, tuple[AlignedFace, ...]]: ...

    @property
    def skipped(self) -> Mapping[str, int]: ...


@runtime_checkable
class Viewer(Protocol):
    """What an output has besides, if it is made from pictures."""

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Look at a frame after the route has taken it, and at the events that it decided.

        No frame: these are the events of the flush. Comes before the writes of the same frame.
        """


class PictureSink:
    """Base of outputs that look at the pictures (see `Viewer`) and need nothing else said."""

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """See `Viewer`."""
        raise NotImplementedError

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Start."""

    def write_event(self, event: FacialEvent) -> None:
        """Seen in `watch`."""

    def write_notice(self, notice: Notice) -> None:
        """Seen in `watch`."""

    def write_frame(self, row: FrameRow) -> None:
        """Seen in `watch`."""

    def close(self, summary: RunSummary) -> None:
        """Finish."""

    def abort(self) -> str | None:
        """End after an error."""
        return None


class SinkGroup:
    """Several outputs as one; those that are viewers look as well."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = tuple(sinks)
        self._viewers = tuple(sink for sink in self._sinks if isinstance(sink, Viewer))

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Let all viewers look, in order."""
        for viewer in self._viewers:
            viewer.watch(frame, route, decided)

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
