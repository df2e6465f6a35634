"""One open page: what it wants to see, and what it was shown already."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from realtime.live.fleet import Fleet
from realtime.live.page.board import Board
from realtime.live.page.said import said_event, said_moment, said_state, words_of_the_house

_STATE_EVERY_S = 1.0
_SHOWN_EVENTS = 60
"""Earlier events that a page is shown when it opens."""
_PATIENCE = 100
"""Events that may wait for their pictures."""


class Visit:
    """Sends a picture only when the page has taken the one before: a slow line gets fewer, not older."""

    def __init__(self, board: Board, fleet: Fleet, loop: asyncio.AbstractEventLoop) -> None:
        self._board, self._fleet = board, fleet
        self._news = asyncio.Event()
        self._camera: str | None = None
        self._ready = True
        self._number = 0
        """Of the last picture."""
        self._after_s = -math.inf
        self._first = board.count
        """Events up to here are from before the visit."""
        self._seen = max(self._first - _SHOWN_EVENTS, 0)
        self._bare: dict[int, Any] = {}
        """Events that were shown without pictures."""
        self._state_s = -math.inf

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._news.set)

        self._unlisten = board.listen(wake)

    def hear(self, text: str) -> None:
        """What the page says: `{"camera": NAME}` or null, and `{"ready": true}`; all else is let pass."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if "camera" in said and (said["camera"] is None or said["camera"] in self._board.cameras):
            self._look_at(said["camera"])
        if "ready" in said:
            self._ready = True
        self._news.set()

    def leave(self) -> None:
        """The page is closed."""
        self._look_at(None)
        self._unlisten()

    async def talk(
        self, send: Callable[[Any], Awaitable[None]], send_bytes: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Tell the page what is new, without end."""
        await send(words_of_the_house())
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            if loop.time() - self._state_s >= _STATE_EVERY_S:
                self._state_s = loop.time()
                await send(said_state(self._board, self._fleet.states()))
            await self._tell_events(send)
            await self._show(send, send_bytes)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _STATE_EVERY_S)

    def _look_at(self, camera: str | None) -> None:
        if camera == self._camera:
            return
        if camera is not None:
            self._board.watch(camera, +1)
        if self._camera is not None:
            self._board.watch(self._camera, -1)
        self._camera, self._number, self._after_s, self._ready = camera, 0, -math.inf, True

    async def _tell_events(self, send: Callable[[Any], Awaitable[None]]) -> None:
        for number, record in self._board.events(self._seen):
            self._seen = number
            said = said_event(number, record, self._board, fresh=number > self._first)
            if not said["pictures"]:
                self._bare[number] = record
                while len(self._bare) > _PATIENCE:
                    del self._bare[next(iter(self._bare))]
            await send(said)
        for number, record in list(self._bare.items()):
            if self._board.pictures(record["id"]):
                del self._bare[number]
                await send(said_event(number, record, self._board, fresh=False) | {"type": "pictures"})

    async def _show(
        self, send: Callable[[Any], Awaitable[None]], send_bytes: Callable[[bytes], Awaitable[None]]
    ) -> None:
        camera = self._camera
        moment = self._board.moment(camera) if camera is not None and self._ready else None
        if camera is None or moment is None or moment.number == self._number:
            return
        if moment.scene.time_s < self._after_s:  # another process, whose stream began anew
            self._after_s = -math.inf
        self._number, self._ready = moment.number, False
        said = said_moment(camera, moment, self._after_s)
        self._after_s = moment.scene.time_s
        await send(said)
        await send_bytes(moment.jpeg)
