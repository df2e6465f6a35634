"""The pictures of one clip and its motion, decoded when they are asked for and kept in memory only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import numpy as np

from offline.datasets.corpus import KeyNumbers
from offline.review.items import Item
from offline.review.table import KEYS, UNKNOWN, Times
from realtime.errors import DataError
from realtime.faces import FaceAligner, FaceTracker
from realtime.faces.alignment import warp
from realtime.features.spec import FLOW_FACE_SIZE
from realtime.flow import face_flow, motion_from_grid
from realtime.sources import open_source
from realtime.types import F32, U8, AlignedFace, Frame, FrameSource, readonly

SETTLE_S = 0.4
"""Time before the first picture in which the alignment settles."""
MOST_FRAMES = 1000
_MOST_SIDE_PX = 1280
_QUALITY = 90
_KEPT = 3
"""Clips whose pictures stay in memory."""
_MARGIN = 0.18
"""Room around the face, in its own size."""
_NO_COLOUR: U8 = readonly(np.empty((0, 0, 3), np.uint8))

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ClipPictures:
    """What can be seen around one clip."""

    index: tuple[int, ...]
    """Frame numbers of the readable frames, rising."""
    time_s: tuple[float, ...]
    """Their times in the film."""
    motion: tuple[float | None, ...]
    """How far the region that moved most has come since the coded onset, head motion removed, percent of the
    eye distance; None where no face was found."""
    jpegs: tuple[bytes, ...]
    size: tuple[int, int]
    """Width and height of a picture."""
    face: Box | None
    """Left, top, width and height of the face in shares of the picture; None where none was found."""


class ClipReader:
    """Reads clips one at a time, whoever asks; the last few are kept."""

    def __init__(self, around_s: float) -> None:
        """`around_s`: time before the onset and after the offset that is shown, s."""
        self._around_s = around_s
        self._lock = threading.Lock()
        self._decoding = threading.Lock()  # what is known already is given while another clip is decoded
        self._tracker: FaceTracker | None = None
        self._kept: OrderedDict[str, ClipPictures] = OrderedDict()
        self._seen: dict[str, dict[int, float]] = {}

    def read(self, item: Item) -> ClipPictures:
        """The pictures of a clip.

        Raises SourceError where it cannot be read; DataError where it lacks a key frame, is too long to
        look at, or is not what the events were found in.
        """
        if kept := self._known(item):
            return kept
        with self._decoding:
            if kept := self._known(item):
                return kept
            if self._tracker is None:
                self._tracker = FaceTracker()
            found = _read(item, self._around_s, self._tracker)
        with self._lock:
            self._kept[item.id] = found
            self._seen[item.id] = dict(zip(found.index, found.time_s, strict=True))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _known(self, item: Item) -> ClipPictures | None:
        with self._lock:
            if item.id in self._kept:
                self._kept.move_to_end(item.id)
            return self._kept.get(item.id)

    def times(self, item: Item, keys: KeyNumbers) -> Times:
        """Times of some frames of a clip; of one that was never opened, only those that its coding states.

        Raises DataError for a frame that the clip does not show.
        """
        with self._lock:
            seen = self._seen.get(item.id)
        if seen is None:
            return item.times if keys == item.keys else UNKNOWN
        wanted = (keys.onset, keys.apex, keys.offset)
        strange = [number for number in wanted if number is not None and number not in seen]
        if strange:
            raise DataError(f"{item.id} shows no frame {strange[0]}: start with a larger --around")
        onset, apex, offset = (None if number is None else seen[number] for number in wanted)
        return onset, apex, offset

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._decoding, self._lock:
            self._kept.clear()
            if self._tracker is not None:
                self._tracker.close()


def _read(item: Item, around_s: float, tracker: FaceTracker) -> ClipPictures:
    faces = _Faces(tracker)
    shown: list[tuple[int, float, bytes]] = []
    size = (1, 1)
    with open_source(item.path, fps=item.fps) as source:
        fps = source.info.fps
        first, last = item.keys.onset - round(around_s * fps), item.keys.offset + round(around_s * fps)
        if last - max(first, 0) >= MOST_FRAMES:
            raise DataError(f"{item.id} is longer than the {MOST_FRAMES} frames that can be shown")
        for frame in _between(source, first - round(SETTLE_S * fps), last):
            faces.push(frame)
            if frame.index >= first:
                data, size = _jpeg(frame.image)
                shown.append((frame.index, frame.time_s, data))
    indices = tuple(index for index, _, _ in shown)
    found = ClipPictures(
        indices,
        tuple(time_s for _, time_s, _ in shown),
        faces.motion(indices, item.keys.onset),
        tuple(data for _, _, data in shown),
        size,
        faces.box(),
    )
    _check(item, found, fps)
    return found


def _between(source: FrameSource, first: int, last: int) -> Iterator[Frame]:
    """The readable frames from `first` to `last`."""
    for frame in source:
        if frame.index > last:
            return
        if isinstance(frame, Frame) and frame.index >= first:
            yield frame


def _check(item: Item, found: ClipPictures, fps: float) -> None:
    numbers = (item.keys.onset, item.keys.apex, item.keys.offset)
    for name, number, time_s in zip(KEYS, numbers, item.times, strict=True):
        if number is None:
            continue
        if number not in found.index:
            raise DataError(f"{item.path} has no readable frame {number}, the {name} of {item.id}")
        seen_s = found.time_s[found.index.index(number)]
        if time_s is not None and abs(seen_s - time_s) > 1.5 / fps:
            raise DataError(
                f"frame {number} of {item.path} is at {seen_s:.3f} s, but the {name} of {item.id} at "
                f"{time_s:.3f} s: name the film that the events were found in"
            )


class _Faces:
    """The face in every frame, aligned as the live route does it."""

    def __init__(self, tracker: FaceTracker) -> None:
        tracker.reset()
        self._tracker = tracker
        self._aligner = FaceAligner()
        self._boxes: list[F32] = []
        self._found: dict[int, AlignedFace] = {}

    def push(self, frame: Frame) -> None:
        """Look for the face in the next frame."""
        faces = self._tracker.push(frame)
        if not faces:
            self._aligner.reset()
            return
        points = faces[0].landmarks_px[:, :2]
        height, width = frame.image.shape[:2]
        corners = np.concatenate([points.min(axis=0), points.max(axis=0)])
        self._boxes.append((corners / np.array([width, height, width, height])).astype(np.float32))
        aligned = self._aligner.push(frame, faces[0])
        self._found[frame.index] = replace(aligned, crop=_NO_COLOUR)

    def motion(self, indices: Sequence[int], onset: int) -> tuple[float | None, ...]:
        """How far the face has moved since the onset, in each of some frames: as `ClipPictures.motion`."""
        reference = self._found.get(onset)
        if reference is None:
            return (None,) * len(indices)
        there = (self._found.get(index) for index in indices)
        return tuple(None if face is None else _moved(reference, face) for face in there)

    def box(self) -> Box | None:
        """One box for the whole clip, so that nothing moves but the face."""
        if not self._boxes:
            return None
        boxes = np.stack(self._boxes)
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        margin = _MARGIN * (high - low)
        low, high = np.clip(low - margin, 0.0, 1.0), np.clip(high + margin, 0.0, 1.0)
        if (high - low).min() <= 0.01:
            return None
        left, top, width, height = (round(float(x), 4) for x in (*low, *(high - low)))
        return left, top, width, height


def _moved(onset: AlignedFace, face: AlignedFace) -> float:
    """Largest motion of a region since the onset, the head's removed, percent of the eye distance."""
    if face.index == onset.index:
        return 0.0
    before, now = (warp(item, FLOW_FACE_SIZE, like=face) for item in (onset, face))
    motion = motion_from_grid(
        *face_flow(before, now),
        face.relief,
        index=face.index,
        time_s=face.time_s,
        lag_s=face.time_s - onset.time_s,
        brightness=(0.0, 0.0),
        aperture=face.aperture,
    )
    return float(np.linalg.norm(motion.regions.astype(np.float64), axis=1).max())


def _jpeg(image: U8) -> tuple[bytes, tuple[int, int]]:
    """A picture as JPEG, made smaller where it is very large, and its width and height."""
    height, width = image.shape[:2]
    scale = min(_MOST_SIDE_PX / max(height, width), 1.0)
    if scale < 1.0:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data), (image.shape[1], image.shape[0])
