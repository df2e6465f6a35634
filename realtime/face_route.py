"""The part of the route that each face has for itself: everything after the tracker."""

from __future__ import annotations

from typing import Protocol

from realtime.config import PipelineConfig
from realtime.faces import FaceAligner
from realtime.faces.ring import FaceRing
from realtime.features.key_flow import evidence_of
from realtime.flow import FlowMeter
from realtime.observability import cause_of
from realtime.quality import FaceGate
from realtime.spotting import Spotter, Tentative, TentativeLog
from realtime.types import (
    AlignedFace,
    Face,
    FacialEvent,
    Frame,
    FrameRow,
    KeyFrameEvidence,
    KeyFrames,
    Motion,
    Notice,
    Provisional,
    Recognition,
    Withdrawn,
)

LEAD_S = 0.3
"""What of a face is shown with an event from before its onset, s."""


class Recognizes(Protocol):
    """What the route asks of a recogniser."""

    def recognize(self, evidence: KeyFrameEvidence) -> Recognition: ...


class FaceRoute:
    """FaceAligner ─► gate ─► FlowMeter ─► Spotter ─► Recognizer, from a face's first frame to its last.

    `push` gives the events that a frame decides and leaves what it measured in `row`.
    """

    def __init__(self, face_id: int, config: PipelineConfig, recognizer: Recognizes | None) -> None:
        self._face_id = face_id
        self._max_gap_s = config.max_gap_s
        self._recognizer = recognizer
        self._aligner = FaceAligner(config.alignment)
        self._gate = FaceGate(config.quality)
        self._flow = FlowMeter(config.flow)
        self._spotter = Spotter(config.spotter)
        self._ring = FaceRing(config.keep_s)
        self._observability = config.observability
        self._measured_s: float | None = None
        self._motion: Motion | None = None
        self.row: FrameRow | None = None
        """What was measured in the last frame."""
        self.footage: dict[str, tuple[AlignedFace, ...]] = {}
        """The face from `LEAD_S` before the onset on, of every event of the last push or flush, by its id."""
        spotter = config.spotter
        patience_s = spotter.micro_max_s + 2.0 * spotter.settle_s
        self._tentative = TentativeLog(patience_s) if config.provisional else None

    def set_confidence(self, confidence: float) -> None:
        """See `Spotter.set_confidence`."""
        self._spotter.set_confidence(confidence)

    def push(self, frame: Frame, face: Face) -> tuple[FacialEvent, ...]:
        """Take the next frame that shows the face."""
        self.footage = {}
        aligned = self._aligner.push(frame, face)
        if cause := self._gate.push(aligned):
            self.row = FrameRow(
                frame.index, frame.time_s, face.id, aligned.pose, cause, unobservable=cause_of(cause)
            )
            return self._pause(frame.time_s)
        self._measured_s = frame.time_s
        self._ring.push(aligned)
        motions = self._flow.push(aligned)
        movements: tuple[KeyFrames, ...] = ()
        for motion in motions:
            self._motion = motion
            movements += self._spotter.push(motion, frame.time_s)
            if self._tentative is not None and self._spotter.way_out is not None:
                self._tentative.announce(self._spotter.way_out)
        events = self._events(movements)
        self.row = FrameRow(
            frame.index,
            frame.time_s,
            face.id,
            aligned.pose,
            motion=self._motion,
            motions=motions,
            unobservable=self._blind(aligned) if self._motion is not None else "warm_up",
        )
        if self._tentative is not None:
            self._tentative.settle(frame.time_s)
        return events

    def flush(self, now_s: float) -> tuple[FacialEvent, ...]:
        """Decide what is pending, because the face is gone or time has a hole. Idempotent."""
        events = self._events(self._spotter.flush(now_s))
        if self._tentative is not None:
            self._tentative.settle(now_s, over=True)
        return events

    def notices(self) -> tuple[Notice, ...]:
        """What became provisional, or was withdrawn, since the last call."""
        told = self._tentative.take() if self._tentative is not None else ()
        return tuple(self._notice(tentative) for tentative in told)

    def recent(self, index: int) -> AlignedFace | None:
        """The face in frame `index`, while it is kept."""
        return self._ring.at(index)

    def _blind(self, face: AlignedFace) -> str | None:
        spotter = self._spotter
        return self._observability.cause(spotter.blind, spotter.activity, face.pose.eye_distance_px)

    def _pause(self, now_s: float) -> tuple[FacialEvent, ...]:
        """A face that could not be measured for longer than a hole may last ends what was going on.

        Its transform and its usual sharpness stay known.
        """
        if self._measured_s is None or now_s - self._measured_s <= self._max_gap_s + 1e-6:
            return ()
        self._measured_s = self._motion = None
        ended = self.flush(now_s)
        for stage in (self._flow, self._spotter, self._ring):
            stage.reset()
        return ended

    def _events(self, movements: tuple[KeyFrames, ...]) -> tuple[FacialEvent, ...]:
        events = tuple(
            FacialEvent(
                id=self._name(
                    self._tentative.name(keys) if self._tentative is not None else keys.onset_frame
                ),
                face=self._face_id,
                key_frames=keys,
                recognition=self._recognize(keys) if keys.kind == "micro_expression" else None,
            )
            for keys in movements
        )
        self.footage = {e.id: self._ring.since(e.key_frames.onset_s - LEAD_S) for e in events}
        return events

    def _name(self, onset_frame: int) -> str:
        return f"{self._face_id}-{onset_frame}"

    def _notice(self, told: Tentative) -> Notice:
        name = self._name(told.onset_frame)
        if told.withdrawn:
            return Withdrawn(name, self._face_id, told.decided_s)
        return Provisional(name, self._face_id, told.onset_s, told.apex_s, told.strength, told.decided_s)

    def _recognize(self, keys: KeyFrames) -> Recognition | None:
        onset, apex, offset = (
            self._ring.at(index) for index in (keys.onset_frame, keys.apex_frame, keys.offset_frame)
        )
        if self._recognizer is None or onset is None or apex is None or offset is None:
            return None
        return self._recognizer.recognize(evidence_of(onset, apex, offset))
