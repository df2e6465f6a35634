"""The hall: the whole route of a frame, from the source's hand to finished events.

    Frame ─► gate ─► FaceTracker ─► FaceAligner ─► gate ─► FlowMeter ─► Spotter ─► Recognizer ─► event

Synchronous and clock-free: time comes from the frames, so the same frames give the same events.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import numpy as np

from realtime.config import PipelineConfig
from realtime.faces import FaceAligner, FaceTracker
from realtime.faces.landmarks import eye_aperture
from realtime.faces.ring import FaceRing
from realtime.features.key_flow import evidence_of
from realtime.flow import FlowMeter
from realtime.quality import FaceGate, FrameGate
from realtime.spotting import Spotter
from realtime.types import (
    U8,
    Face,
    FacialEvent,
    Frame,
    FrameRow,
    KeyFrameEvidence,
    KeyFrames,
    Recognition,
    Unreadable,
)

MIN_SIDE_PX = 32
"""Pictures with a shorter side cannot show a face."""


class Recognizes(Protocol):
    """What the pipeline asks of a recogniser."""

    def recognize(self, evidence: KeyFrameEvidence) -> Recognition: ...


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
        self._aligner = FaceAligner(self.config.alignment)
        self._face_gate = FaceGate(self.config.quality)
        self._flow = FlowMeter(self.config.flow)
        self._spotter = Spotter(self.config.spotter)
        self._ring = FaceRing(self.config.keep_s)
        self._face_id: int | None = None
        self._measured_s: float | None = None
        self.reset()

    def reset(self) -> None:
        """As new: forget the stream and its counts."""
        self._frame_gate.reset()
        self._tracker.reset()
        self._forget_face()
        self._frames = self._face_frames = self._events = 0
        self._skipped: Counter[str] = Counter()
        self._now_s = -math.inf
        self._last_s: float | None = None
        self._size: tuple[int, ...] | None = None
        self._row: FrameRow | None = None

    def push(self, frame: Frame | Unreadable) -> tuple[FacialEvent, ...]:
        """Take the next frame; gives the events that it decides."""
        self._frames += 1
        if isinstance(frame, Unreadable):
            return self._skip(FrameRow(frame.index, None, skipped=frame.cause))
        if not (math.isfinite(frame.time_s) and round(frame.time_s, 6) > self._now_s):
            return self._skip(FrameRow(frame.index, None, skipped="timestamp"))
        # rounded, so that two ways of writing one time cannot tip a comparison
        frame = replace(frame, time_s=round(frame.time_s, 6))
        self._now_s = frame.time_s
        if not _is_picture(frame.image):
            return self._skip(FrameRow(frame.index, frame.time_s, skipped="format"))
        gap = self._last_s is not None and frame.time_s - self._last_s > self.config.max_gap_s
        resized = self._size is not None and frame.image.shape != self._size
        ended = self._interrupt() if gap or resized else ()
        if resized:
            self._tracker.reset()
        self._size = frame.image.shape
        if cause := self._frame_gate.push(frame):
            return ended + self._skip(FrameRow(frame.index, frame.time_s, skipped=cause))
        self._last_s = frame.time_s
        face = self._tracker.push(frame)
        if face is None:
            return (
                ended + self._interrupt() + self._skip(FrameRow(frame.index, frame.time_s, skipped="no_face"))
            )
        if face.id != self._face_id:
            ended += self._interrupt()
            self._face_id = face.id
        return ended + self._watch(frame, face)

    def flush(self) -> tuple[FacialEvent, ...]:
        """Decide what is pending, because the stream ends. Idempotent."""
        return self._interrupt()

    @property
    def observation(self) -> FrameRow | None:
        """What was measured in the last frame that was pushed."""
        return self._row

    @property
    def counts(self) -> Mapping[str, int]:
        """Frames so far, frames with a face that was measured, and events."""
        return {"frames": self._frames, "face_frames": self._face_frames, "events": self._events}

    @property
    def skipped(self) -> Mapping[str, int]:
        """Frames that gave no evidence, by cause."""
        return dict(self._skipped)

    def close(self) -> None:
        """Free the face models."""
        self._tracker.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self, frame: Frame, face: Face) -> tuple[FacialEvent, ...]:
        """The route of a frame that shows a face."""
        aligned = self._aligner.push(frame, face)
        if cause := self._face_gate.push(aligned):
            ended = self._pause()
            return ended + self._skip(FrameRow(frame.index, frame.time_s, face.id, aligned.pose, cause))
        self._measured_s = frame.time_s
        self._face_frames += 1
        self._ring.push(aligned)
        motion = self._flow.push(aligned, eye_aperture(face.landmarks_px))
        self._row = FrameRow(frame.index, frame.time_s, face.id, aligned.pose, motion=motion)
        if motion is None:
            return ()
        return self._finish(self._spotter.push(motion))

    def _finish(self, movements: tuple[KeyFrames, ...]) -> tuple[FacialEvent, ...]:
        self._events += len(movements)
        return tuple(self._event(movement) for movement in movements)

    def _event(self, keys: KeyFrames) -> FacialEvent:
        return FacialEvent(
            id=f"{self._face_id}-{keys.onset_frame}",
            face=self._face_id or 0,
            key_frames=keys,
            recognition=self._recognize(keys) if keys.kind == "micro_expression" else None,
        )

    def _recognize(self, keys: KeyFrames) -> Recognition | None:
        onset, apex, offset = (
            self._ring.at(index) for index in (keys.onset_frame, keys.apex_frame, keys.offset_frame)
        )
        if self._recognizer is None or onset is None or apex is None or offset is None:
            return None
        return self._recognizer.recognize(evidence_of(onset, apex, offset))

    def _interrupt(self) -> tuple[FacialEvent, ...]:
        """What was going on ends here: the face is lost, another one came, or time has a hole."""
        ended = self._finish(self._spotter.flush(self._now_s))
        self._forget_face()
        return ended

    def _pause(self) -> tuple[FacialEvent, ...]:
        """A face that could not be measured for longer than a hole may last ends what was going on.

        Its transform and its usual sharpness stay known, unlike after `_interrupt`.
        """
        if self._measured_s is None or self._now_s - self._measured_s <= self.config.max_gap_s:
            return ()
        self._measured_s = None
        ended = self._finish(self._spotter.flush(self._now_s))
        for stage in (self._flow, self._spotter, self._ring):
            stage.reset()
        return ended

    def _forget_face(self) -> None:
        self._face_id = None
        self._measured_s = None
        for stage in (self._aligner, self._face_gate, self._flow, self._spotter, self._ring):
            stage.reset()

    def _skip(self, row: FrameRow) -> tuple[FacialEvent, ...]:
        self._row = row
        self._skipped[row.skipped or "unknown"] += 1
        return ()


def _is_picture(image: U8) -> bool:
    return (
        image.ndim == 3
        and image.shape[2] == 3
        and image.dtype == np.uint8
        and min(image.shape[:2]) >= MIN_SIDE_PX
    )
