"""The records of one camera's route."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.live.gauges import Gauges
from realtime.live.records import of_camera, status_record, wall_time
from realtime.sinks.records import Record, event_record, notice_record, stream_record, summary_record
from realtime.sources.common import MIN_USEFUL_FPS
from realtime.sources.live import LiveSource
from realtime.sources.stream_status import StreamStatus
from realtime.types import FacialEvent, FrameRow, ModelInfo, Notice, RunSummary, StreamInfo


class CameraSink:
    """An `EventSink` that emits records with camera and wall clock time, and counts.

    Ids start with the camera and the moment at which this process started, so that they stay unique
    over restarts and over cameras.
    """

    def __init__(self, camera: str, emit: Callable[[Record], object]) -> None:
        self._camera, self._emit = camera, emit
        run = wall_time(time.time()).translate(str.maketrans("", "", "-:."))
        self._prefix = f"{camera}-{run}"
        self.gauges = Gauges()
        self.source: LiveSource | None = None
        """Where the frames come from; it knows when they were captured."""
        self._model: ModelInfo | None = None
        self._shown: StreamInfo | None = None
        self._index = -1
        self._faces = 0

    def full_id(self, number: str) -> str:
        """The id that an event of the route has in the records."""
        return f"{self._prefix}-{number}"

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """The stream runs."""
        self._model = model
        self._announce(info)

    def tell(self, status: StreamStatus) -> None:
        """A change of state; a stream that comes back different is announced again."""
        self._send(status_record(status))
        if status.state != "running":
            self.gauges.faces = self._faces = 0
        if status.info is None:
            return
        if self._shown is not None and status.info != self._shown:
            self._announce(status.info)
        if status.info.fps < MIN_USEFUL_FPS:
            warning = (
                f"{status.info.fps:g} frames per second are too few for micro-expressions;"
                f" {MIN_USEFUL_FPS:g} is the least"
            )
            self._send(status_record(StreamStatus(status.state, warning=warning)))

    def write_frame(self, row: FrameRow) -> None:
        """Count the frame; one with several faces comes in several rows."""
        gauges = self.gauges
        if row.index != self._index:
            self._index = row.index
            gauges.faces, self._faces = self._faces, 0
            gauges.frames += 1
            self._time(row)
        if row.skipped:
            gauges.skipped[row.skipped] = gauges.skipped.get(row.skipped, 0) + 1
        else:
            gauges.face_frames += self._faces == 0
            self._faces += 1

    def _time(self, row: FrameRow) -> None:
        moment = self.source.moment(row.index) if self.source and row.time_s is not None else None
        if moment is not None:
            self.gauges.frame_latency.add(max(time.monotonic() - moment.monotonic_s, 0.0))

    def write_event(self, event: FacialEvent) -> None:
        """Send an event, with the clock times of its onset."""
        record = event_record(event)
        onset = self.source.moment(event.key_frames.onset_frame) if self.source else None
        if onset is not None:
            record["onset_wall_time"] = wall_time(onset.wall_s)
            record["onset_monotonic_s"] = round(onset.monotonic_s, 6)
            apex_s = onset.monotonic_s + event.key_frames.apex_s - event.key_frames.onset_s
            self.gauges.event_delay.add(max(time.monotonic() - apex_s, 0.0))
        self.gauges.events[event.kind] += 1
        self._send(record)

    def write_notice(self, notice: Notice) -> None:
        """Send a notice."""
        self._send(notice_record(notice))

    def close(self, summary: RunSummary) -> None:
        """Send the summary."""
        record = summary_record(summary)
        if self.source is not None:
            record["reconnects"] = self.source.reconnects
            record["gap_s"] = round(self.source.gap_s, 3)
        self._send(record)

    def abort(self) -> str | None:
        """Whoever runs the route reports the error."""
        return None

    def _announce(self, info: StreamInfo) -> None:
        self._shown = info
        self._send(stream_record(info, self._model))

    def _send(self, record: Record) -> None:
        if "id" in record:
            record["id"] = self.full_id(record["id"])
        self._emit(of_camera(record, self._camera, time.time()))
