"""The HTML report as an output of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from realtime.errors import OutputError
from realtime.sinks.base import Watched
from realtime.sinks.files import OutputFile
from realtime.sinks.page import ReportExtras, render_report
from realtime.sinks.records import Record, event_record, notice_record, stream_record, summary_record
from realtime.sinks.trace import Trace
from realtime.types import (
    FacialEvent,
    Frame,
    FrameRow,
    ModelInfo,
    Notice,
    RunSummary,
    StreamInfo,
    Unreadable,
)
from realtime.view.pictures import EventPictures, event_pictures

MOST_PICTURED = 500
"""Events of one run that get motion maps, so that memory and page stay bounded."""


class ReportSink:
    """Collects a run and writes the page of `realtime.sinks.page` when it is over."""

    def __init__(
        self, path: str | os.PathLike[str], extras: ReportExtras | None = None, *, show_faces: bool = False
    ) -> None:
        """`path`: the page. `extras`: what to put in beside what is found. `show_faces`: with the key frames
        of every event; the file can then be read by its owner alone."""
        self._path = path
        self._extras = extras or ReportExtras()
        self._show_faces = show_faces
        self._file: OutputFile | None = None
        self._records: list[Record] = []
        self._pictures: dict[str, EventPictures] = {}
        self._trace = Trace()
        self._quality = _Quality()

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Check that the page can be written. Raises `OutputError`."""
        self._file = OutputFile(self._path, private=self._show_faces)
        self._records.append(stream_record(info, model))

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Keep how events moved, as long as their faces are there."""
        for event in decided:
            footage = route.footage.get(event.id, ())
            if len(self._pictures) < MOST_PICTURED:
                pictures = event_pictures(footage, event.key_frames, show_faces=self._show_faces)
                if pictures is not None:
                    self._pictures[event.id] = pictures

    def write_event(self, event: FacialEvent) -> None:
        """Keep the event's record."""
        self._records.append(event_record(event))

    def write_notice(self, notice: Notice) -> None:
        """Keep the notice's record."""
        self._records.append(notice_record(notice))

    def write_frame(self, row: FrameRow) -> None:
        """Keep the frame's motion."""
        self._trace.push(row)
        self._quality.push(row)

    def close(self, summary: RunSummary) -> None:
        """Write the page. Raises `OutputError`."""
        if self._file is None:
            return
        records = [*self._records, summary_record(summary)]
        extras = replace(self._extras, pictures=self._pictures, quality=self._quality.figures())
        page = render_report(records, self._trace, extras)
        try:
            self._file.write(page.encode("utf-8", "backslashreplace"))
            self._file.commit()
        except OutputError:
            self._file.abandon()
            raise

    def abort(self) -> str | None:
        """Write nothing."""
        return self._file.abandon() if self._file is not None else None


class _Quality:
    """Running means of what decides how well a face can be measured."""

    def __init__(self) -> None:
        self._count = self._eyes_px = self._brightness = self._head = 0.0
        self._least_px = float("inf")

    def push(self, row: FrameRow) -> None:
        if row.motion is None or row.pose is None:
            return
        self._count += 1
        self._eyes_px += row.pose.eye_distance_px
        self._least_px = min(self._least_px, row.pose.eye_distance_px)
        self._brightness += row.motion.brightness
        self._head += row.motion.rigid

    def figures(self) -> list[tuple[str, str]]:
        if not self._count:
            return []
        return [
            ("Eye distance, mean", f"{self._eyes_px / self._count:.0f} px"),
            ("Eye distance, smallest", f"{self._least_px:.0f} px"),
            ("Brightness of the face, mean", f"{self._brightness / self._count:.0f} of 255"),
            ("Head motion, mean", f"{self._head / self._count:.2f} % of the eye distance"),
        ]
