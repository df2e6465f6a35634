"""The clip of one event: the face alone, held still, from shortly before the onset to the decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from realtime.faces.alignment import warp
from realtime.types import U8, AlignedFace, KeyFrames
from realtime.view.film import Film
from realtime.view.text import put

_SIDE_PX = 384
_SIZE = (_SIDE_PX * 3 // 4, _SIDE_PX)
_BAND_PX = 28


def write_clip(path: Path, footage: Sequence[AlignedFace], keys: KeyFrames) -> None:
    """Write the film of an event. Raises `OutputError`.

    All frames are cut out by the apex's transform, so that what moves is the face and not the head.
    """
    apex = min(footage, key=lambda face: abs(face.index - keys.apex_frame))
    length_s = footage[-1].time_s - footage[0].time_s
    fps = (len(footage) - 1) / length_s if length_s > 0.0 else 25.0
    film = Film(path, fps, (_SIZE[0], _SIZE[1] + _BAND_PX))
    try:
        for face in footage:
            film.write(_picture(face, apex, keys), face.time_s)
        film.close()
    finally:
        film.abandon()


def _picture(face: AlignedFace, apex: AlignedFace, keys: KeyFrames) -> U8:
    """The face, and under it the time and the phase of the movement."""
    square = warp(face, _SIDE_PX, like=apex, colour=True)
    canvas = np.zeros((_SIZE[1] + _BAND_PX, _SIZE[0], 3), np.uint8)
    canvas[: _SIZE[1]] = cv2.resize(square, _SIZE, interpolation=cv2.INTER_AREA)
    place = _SIZE[1] + _BAND_PX // 2
    put(canvas, f"{face.time_s:.3f} s", (8, place), (235, 235, 235), 13)
    put(canvas, _phase(face.index, keys), (_SIZE[0] - 8, place), (235, 235, 235), 13, anchor="right")
    return canvas


def _phase(index: int, keys: KeyFrames) -> str:
    named = {keys.onset_frame: "onset", keys.apex_frame: "apex", keys.offset_frame: "offset"}
    if index in named:
        return named[index]
    if keys.onset_frame < index < keys.offset_frame:
        return "rising" if index < keys.apex_frame else "falling"
    return ""
