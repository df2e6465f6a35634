"""Footage with planted events as a stream like any other, and its truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from offline.planting.plan import Planted, face_units
from offline.planting.track import FaceTrack
from offline.synthesis.render import FieldTable
from offline.synthesis.truth import TrueEvent, Truth
from realtime.types import F32, F64, U8, Frame, FrameSource, StreamInfo, Unreadable, readonly

_ENLARGED = 3
"""`cv2.remap` rounds positions to 1/32 pixel; on an enlarged picture that is 1/96. Odd, so that a pixel
that does not move keeps its value."""
_LEAST_PX = 0.002
"""Points that move by less are left alone, pixels."""
_REACH = (-1.5, -1.1, 1.5, 2.1)
"""Left, top, right and bottom of what can move, face units."""


class PlantedSource:
    """A source whose frames carry planted events: `info` and `truth` at once, then the frames, once.

    Wraps an open source of the same recording that `track` was made from; closing this closes it.
    """

    def __init__(self, source: FrameSource, track: FaceTrack, events: Sequence[Planted]) -> None:
        self._source = source
        self._track = track
        self._rows = {int(index): row for row, index in enumerate(track.index)}
        self._moves = [
            (event.pulse, FieldTable(event.pulse.expression)) for event in events if event.pulse.expression
        ]
        self.truth = _truth(track, events)

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream."""
        return self._source.info

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks of the source below."""
        return tuple(getattr(self._source, "notes", ()))

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        for frame in self._source:
            yield self._plant(frame) if isinstance(frame, Frame) else frame

    def __enter__(self) -> PlantedSource:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def _plant(self, frame: Frame) -> Frame:
        moves = [
            (table, face_units(pulse) * level)
            for pulse, table in self._moves
            if (level := pulse.level(frame.time_s)) > 0.0
        ]
        row = self._rows.get(frame.index)
        if not moves or row is None or not np.isfinite(self._track.unit_to_frame[row]).all():
            return frame
        return Frame(
            frame.index, frame.time_s, readonly(warp_face(frame.image, self._track.unit_to_frame[row], moves))
        )


def warp_face(image: U8, unit_to_frame: F64, moves: Sequence[tuple[FieldTable, float]]) -> U8:
    """A copy of `image` (h, w, 3) whose face is displaced by the sum of `moves`: (field, face units).

    Only the pixels that move are touched; the displacement fades out beside the face.
    """
    box = _box(unit_to_frame, image.shape[:2])
    if box is None:
        return image.copy()
    left, top, right, bottom = box
    shift_x, shift_y = _shift(unit_to_frame, moves, box)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    fine = cv2.resize(part, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_LANCZOS4)
    across = np.arange(right - left, dtype=np.float32) - shift_x
    down = np.arange(bottom - top, dtype=np.float32)[:, None] - shift_y
    centre = (_ENLARGED - 1) / 2.0
    moved = cv2.remap(
        fine,
        across * _ENLARGED + centre,
        down * _ENLARGED + centre,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    touched = np.hypot(shift_x, shift_y) > _LEAST_PX
    planted = image.copy()
    planted[top:bottom, left:right][touched] = moved[touched]
    return planted


def _box(unit_to_frame: F64, size: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the pixels that can move; None where none is in the picture."""
    x0, y0, x1, y1 = _REACH
    corners = np.array([[x0, y0, 1.0], [x1, y0, 1.0], [x1, y1, 1.0], [x0, y1, 1.0]]) @ unit_to_frame.T
    height, width = size
    left, top = (max(int(np.floor(low)), 0) for low in corners.min(axis=0))
    right, bottom = (
        min(int(np.ceil(h)) + 1, end) for h, end in zip(corners.max(axis=0), (width, height), strict=True)
    )
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def _shift(
    unit_to_frame: F64, moves: Sequence[tuple[FieldTable, float]], box: tuple[int, int, int, int]
) -> tuple[F32, F32]:
    """Displacement in pixels (x, y) of every pixel of the box."""
    left, top, right, bottom = box
    linear, origin = unit_to_frame[:, :2], unit_to_frame[:, 2]
    inverse = np.linalg.inv(linear)
    across, down = np.meshgrid(np.arange(left, right) - origin[0], np.arange(top, bottom) - origin[1])
    x = (inverse[0, 0] * across + inverse[0, 1] * down).astype(np.float32)
    y = (inverse[1, 0] * across + inverse[1, 1] * down).astype(np.float32)
    total_x, total_y = np.zeros_like(x), np.zeros_like(y)
    for table, amplitude in moves:
        dx, dy = table(x, y)
        total_x += np.float32(amplitude) * dx
        total_y += np.float32(amplitude) * dy
    weight = _fade(x, y)
    shift_x = weight * (linear[0, 0] * total_x + linear[0, 1] * total_y)
    shift_y = weight * (linear[1, 0] * total_x + linear[1, 1] * total_y)
    return shift_x.astype(np.float32), shift_y.astype(np.float32)


def _fade(x: F32, y: F32) -> F32:
    """1 on the face, falling smoothly to 0 beside it."""
    radius = np.hypot(x / 1.15, (y - 0.45) / 1.35)
    rise = np.clip((1.25 - radius) / 0.25, 0.0, 1.0)
    return np.asarray(rise * rise * (3.0 - 2.0 * rise), dtype=np.float32)


def _truth(track: FaceTrack, events: Sequence[Planted]) -> Truth:
    info = track.info
    return Truth(
        fps=info.fps,
        frames=max(len(track.index), 1),
        width=info.width,
        height=info.height,
        seed=0,
        identity="planted",
        events=tuple(_event(track, event) for event in events),
        confounders=(),
    )


def _event(track: FaceTrack, event: Planted) -> TrueEvent:
    pulse = event.pulse
    assert pulse.expression is not None
    onset, apex, offset = (
        int(track.index[np.argmin(np.abs(track.time_s - t))])
        for t in (pulse.start_s, event.apex_s, pulse.end_s)
    )
    return TrueEvent(
        kind="micro_expression",
        label=pulse.expression.label,
        onset_s=round(pulse.start_s, 6),
        apex_s=round(event.apex_s, 6),
        offset_s=round(pulse.end_s, 6),
        onset_frame=onset,
        apex_frame=apex,
        offset_frame=offset,
        action_units=pulse.expression.action_units,
        side=pulse.expression.side,
        amplitude_percent=round(pulse.strength, 4),
    )
