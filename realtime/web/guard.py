"""Stands before an ASGI application: lets in who may come, and bounds what one may send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from realtime.web.access import Access, by_name, is_own_page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = ("GET", "HEAD", "OPTIONS")
_MOST_PATH = 2000
"""Characters; a number within a path is none that Python refuses to read."""
_BODY_S = 10.0
"""How long a request's body may take."""
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer: nothing is kept, and a page gets nothing from elsewhere and runs no script but its own."""
_LOGIN_PAGE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>glimpse</title>'
    b'<meta http-equiv="refresh" content="0;url=/"><p><a href="/">go on</a></p></html>'
)


class _TooMuch(Exception):
    """A request's body is too long, or takes too long."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    kind: str = "application/json"
    more: tuple[tuple[str, str], ...] = ()


class Guard:
    """An ASGI application around another.

    A token comes once as `?token=` of any page, which then gives a cookie and leads to `/`, or with every
    request as `Authorization: Bearer`. Requests that change something, and WebSockets, have to come from
    the server's own page, or bear the token.
    """

    def __init__(
        self, app: App, access: Access, *, cookie: str, most_body: int = 65_536, most_sockets: int = 16
    ) -> None:
        """`cookie`: its name. `most_body`: bytes of a request's body. `most_sockets`: WebSockets at once."""
        self._app, self._access, self._cookie = app, access, cookie
        self._most_body, self._most_sockets = most_body, most_sockets
        self._sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket for as long as it lasts."""
        if scope["type"] == "http":
            await self._request(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope)
        if answer is not None:
            await _give(send, answer)
            return
        body = _Body(receive, self._most_body)
        started = refused = False

        async def sending(message: Message) -> None:
            nonlocal started, refused
            if body.complaint and not started:  # whatever the application makes of a body that was cut off
                refused = True
            elif not refused:
                started = True
                await send(message)

        try:
            await self._app(scope, body.receive, sending)
        except _TooMuch:
            refused = not started
        if refused:
            await _give(send, _refusal(413, body.complaint))

    def _answer(self, scope: Scope) -> _Answer | None:
        """What the guard itself answers; None where the application may."""
        headers = _headers(scope)
        if not self._access.knows_host(headers.get("host", "")):
            return _refusal(421, "this server does not answer to that name")
        token = _token(scope)
        if token is not None and self._access.token:
            if scope["method"] != "GET" or not self._access.opens(token):
                return _refusal(401, "this is not the token")
            kept = f"{self._cookie}={self._access.cookie}; HttpOnly; SameSite=Strict; Path=/"
            return _Answer(200, _LOGIN_PAGE, "text/html; charset=utf-8", (("set-cookie", kept),))
        if not self._access.lets_in(headers, self._cookie):
            return _refusal(
                401, "open the address with ?token=… that glimpse has shown", ("www-authenticate", "Bearer")
            )
        if scope["method"] not in _SAFE and not self._is_own(headers):
            return _refusal(403, "only this server's own page may do that")
        if scope["path"] == "/favicon.ico":  # browsers ask for it where a page names no icon, as at the login
            return _Answer(204, b"", "image/x-icon")
        if len(scope["path"]) > _MOST_PATH:
            return _refusal(414, "no page has so long a name")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or int(length) > self._most_body:
            return _refusal(413, f"a request may hold {self._most_body} bytes at most")
        return None

    def _is_own(self, headers: dict[str, str]) -> bool:
        return self._access.bears(headers) or is_own_page(headers.get("origin"), headers.get("host", ""))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        welcome = (
            self._access.knows_host(headers.get("host", ""))
            and self._access.lets_in(headers, self._cookie)
            and self._is_own(headers)
            and self._sockets < self._most_sockets
        )
        if not welcome:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: a 403
            return
        self._sockets += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets -= 1


def _headers(scope: Scope) -> dict[str, str]:
    return by_name((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])


def _token(scope: Scope) -> str | None:
    try:
        given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=32).get("token")
    except ValueError:
        return None
    return given[0] if given else None


class _Body:
    """A request's body, up to a length and within a time."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most = receive, most
        self._taken, self._whole = 0, False
        self.complaint = ""
        """Why it was cut off; empty while it is not."""

    async def receive(self) -> Message:
        """The next message. Raises `_TooMuch`."""
        if self._whole:  # what comes now is that the other side hangs up
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_S)
        except asyncio.TimeoutError:
            self.complaint = f"the request's body has not come within {_BODY_S:g} s"
            raise _TooMuch from None
        self._taken += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._taken > self._most:
            self.complaint = f"a request may hold {self._most} bytes at most"
            raise _TooMuch
        return message


def _with_headers(send: Send) -> Send:
    """`send` that puts `HEADERS` on every answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (k, v) for k, v in message.get("headers", ()) if k.decode("latin-1").lower() not in HEADERS
            ]
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": kept + own}
        await send(message)

    return sending


def _refusal(status: int, why: str, *more: tuple[str, str]) -> _Answer:
    return _Answer(status, json.dumps({"detail": why}).encode() + b"\n", more=more)


async def _give(send: Send, answer: _Answer) -> None:
    headers = [
        ("content-type", answer.kind), ("content-length", str(len(answer.body))), ("connection", "close"),
        *answer.more,
    ]  # fmt: skip
    coded = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": coded})
    await send({"type": "http.response.body", "body": answer.body})
