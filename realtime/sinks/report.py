"""The HTML report as an output of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.errors import OutputError
from realtime.sinks.files import OutputFile
from realtime.sinks.records import Record, event_record, notice_record, stream_record, summary_record
from realtime.sinks.trace import Trace
from realtime.types import (
    FacialEvent,
    FrameRow,
    ModelInfo,
    Notice,
    RunSummary,
    StreamInfo,
    TruthInterval,
)


class ReportSink:
    """Collects a run and writes the page of `realtime.sinks.page` when it is over."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        truth: Sequence[TruthInterval] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`path`: the page. `truth`: known expressions to draw. `settings`: configuration to print."""
        self._path = path
        self._truth = truth
        self._settings = settings
        self._file: OutputFile | None = None
        self._records: list[Record] = []
        self._trace = Trace()

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Check that the page can be written. Raises `OutputError`."""
        self._file = OutputFile(self._path)
        self._records.append(stream_record(info, model))

    def write_event(self, event: FacialEvent) -> None:
        """Keep the event's record."""
        self._records.append(event_record(event))

    def write_notice(self, notice: Notice) -> None:
        """Keep the notice's record."""
        self._records.append(notice_record(notice))

    def write_frame(self, row: FrameRow) -> None:
        """Keep the frame's motion."""
        self._trace.push(row)

    def close(self, summary: RunSummary) -> None:
        """Write the page. Raises `OutputError`."""
        from realtime.sinks.page import render_report  # brings matplotlib, which only a report needs

        if self._file is None:
            return
        records = [*self._records, summary_record(summary)]
        page = render_report(records, self._trace, truth=self._truth, settings=self._settings)
        try:
            self._file.write(page.encode("utf-8", "backslashreplace"))
            self._file.commit()
        except OutputError:
            self._file.abandon()
            raise

    def abort(self) -> str | None:
        """Write nothing."""
        return self._file.abandon() if self._file is not None else None
