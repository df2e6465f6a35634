"""What a window shows: the last scene, and over it what was asked for by keys."""

from __future__ import annotations

import time

import numpy as np

from realtime.types import U8
from realtime.view.overlay import Layout, draw, layout_of
from realtime.view.story import Scene
from realtime.view.text import put, width_of

HELP = ("q  quit", "space  pause", "s  save the last event's clip", "h  this help")
_WHITE = (255, 255, 255)
_ROW_PX = 24
_NOTE_S = 4.0


class Screen:
    """`take` what comes, `press` keys, and look at the `picture`."""

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._layout: Layout | None = None
        self._note, self._noted_s = "", 0.0
        self._paused = self._helping = False

    def take(self, message: Scene | str) -> None:
        """A scene to show, which a paused screen does not; or a line to show for a while."""
        if isinstance(message, str):
            self._note, self._noted_s = message, time.monotonic()
        elif not self._paused:
            self._scene = message

    def press(self, action: str) -> None:
        """ "pause" and "help" are switched on and off; other keys are for the other side."""
        self._paused ^= action == "pause"
        self._helping ^= action == "help"

    def picture(self) -> U8 | None:
        """The canvas, BGR; its size stays that of the first one. None before there is a scene."""
        if self._scene is None:
            return None
        if self._layout is None:
            self._layout = layout_of(*self._scene.size)
        canvas = draw(self._scene, self._layout)
        height = self._layout.picture[1]
        fresh = time.monotonic() - self._noted_s < _NOTE_S
        note = self._note if fresh else "paused: space goes on" if self._paused else ""
        if note:
            _panel(canvas, (note,), (12, height - _ROW_PX - 18))
        if self._helping:
            _panel(canvas, HELP, (12, 44))
        return canvas


def _panel(canvas: U8, lines: tuple[str, ...], place: tuple[int, int]) -> None:
    """Lines of text on a darkened ground."""
    x, y = place
    width, height = max(map(width_of, lines)) + 20, _ROW_PX * len(lines) + 6
    ground = canvas[y : y + height, x : x + width]
    ground[:] = (ground.astype(np.uint16) // 5).astype(np.uint8)
    for row, line in enumerate(lines):
        put(canvas, line, (x + 10, y + 3 + _ROW_PX // 2 + _ROW_PX * row), _WHITE)
