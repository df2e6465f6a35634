"""What a camera's process counts, and its form on the way to the supervisor."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

LATENCY_BUCKETS_S = (0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Histogram:
    """Durations by bucket, in the manner of Prometheus."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(LATENCY_BUCKETS_S, duration_s)] += 1
        self._sum_s += duration_s

    def as_record(self) -> dict[str, Any]:
        """Counts per bucket, the last one for all that is longer, and the sum in seconds."""
        return {"counts": list(self._counts), "sum_s": round(self._sum_s, 6)}


class Gauges:
    """Counts of one camera since its process started."""

    def __init__(self) -> None:
        self.frames = 0
        """Frames of the feed, dropped ones counted."""
        self.face_frames = 0
        self.faces = 0
        """Faces in the last frame."""
        self.events = {"micro_expression": 0, "macro_expression": 0}
        self.skipped: dict[str, int] = {}
        self.frame_latency = Histogram()
        """From arrival to the end of the route."""
        self.event_delay = Histogram()
        """From the apex to the record of the event."""

    def as_record(self) -> dict[str, Any]:
        """Everything in plain values."""
        return {
            "frames": self.frames,
            "face_frames": self.face_frames,
            "faces": self.faces,
            "events": dict(self.events),
            "skipped": dict(self.skipped),
            "frame_latency": self.frame_latency.as_record(),
            "event_delay": self.event_delay.as_record(),
        }
