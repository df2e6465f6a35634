"""The live page as a part of a run."""

from __future__ import annotations

import sys

from realtime.live.fleet import Fleet
from realtime.live.page.board import Board
from realtime.live.page.channel import Channel
from realtime.live.page.routes import make_live_app
from realtime.live.settings import LiveSettings
from realtime.sinks.outlet import Outlet
from realtime.sinks.records import Record
from realtime.sinks.rolling import EVENT_TYPES
from realtime.web.access import Access
from realtime.web.server import Server, load


class _PageSink:
    """Events to the page, as a `RecordSink`."""

    name = "live page"

    def __init__(self, board: Board) -> None:
        self._board = board

    def open(self) -> None:
        """It is open."""

    def write(self, record: Record) -> None:
        self._board.add_event(record)

    def close(self) -> None:
        """Whoever closes the page closes it."""


class LivePage:
    """The page of a run: `link` goes to the cameras' processes, `outlet` to the supervisor, then `serve`."""

    def __init__(self, settings: LiveSettings) -> None:
        """Raises `UsageError` where the extra is missing, `OutputError` where the cameras cannot reach it."""
        assert settings.web is not None
        load("--web")
        self._listen = settings.web
        self._board = Board({n: settings.route_of(c).spotter.confidence for n, c in settings.cameras.items()})
        self._channel = Channel(self._board.connected, self._board.take)
        self.link = self._channel.link
        self.outlet = Outlet(_PageSink(self._board), wants=lambda record: record["type"] in EVENT_TYPES)
        self._server: Server | None = None

    def serve(self, fleet: Fleet) -> None:
        """Serve from now on, and say where. Raises `OutputError` where the address cannot be used."""
        access = Access.of(self._listen.host, self._listen.token)
        app = make_live_app(self._board, fleet)
        self._server = server = Server(app, access, self._listen.port, "--web")
        own = self._listen.token  # who chose a token knows it
        where = f"{server.url}?token=… (your token)" if own else server.url_with_token
        print(f"glimpse: live page at {where} – it shows faces; none is stored", file=sys.stderr, flush=True)

    def __enter__(self) -> LivePage:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
        self._channel.close()
        self._board.close()
