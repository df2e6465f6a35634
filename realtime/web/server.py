"""The edge to FastAPI and uvicorn, which come with the extra `web`: an application and its server."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from typing import Any

from realtime.errors import OutputError
from realtime.sinks import extras
from realtime.web.access import Access, shown_address
from realtime.web.guard import App, Guard

_HEAD_S = 10.0
"""How long a client may take to say what it wants."""
_MOST_CONNECTIONS = 64
_MOST_HEAD = 16_384
_MOST_MESSAGE = 65_536
_START_S = 60.0
_END_S = 5.0


def load(purpose: str) -> None:
    """Raise `UsageError` that names the extra where it is missing. `purpose`: what needs it."""
    for module in ("fastapi", "uvicorn", "websockets"):
        extras.load(module, purpose, "web")


def make_app(title: str, purpose: str) -> Any:
    """An empty FastAPI application that describes itself at `/openapi.json`; its own pages, which would be
    made from scripts of others, are off. Raises `UsageError` where the extra is missing."""
    fastapi = extras.load("fastapi", purpose, "web")
    app = fastapi.FastAPI(title=title, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def refuse(request: Any, error: Any) -> Any:
        # what was sent is not sent back: it may be no JSON (NaN), and is none of an answer's business
        said = [{key: fault[key] for key in ("loc", "msg", "type")} for fault in error.errors()]
        return fastapi.responses.JSONResponse({"detail": said}, 422)

    app.add_exception_handler(fastapi.exceptions.RequestValidationError, refuse)
    return app


class Server:
    """An application behind its guard, served from a thread of its own."""

    def __init__(self, app: App, access: Access, port: int, purpose: str, *, most_body: int = 65_536) -> None:
        """Serve on `access.host` and this port (0: any that is free).

        Raises `OutputError` where the address cannot be used; `UsageError` where the extra is missing.
        `most_body`: bytes of a request's body.
        """
        self._uvicorn = extras.load("uvicorn", purpose, "web")
        self._access = access
        self._socket = _bound(access.host, port, purpose)
        self.port = int(self._socket.getsockname()[1])
        guard = Guard(app, access, cookie=f"glimpse-{self.port}", most_body=most_body)
        self._server = self._uvicorn.Server(self._config(guard))
        self._thread = threading.Thread(target=self._run, name=f"web {purpose}", daemon=True)
        self._thread.start()
        ends_s = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > ends_s:
                raise OutputError(f"{purpose}: the server did not start")
            time.sleep(0.01)

    @property
    def url(self) -> str:
        """Where the page is, without the token."""
        host = socket.gethostname() if self._access.host in ("0.0.0.0", "::") else self._access.host
        return f"http://{shown_address(host, self.port)}/"

    @property
    def url_with_token(self) -> str:
        """Where the page is, for its user's eyes alone."""
        return self.url + (f"?token={self._access.token}" if self._access.token else "")

    def close(self) -> None:
        """Stop serving; what is under way is cut off."""
        self._server.should_exit = True
        self._thread.join(_END_S)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(_END_S)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _config(self, guard: Guard) -> Any:
        for name in ("uvicorn.error", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(logging.ERROR)  # what strangers send wrongly is no news
        return self._uvicorn.Config(
            guard,
            http=_protocol(),
            ws="websockets-sansio",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_MOST_HEAD,
            ws_max_size=_MOST_MESSAGE,
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
            ws_per_message_deflate=False,
        )


def _bound(host: str, port: int, purpose: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"{purpose} {shown_address(host, port)}: cannot be used: {why}") from error


def _protocol() -> type[asyncio.Protocol]:
    """uvicorn's HTTP that hangs up on who connects and does not say what for, and on the many."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        _watch: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > 2 * _MOST_CONNECTIONS:
                transport.abort()
            self._await_head()

        def data_received(self, data: bytes) -> None:
            if self.timeout_keep_alive_task is not None and self._watch is not None:
                self._watch.cancel()  # the next request has its own time
                self._watch = None
            super().data_received(data)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._watch is not None:
                self._watch.cancel()
            super().connection_lost(exc)

        def _await_head(self) -> None:
            if self._watch is None:
                self._watch = self.loop.call_later(_HEAD_S, self._give_up)

        def _give_up(self) -> None:
            """No request is under way, and this is no WebSocket either: nobody is waited for any longer."""
            self._watch = None
            idle: bool = self.cycle is None or self.cycle.response_complete
            if idle and self in self.connections and self.timeout_keep_alive_task is None:
                self.transport.close()

    return Impatient
