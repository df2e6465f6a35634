"""The faces of the recent past, for the key frames of an event."""

from __future__ import annotations

from collections import deque

from realtime.types import AlignedFace


class FaceRing:
    """Keeps aligned faces for `keep_s` of stream time."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._faces: deque[AlignedFace] = deque()

    def reset(self) -> None:
        self._faces.clear()

    def push(self, face: AlignedFace) -> None:
        self._faces.append(face)
        while face.time_s - self._faces[0].time_s > self._keep_s + 1e-6:
            self._faces.popleft()

    def at(self, index: int) -> AlignedFace | None:
        """The face of frame `index`, or None where it was let go or never measured."""
        for face in reversed(self._faces):
            if face.index <= index:
                return face if face.index == index else None
        return None

    def since(self, time_s: float) -> tuple[AlignedFace, ...]:
        """The faces from `time_s` on that are still kept, in order."""
        return tuple(face for face in self._faces if face.time_s >= time_s - 1e-6)
