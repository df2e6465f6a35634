"""Everything that passes between the rooms of the route.

Times are seconds of stream time (`_s`); positions are pixels of the original image (`_px`) unless a
field says otherwise. Arrays that are handed on are read-only. No `repr` shows pixels or landmarks: it may end
up in a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

EventKind = Literal["micro_expression", "macro_expression"]
Side = Literal["both", "left", "right"]
"""Of the person."""

_Array = TypeVar("_Array", bound=NDArray[Any])


def readonly(array: _Array) -> _Array:
    """Mark an array read-only, in place, and return it."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame."""

    source: str
    """Name to report: a path or URL without credentials."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float
    """Nominal frames per second, > 0."""
    frame_count: int | None = None
    """Expected number of frames where the container states one; only good for progress."""
    notes: tuple[str, ...] = ()
    """One-line remarks, e.g. that the container has no timestamps."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture."""

    index: int
    """0-based number of the frame in the stream, dropped and unreadable frames counted."""
    time_s: float
    """Stream time, strictly increasing."""
    image: U8 = field(repr=False)
    """BGR, shape (height, width, 3), uint8, read-only."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that the stream announced and that could not be used."""

    index: int
    cause: str
    """Cause as counted in the summary's `skipped`, e.g. "undecodable", "timestamp"."""


class FrameSource(Protocol):
    """A stream: what is known of it, then its frames in order. Iterated once; a context manager."""

    @property
    def info(self) -> StreamInfo: ...

    def __iter__(self) -> Iterator[Frame | Unreadable]: ...

    def __enter__(self) -> FrameSource: ...

    def __exit__(self, *exc: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Face:
    """The face as the tracker sees it in one frame."""

    id: int
    landmarks_px: F32 = field(repr=False)
    """(468, 3): x, y in pixels, z on the scale of x, of mediapipe's face mesh."""
    measured: bool
    """False where the mesh did not run on this frame and the last measurement is held."""


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Where the head is, from the landmarks."""

    x_px: float
    y_px: float
    """Midpoint between the eye centres."""
    eye_distance_px: float
    roll_deg: float
    """In-plane rotation, positive when the image shows it clockwise."""
    yaw_deg: float
    """Estimate; positive when the person's left side turns away from the camera."""
    pitch_deg: float
    """Estimate; positive when the head tips down."""


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """A face cut out of its frame, and the transform that takes it to the canonical face."""

    index: int
    time_s: float
    face_id: int
    crop: U8 = field(repr=False)
    """BGR, shape (h, w, 3): the part of the frame that the canonical face can need, at native
    resolution or reduced where the face is very large."""
    grey: U8 = field(repr=False)
    """The same in grey, shape (h, w)."""
    crop_to_canonical: F64
    """(2, 3) affine: crop pixels → canonical coordinates 0..1 (see `geometry`), steadied in time."""
    frame_to_crop: F64
    """(2, 3) affine: pixels of the frame → pixels of the crop."""
    pose: HeadPose
    relief: F32 = field(repr=False)
    """(16, 16): depth of the face over the canonical crop in face units, larger = nearer."""
    aperture: float
    """Opening of the eyes, height over width."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a face moved since the reference frame, about one lag earlier, head motion removed."""

    index: int
    time_s: float
    lag_s: float
    """Time between the reference frame and this one."""
    regions: F32
    """(17, 2): (u, v) per region of `geometry.REGIONS`, in percent of the eye distance."""
    lids: F32
    """(2, 2): (u, v) of the left and the right lid, same unit."""
    rigid: float
    """RMS over the face of the motion that was removed as the head's own, percent of eye distance."""
    residual: float
    """RMS over the face of what is left after that, percent of the eye distance."""
    brightness: float
    """Mean grey level of the face, 0..255."""
    brightness_change: float
    """Relative change of the brightness since the reference frame."""
    aperture: float
    """Mean opening of the eyes (height over width of the lid landmarks), about 0.05 shut to 0.4."""
    delay_s: float = 0.0
    """How much older than this frame the measurement is on average: pictures close in time are averaged."""
    patchy_light: float = 0.0
    """The part of `brightness_change` that one gain for the whole face does not explain."""


@dataclass(frozen=True, slots=True)
class KeyFrames:
    """A movement that the spotter found: its kind and its times, all decided causally."""

    kind: EventKind
    onset_s: float
    apex_s: float
    offset_s: float
    onset_frame: int
    apex_frame: int
    offset_frame: int
    strength: float
    """Peak motion over the noise of the stream (dimensionless)."""
    regions: Mapping[str, float]
    """Share of each region in the motion at the apex, 0..1, the largest = 1."""
    decided_s: float
    """Time of the frame at which this was decided."""


@dataclass(frozen=True, slots=True)
class KeyFrameEvidence:
    """What the recogniser sees of one movement. A modality that is not there is None or NaN."""

    frames: U8 | None = field(repr=False)
    """(3, 64, 64, 3) RGB: onset, apex, offset on the canonical face."""
    flows: F32 = field(repr=False)
    """(3, 2, 64, 64): (u, v) onset→apex, apex→offset, onset→offset, any unit; NaN where unknown."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a decision rested on: what parts are worth to the label's probability, −1..1.

    Above 0: the part spoke for the label; below 0: against it.
    """

    regions: Mapping[str, float]
    """Per face region: mean of the fall without its motion and of the rise by its motion alone."""
    blocks: Mapping[str, float]
    """Per block of features that was known: the fall when it is not."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """Which class a movement fits."""

    label: str
    """The class of the largest probability."""
    probabilities: Mapping[str, float]
    """Calibrated probability per class, in the bundle's order; sums to 1."""
    uncertain: bool | None = None
    """Whether the largest probability is below the threshold; None where there is no threshold."""
    explanation: Explanation | None = None
    """None where none was asked for."""
    action_units: Mapping[str, float] = field(default_factory=dict)
    """Probability of each action unit, by its name in FACS ("AU12"), in FACS's order; empty where the
    bundle knows none."""
    sides: Mapping[str, Side] = field(default_factory=dict)
    """Of each action unit that is likelier there than not: the side of the person that moves."""


@dataclass(frozen=True, slots=True)
class FacialEvent:
    """A finished event: what `detect` yields and what is written to JSON Lines."""

    id: str
    face: int
    key_frames: KeyFrames
    recognition: Recognition | None
    """None for macro-expressions and for movements whose key frames could not be evaluated."""

    @property
    def kind(self) -> EventKind:
        return self.key_frames.kind

    @property
    def label(self) -> str | None:
        return self.recognition.label if self.recognition else None

    @property
    def duration_ms(self) -> float:
        return (self.key_frames.offset_s - self.key_frames.onset_s) * 1000.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model bundle gave the labels."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class FrameRow:
    """What was measured in one frame; a part that could not be measured is None."""

    index: int
    time_s: float | None
    """Stream time; None for a frame that could not be read."""
    face_id: int | None = None
    pose: HeadPose | None = None
    skipped: str | None = None
    """Why the frame gave no evidence, as counted in the summary."""
    motion: Motion | None = None
    """The last motion of this face known; in a fast stream it is of an earlier frame (`motion.index`)."""
    unobservable: str | None = None
    """Why a micro-expression could not be seen here, as `Unobservable.cause`; None where it could."""
    motions: tuple[Motion, ...] = ()
    """What became known of this face's motion with this frame, in order of time."""


@dataclass(frozen=True, slots=True)
class Unobservable:
    """A stretch of the stream in which a micro-expression could not have been seen."""

    from_s: float
    to_s: float
    cause: str
    """"warm_up", "motion", "few_pixels", "no_face", "turned_away", "light", "blur", "frame_rate" or "gap"."""
    face: int | None = None
    """The face it is about, where several are followed."""


@dataclass(frozen=True, slots=True)
class Provisional:
    """A movement that has just peaked and is not decided yet; on request only."""

    id: str
    """The final event's id, where there comes one."""
    face: int
    onset_s: float
    """First estimate."""
    apex_s: float
    """First estimate."""
    strength: float
    """Motion at the peak over the noise of the stream (dimensionless)."""
    decided_s: float
    """Time of the frame that showed it."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A provisional movement that turned out to be none."""

    id: str
    face: int
    decided_s: float


Notice = Unobservable | Provisional | Withdrawn
"""What a stream says besides its events."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run amounts to."""

    frames: int
    """Frames of the stream, unreadable ones counted."""
    face_frames: int
    """Frames in which a face was measured."""
    events: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Frames that gave no evidence, by cause."""
    unobservable: Mapping[str, float] = field(default_factory=dict)
    """Share of the stream's time in which a micro-expression could not have been seen, by cause, 0..1."""
    wall_s: float | None = None
    """Time the run took; None where it is not asked for, so that the output repeats byte for byte."""
    notes: tuple[str, ...] = ()
    """Remarks on the stream that came up while it was read, one line each."""


@dataclass(frozen=True, slots=True)
class TruthInterval:
    """A known expression, to be drawn below what was found."""

    onset_s: float
    apex_s: float | None
    offset_s: float
    label: str | None = None
    kind: str | None = None
    """"micro_expression" or "macro_expression"; None where it is not known."""
