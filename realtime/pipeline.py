"""The hall: the whole route of a frame, from the source's hand to finished events.

    Frame ─► gate ─► FaceTracker ─┬─► FaceAligner ─► gate ─► FlowMeter ─► Spotter ─► Recognizer ─► event
                                  └─► … the same for each further face (`realtime.face_route`)

Synchronous and clock-free: time comes from the frames, so the same frames give the same events.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

import numpy as np

from realtime.config import PipelineConfig
from realtime.face_route import FaceRoute, Recognizes
from realtime.faces import FaceTracker
from realtime.observability import Observability, cause_of
from realtime.quality import FrameGate
from realtime.types import U8, AlignedFace, Face, FacialEvent, Frame, FrameRow, Notice, Unreadable

MIN_SIDE_PX = 32
"""Pictures with a shorter side cannot show a face."""


class Pipeline:
    """Takes the frames of one stream in order; gives the events as they are decided.

    `push` never raises for a bad picture or timestamp: it is left out and counted. Without a recogniser
    events carry no label. Use as a context manager, or call `close`, to free the face models.
    """

    def __init__(self, config: PipelineConfig | None = None, recognizer: Recognizes | None = None) -> None:
        self.config = config or PipelineConfig()
        self._recognizer = recognizer
        self._frame_gate = FrameGate(self.config.quality)
        self._tracker = FaceTracker(self.config.tracker)
        self._observability = Observability(
            self.config.observability, several=self.config.tracker.max_faces > 1
        )
        self.reset()

    def reset(self) -> None:
        """As new: forget the stream and its counts."""
        self._frame_gate.reset()
        self._tracker.reset()
        self._observability.reset()
        self._routes: dict[int, FaceRoute] = {}
        self._frames = self._face_frames = self._events = 0
        self._skipped: Counter[str] = Counter()
        self._now_s = -math.inf
        self._last_s: float | None = None
        self._size: tuple[int, ...] | None = None
        self._rows: tuple[FrameRow, ...] = ()
        self._notices: tuple[Notice, ...] = ()
        self._last_words: tuple[Notice, ...] = ()
        self._faces: tuple[Face, ...] = ()
        self._footage: dict[str, tuple[AlignedFace, ...]] = {}

    def push(self, frame: Frame | Unreadable) -> tuple[FacialEvent, ...]:
        """Take the next frame; gives the events that it decides."""
        events = self._take(frame)
        self._notices = self._heard() + self._observability.push(self._rows, events)
        return events

    def _take(self, frame: Frame | Unreadable) -> tuple[FacialEvent, ...]:
        self._frames += 1
        self._faces, self._footage = (), {}
        if isinstance(frame, Unreadable):
            return self._skip(FrameRow(frame.index, None, skipped=frame.cause))
        if not (math.isfinite(frame.time_s) and round(frame.time_s, 6) > self._now_s):
            return self._skip(FrameRow(frame.index, None, skipped="timestamp"))
        # rounded, so that two ways of writing one time cannot tip a comparison
        frame = replace(frame, time_s=round(frame.time_s, 6))
        self._now_s = frame.time_s
        if not _is_picture(frame.image):
            return self._skip(FrameRow(frame.index, frame.time_s, skipped="format"))
        gap = self._last_s is not None and frame.time_s - self._last_s > self.config.max_gap_s + 1e-6
        resized = self._size is not None and frame.image.shape != self._size
        ended = self._end() if gap or resized else ()
        if resized:
            self._tracker.reset()
        self._size = frame.image.shape
        if cause := self._frame_gate.push(frame):
            return ended + self._skip(FrameRow(frame.index, frame.time_s, skipped=cause))
        self._last_s = frame.time_s
        self._faces = faces = self._tracker.push(frame)
        ended += self._end(but={face.id for face in faces})
        if not faces:
            return ended + self._skip(FrameRow(frame.index, frame.time_s, skipped="no_face"))
        return ended + self._watch(frame, faces)

    def flush(self) -> tuple[FacialEvent, ...]:
        """Decide what is pending, because the stream ends. Idempotent."""
        self._footage = {}
        events = self._end()
        self._notices = self._heard() + self._observability.push((), events) + self._observability.flush()
        return events

    def set_confidence(self, confidence: float) -> None:
        """From the next frame on, another `spotter.confidence`, for all faces; raises `ConfigError`."""
        self.config = replace(self.config, spotter=replace(self.config.spotter, confidence=confidence))
        for route in self._routes.values():
            route.set_confidence(confidence)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the last `push` or `flush` has to say besides its events."""
        return self._notices

    @property
    def observation(self) -> FrameRow | None:
        """What was measured in the last frame that was pushed; with several faces, on the first of them."""
        return self._rows[0] if self._rows else None

    @property
    def observations(self) -> tuple[FrameRow, ...]:
        """What was measured in the last frame that was pushed, one row per face in it, at least one."""
        return self._rows

    @property
    def counts(self) -> Mapping[str, int]:
        """Frames so far, frames with a face that was measured, and events."""
        return {"frames": self._frames, "face_frames": self._face_frames, "events": self._events}

    @property
    def skipped(self) -> Mapping[str, int]:
        """Frames that gave no evidence, by cause; with several faces, by that of the first."""
        return dict(self._skipped)

    @property
    def unobservable(self) -> Mapping[str, float]:
        """Share of the time so far in which a micro-expression could not have been seen, by cause, 0..1."""
        return self._observability.shares

    def recent(self, face_id: int, index: int) -> AlignedFace | None:
        """A face as it was in frame `index`, while it is kept for the key frames of its next event."""
        route = self._routes.get(face_id)
        return route.recent(index) if route else None

    @property
    def faces(self) -> tuple[Face, ...]:
        """The faces in the last frame that was pushed, one per row of `observations` where there are any."""
        return self._faces

    @property
    def footage(self) -> Mapping[str, tuple[AlignedFace, ...]]:
        """The face during each event that the last `push` or `flush` gave, by the event's id: from shortly
        before its onset up to now; of long movements only the part that is still kept."""
        return self._footage

    def close(self) -> None:
        """Free the face models."""
        self._tracker.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, frame: Frame, faces: tuple[Face, ...]) -> tuple[FacialEvent, ...]:
        """Each face on its own route."""
        events: tuple[FacialEvent, ...] = ()
        rows = []
        for face in faces:
            if face.id not in self._routes:
                self._routes[face.id] = FaceRoute(face.id, self.config, self._recognizer)
            route = self._routes[face.id]
            events += self._counted(route, route.push(frame, face))
            assert route.row is not None
            rows.append(route.row)
        self._rows = tuple(rows)
        if all(row.skipped for row in rows):
            self._skipped[rows[0].skipped or "unknown"] += 1
        else:
            self._face_frames += 1
        return events

    def _heard(self) -> tuple[Notice, ...]:
        """What the routes have to say besides their events."""
        heard, self._last_words = self._last_words, ()
        return heard + tuple(notice for route in self._routes.values() for notice in route.notices())

    def _end(self, but: frozenset[int] | set[int] = frozenset()) -> tuple[FacialEvent, ...]:
        """What was going on ends here, for all faces `but` some: they are lost, or time has a hole."""
        events: tuple[FacialEvent, ...] = ()
        for number in [number for number in self._routes if number not in but]:
            route = self._routes.pop(number)
            events += self._counted(route, route.flush(self._now_s))
            self._last_words += route.notices()
        return events

    def _counted(self, route: FaceRoute, events: tuple[FacialEvent, ...]) -> tuple[FacialEvent, ...]:
        self._events += len(events)
        if events:
            self._footage |= route.footage
        return events

    def _skip(self, row: FrameRow) -> tuple[FacialEvent, ...]:
        cause = row.skipped or "unknown"
        self._rows = (replace(row, unobservable=cause_of(cause)),)
        self._skipped[cause] += 1
        return ()


def _is_picture(image: U8) -> bool:
    return (
        image.ndim == 3
        and image.shape[2] == 3
        and image.dtype == np.uint8
        and min(image.shape[:2]) >= MIN_SIDE_PX
    )
