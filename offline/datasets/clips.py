"""From an annotated clip to evidence, through the same tracker and aligner as the live route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import DataError
from realtime.faces import FaceAligner, FaceTracker
from realtime.features.key_flow import evidence_of
from realtime.sources import open_source
from realtime.types import AlignedFace, Frame, KeyFrameEvidence

NO_APEX = "no apex is coded (--spot-apex looks for one)"
LEAD_S = 0.4
"""Time before the onset that the alignment gets to settle in, s."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One annotated movement in a video file or a folder of numbered images."""

    path: Path
    onset: int
    """Frame numbers, 0-based in the order of the frames, as glimpse writes them itself."""
    apex: int | None
    """None where none is known: then the key frames have to be found."""
    offset: int
    label: str
    subject: str
    where: str
    """Where the annotation stands, for messages: file and line."""
    fps: float | None = None
    """Frame rate of a folder of images; None takes what a video says, or the default."""
    dataset: str = "manifest"
    name: str = ""
    """Name of the clip in its dataset."""


def clip_evidence(clip: Clip, tracker: FaceTracker) -> KeyFrameEvidence:
    """Key frames and flows of a clip.

    Raises:
        SourceError: the clip cannot be read.
        DataError: no apex is coded, the annotation points beyond the last frame, or a key frame shows
            no face.
    """
    if clip.apex is None:
        raise DataError(NO_APEX)
    faces = _key_faces(clip, tracker)
    wanted = {"onset": clip.onset, "apex": clip.apex, "offset": clip.offset}
    for name, index in wanted.items():
        if index not in faces:
            raise DataError(f"no face in frame {index} ({name}) of {clip.path}, or it has no such frame")
    return evidence_of(faces[clip.onset], faces[clip.apex], faces[clip.offset])


def _key_faces(clip: Clip, tracker: FaceTracker) -> dict[int, AlignedFace]:
    tracker.reset()
    aligner = FaceAligner()
    faces: dict[int, AlignedFace] = {}
    for frame in _frames(clip):
        faces_seen = tracker.push(frame)
        if not faces_seen:
            aligner.reset()
            continue
        aligned = aligner.push(frame, faces_seen[0])
        if frame.index in (clip.onset, clip.apex, clip.offset):
            faces[frame.index] = aligned
    return faces


def _frames(clip: Clip) -> Iterator[Frame]:
    """The readable frames from a little before the onset up to the offset."""
    with open_source(clip.path, fps=clip.fps) as source:
        first = clip.onset - round(LEAD_S * source.info.fps)
        for frame in source:
            if isinstance(frame, Frame) and frame.index >= first:
                yield frame
            if frame.index >= clip.offset:
                return
