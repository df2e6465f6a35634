"""Events as JSON Lines."""

from __future__ import annotations

import os
from typing import BinaryIO

from realtime.sinks.files import OutputFile
from realtime.sinks.records import Record, event_record, notice_record, stream_record, summary_record, to_line
from realtime.types import FacialEvent, FrameRow, ModelInfo, Notice, RunSummary, StreamInfo


class JsonLinesSink:
    """Writes schema glimpse/1: the stream, its events as they are decided, a summary.

    Each line is written whole and can be read at once, from standard output ("-") or from the file
    under construction, `<name>.partial`.
    """

    def __init__(self, path: str | os.PathLike[str], *, stdout: BinaryIO | None = None) -> None:
        """`path`: a file or "-". `stdout`: stream to use in place of standard output."""
        self._path = path
        self._stdout = stdout
        self._file: OutputFile | None = None

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Open the file and write the stream's line. Raises `OutputError`."""
        self._file = OutputFile(self._path, stdout=self._stdout)
        self._write(stream_record(info, model))

    def write_event(self, event: FacialEvent) -> None:
        """Write the event's line. Raises `OutputError`."""
        self._write(event_record(event))

    def write_notice(self, notice: Notice) -> None:
        """Write the notice's line. Raises `OutputError`."""
        self._write(notice_record(notice))

    def write_frame(self, row: FrameRow) -> None:
        """Frames are no events: nothing is written."""

    def close(self, summary: RunSummary) -> None:
        """Write the summary and finish the file. Raises `OutputError`."""
        if self._file is not None:
            self._write(summary_record(summary))
            self._file.commit()

    def abort(self) -> str | None:
        """Keep what there is as `<name>.partial` and say so."""
        return self._file.abandon() if self._file is not None else None

    def _write(self, record: Record) -> None:
        assert self._file is not None, "open() comes first"
        self._file.write(to_line(record), flush=True)
