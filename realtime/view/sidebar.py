"""What stands beside the picture: how the run does, and the last events with their probabilities."""

from __future__ import annotations

from realtime.sinks.records import Record
from realtime.types import U8
from realtime.view.colours import ORANGE, SKY, bgr
from realtime.view.names import words
from realtime.view.story import Scene
from realtime.view.text import fill, put

_PAPER, _TRACK, _INK, _SOFT = (33, 28, 25), (70, 62, 56), (238, 238, 238), (178, 170, 163)
_MARGIN = 14
_CARD_PX = 46
_ROW_PX = 16
_MOST_ROWS = 4


def draw_sidebar(area: U8, scene: Scene) -> None:
    """Draw into a part of the canvas, in place."""
    fill(area, _PAPER)
    y = _gauges(area, scene)
    number = scene.count
    for event in reversed(scene.events):
        if y + _height(event) > area.shape[0] - 18:
            break
        y = _event(area, y, number, event)
        number -= 1
    if not scene.events:
        put(area, "no event yet", (_MARGIN, y + 8), _SOFT, 13)
    put(area, "motion, not feelings: check every finding", (_MARGIN, area.shape[0] - 12), _SOFT, 10)


def _gauges(area: U8, scene: Scene) -> int:
    gauges = scene.gauges
    minutes, seconds = divmod(scene.time_s, 60.0)
    put(area, f"{minutes:.0f}:{seconds:05.2f}", (_MARGIN, 20), _INK, 17, bold=True)
    put(area, gauges.status, (area.shape[1] - _MARGIN, 20), _SOFT, 13, anchor="right")
    known = [f"{gauges.fps:.0f} fps" if gauges.fps is not None else ""]
    known.append(f"{gauges.latency_ms:.0f} ms late" if gauges.latency_ms is not None else "")
    known.append(f"{gauges.dropped} dropped" if gauges.dropped else "")
    put(area, "  ·  ".join(filter(None, known)), (_MARGIN, 42), _SOFT, 12)
    put(area, f"{scene.count} event{'' if scene.count == 1 else 's'}", (_MARGIN, 68), _INK, 13, bold=True)
    return 82


def _height(event: Record) -> int:
    return _CARD_PX + _ROW_PX * min(len(event["probabilities"] or ()), _MOST_ROWS)


def _event(area: U8, y: int, number: int, event: Record) -> int:
    """One event; gives where the next one begins."""
    micro = event["type"] == "micro_expression"
    colour = bgr(ORANGE if micro else SKY)
    area[y + 4 : y + _height(event) - 8, _MARGIN - 8 : _MARGIN - 5] = colour
    title = words(event["label"] or ("not labelled" if micro else "macro-expression"))
    title += " (uncertain)" if event.get("verdict") == "uncertain" else ""
    put(area, f"{number}  {title}", (_MARGIN, y + 12), _INK, 13, bold=True)
    sides = event.get("sides", {}).items()
    units = ", ".join(unit if side == "both" else f"{unit} {side}" for unit, side in sides)
    put(area, units, (area.shape[1] - _MARGIN, y + 12), _SOFT, 11, anchor="right")
    times = " – ".join(f"{event[name]:.2f}" for name in ("onset_s", "apex_s", "offset_s"))
    put(area, f"{times} s, {event['duration_ms']:.0f} ms", (_MARGIN, y + 29), _SOFT, 11)
    ranked = sorted((event["probabilities"] or {}).items(), key=lambda item: -item[1])
    for row, (name, value) in enumerate(ranked[:_MOST_ROWS]):
        _bar(area, y + 46 + _ROW_PX * row, words(name), value, colour)
    return y + _height(event)


def _bar(area: U8, y: int, name: str, value: float, colour: tuple[int, int, int]) -> None:
    left, right = _MARGIN + 92, area.shape[1] - _MARGIN - 36
    put(area, name, (_MARGIN, y), _INK, 12)
    area[y - 4 : y + 4, left:right] = _TRACK
    area[y - 4 : y + 4, left : left + round(value * (right - left))] = colour
    put(area, f"{value:.2f}", (area.shape[1] - _MARGIN, y), _INK, 12, anchor="right")
