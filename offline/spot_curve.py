"""Detection trade-off: the spotter at several confidences over one pass of everything before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from offline.figure_file import picture_bytes
from realtime.config import PipelineConfig
from realtime.spotting import Spotter, SpotterConfig
from realtime.types import FrameRow, KeyFrames

CONFIDENCES = (0.1, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Least confidences of the curve, from many false alarms to few events."""


def thresholds_around(config: SpotterConfig) -> tuple[float, ...]:
    """Thresholds of the curve, the one that is set among them."""
    return tuple(sorted({*CONFIDENCES, config.confidence}))


class Bank:
    """Spotters that differ in their least confidence, fed with the rows of one pipeline.

    They are flushed and begun anew where the pipeline does so with its own: when the face is lost, when
    time has a hole, and when the face could not be measured for longer than that.
    """

    def __init__(self, config: PipelineConfig, thresholds: Sequence[float]) -> None:
        self._max_gap_s = config.max_gap_s
        self._configs = {t: replace(config.spotter, confidence=t) for t in thresholds}
        self._found: dict[float, list[KeyFrames]] = {t: [] for t in thresholds}
        self._spotters: dict[int, dict[float, Spotter]] = {}
        self._measured_s: dict[int, float] = {}
        self._last_s = -math.inf

    def push(self, rows: Sequence[FrameRow]) -> None:
        """Take the rows of one frame."""
        now_s = rows[0].time_s if rows else None
        shown = {row.face_id for row in rows if row.face_id is not None}
        if now_s is None or not self._configs or (not shown and rows[0].skipped != "no_face"):
            return
        gap = now_s - self._last_s > self._max_gap_s
        self._last_s = now_s
        for face in [face for face in self._spotters if gap or face not in shown]:
            self._end(face, now_s)
        for row in rows:
            if row.face_id is not None:
                self._watch(row.face_id, row, now_s)

    def done(self) -> Mapping[float, tuple[KeyFrames, ...]]:
        """Flush; movements by threshold, in the order of decision."""
        for face in list(self._spotters):
            self._end(face, self._last_s)
        return {threshold: tuple(found) for threshold, found in self._found.items()}

    def _watch(self, face: int, row: FrameRow, now_s: float) -> None:
        if row.skipped is None:
            self._measured_s[face] = now_s
            spotters = self._spotters.setdefault(face, {t: Spotter(c) for t, c in self._configs.items()})
            for motion in row.motions:
                for threshold, spotter in spotters.items():
                    self._found[threshold] += spotter.push(motion, now_s)
        elif face in self._spotters and now_s - self._measured_s[face] > self._max_gap_s:
            self._end(face, now_s)

    def _end(self, face: int, now_s: float) -> None:
        for threshold, spotter in self._spotters.pop(face).items():
            self._found[threshold] += spotter.flush(now_s)


def curve_picture(points: Sequence[Mapping[str, Any]], current: float, form: str) -> bytes:
    """Precision against recall, and recall against false alarms a minute, as a PNG or SVG file.

    `points` as in a results file, `current` the threshold that is set.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    recall = np.array([p["recall"] for p in points])
    precision = np.array([p["precision"] for p in points])
    alarms = np.array([p["false_alarms_per_minute"] or 0.0 for p in points])
    here = [i for i, p in enumerate(points) if p["threshold"] == current]
    for axes, x, y in ((left, recall, precision), (right, alarms, recall)):
        axes.plot(x, y, marker="o", color="0.35")
        axes.plot(x[here], y[here], marker="o", markersize=11, fillstyle="none", linestyle="none", color="C1")
        for point, at_x, at_y in zip(points, x, y, strict=True):
            axes.annotate(f"{point['threshold']:g}", (at_x, at_y), textcoords="offset points", xytext=(5, 4))
        axes.grid(alpha=0.3)
        axes.set_ylim(-0.02, 1.04)
    left.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.04))
    right.set(xlabel="false alarms a minute", ylabel="recall")
    figure.suptitle("micro-expressions at IoU ≥ 0.5 by threshold (ring: as set)")
    return picture_bytes(figure, form)
