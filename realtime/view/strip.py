"""The motion of the last seconds as a scrolling strip, with the events that were found in it."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from realtime.sinks.records import Record
from realtime.types import F64, U8, readonly
from realtime.view.colours import ORANGE, SKY, bgr
from realtime.view.names import words
from realtime.view.story import SPAN_S, Scene
from realtime.view.text import fill, put, width_of

_PAPER, _GREY, _LINE, _INK = (27, 23, 20), (62, 54, 48), (92, 84, 76), (232, 232, 232)
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 24, 34
_LEAST_TOP = 1.0
"""The axis reaches at least this far, percent of the eye distance."""


class _Axes:
    """From stream time and motion to pixels."""

    def __init__(self, area: U8, scene: Scene) -> None:
        self.height, self.width = area.shape[:2]
        self.end_s = max(scene.time_s, SPAN_S)
        self.from_s = self.end_s - SPAN_S
        motion = scene.motion[np.isfinite(scene.motion)]
        self.top = max(_LEAST_TOP, 1.1 * float(motion.max())) if motion.size else _LEAST_TOP
        self.floor = self.height - _BOTTOM

    def x_of(self, time_s: F64) -> F64:
        share = np.clip((time_s - self.from_s) / SPAN_S, 0.0, 1.0)
        place: F64 = np.rint(_LEFT + share * (self.width - _LEFT - _RIGHT))
        return place

    def y_of(self, motion: F64) -> F64:
        place: F64 = np.rint(self.floor - np.minimum(motion / self.top, 1.0) * (self.floor - _TOP))
        return place

    def x(self, time_s: float) -> int:
        return int(self.x_of(np.asarray(time_s)))

    def y(self, motion: float) -> int:
        return int(self.y_of(np.asarray(motion)))


def draw_strip(area: U8, scene: Scene) -> None:
    """Draw into a part of the canvas, in place."""
    fill(area, _PAPER)
    axes = _Axes(area, scene)
    _shade_hidden(area, axes, scene)
    for event in scene.events:
        if event["offset_s"] > axes.from_s:
            _draw_event(area, axes, event)
    _name_events(area, axes, scene)
    _scale(area, axes)
    _curve(area, axes, scene)


def _shade_hidden(area: U8, axes: _Axes, scene: Scene) -> None:
    """Hatched where a micro-expression could not have been seen."""
    hatched = _hatched(area.shape[0], area.shape[1])
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], scene.hidden, [0.0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        left, right = axes.x(scene.time_axis_s[max(first - 1, 0)]), axes.x(scene.time_axis_s[last - 1])
        area[_TOP : axes.floor, left : right + 1] = hatched[_TOP : axes.floor, left : right + 1]


@lru_cache(maxsize=4)
def _hatched(height: int, width: int) -> U8:
    rows, columns = np.mgrid[:height, :width]
    stripes = (rows + columns)[..., None] % 8 == 0
    return readonly(np.where(stripes, np.array(_LINE), np.array(_GREY)).astype(np.uint8))


def _draw_event(area: U8, axes: _Axes, event: Record) -> None:
    """A span from onset to offset, a line at the apex; macro-expressions in another colour, not filled."""
    micro = event["type"] == "micro_expression"
    colour = bgr(ORANGE if micro else SKY)
    left, apex, right = (axes.x(time_s) for time_s in (event["onset_s"], event["apex_s"], event["offset_s"]))
    if micro:
        span = area[_TOP : axes.floor, left : right + 1]
        span[:] = (0.62 * span + 0.38 * np.array(colour)).astype(np.uint8)
    cv2.rectangle(area, (left, axes.floor + 2), (right, axes.floor + 8), colour, -1 if micro else 1)
    cv2.line(area, (apex, _TOP - 4), (apex, axes.floor + 8), colour, 2 if micro else 1)


def _name_events(area: U8, axes: _Axes, scene: Scene) -> None:
    """Labels above the apexes, the newest first; one that would run into another is left out."""
    free_to = axes.width
    for event in reversed(scene.events):
        text = words(event["label"] or event["type"].removesuffix("_expression"))
        if event["probabilities"]:
            text += f" {max(event['probabilities'].values()):.2f}"
        half = width_of(text, 12) // 2
        x = min(axes.x(event["apex_s"]), axes.width - half - 2)
        if event["apex_s"] > axes.from_s and x + half < free_to:
            put(area, text, (x, _TOP - 13), _INK, 12, anchor="middle")
            free_to = x - half - 8


def _scale(area: U8, axes: _Axes) -> None:
    cv2.line(area, (_LEFT, axes.floor), (axes.width - _RIGHT, axes.floor), _LINE, 1)
    for second in range(2 * math.ceil(axes.from_s / 2.0), math.floor(axes.end_s) + 1, 2):
        x = axes.x(second)
        cv2.line(area, (x, axes.floor), (x, axes.floor + 4), _LINE, 1)
        put(area, f"{second} s", (x, axes.height - 12), _INK, 11, anchor="middle")
    y = axes.y(_LEAST_TOP)
    cv2.line(area, (_LEFT - 4, y), (_LEFT, y), _LINE, 1)
    put(area, "1 %", (_LEFT - 8, y), _INK, 11, anchor="right")
    put(area, "motion", (4, axes.floor - 4), _INK, 10)


def _curve(area: U8, axes: _Axes, scene: Scene) -> None:
    known = np.isfinite(scene.motion)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known, [0]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        x = axes.x_of(scene.time_axis_s[first:last])
        points = np.column_stack([x, axes.y_of(scene.motion[first:last])]).astype(np.int32)
        cv2.polylines(area, [points], False, _INK, 1, cv2.LINE_AA)
