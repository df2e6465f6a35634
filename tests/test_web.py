"""Who may see a page of this machine, and what may be sent to it: the rules, and a server that has them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_servers import PATIENCE_S, hangs_up_on_drops
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from realtime.errors import ConfigError, OutputError, UsageError
from realtime.sinks import extras
from realtime.web import access as rules
from realtime.web import guard as guarding
from realtime.web import server as serving
from realtime.web.access import Access, address, is_loopback, is_own_page
from realtime.web.assets import asset
from realtime.web.server import Server, load, make_app

TOKEN = "a token of some length"
OTHERS = "0.0.0.0"
Answer = tuple[int, Mapping[str, str], bytes]


def app() -> Any:
    made = make_app("a page", "--web")

    @made.get("/")
    def page() -> dict[str, str]:
        return {"who": "you"}

    @made.post("/change")
    def change(body: dict[str, str]) -> dict[str, str]:
        return body

    from fastapi import WebSocket

    async def talk(socket: Any) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    talk.__annotations__["socket"] = WebSocket
    made.websocket("/talk")(talk)
    return made


@contextmanager
def served(host: str = "127.0.0.1", token: str = "", **limits: int) -> Iterator[Server]:
    server = Server(app(), Access.of(host, token), 0, "--web", **limits)
    try:
        yield server
    finally:
        server.close()


def ask(
    server: Server, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
) -> Answer:
    """An answer; header names are given with `_` for `-`. Without a Host, the one that leads there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        named = {"host": f"127.0.0.1:{server.port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def local() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    with served(OTHERS, TOKEN) as server:
        yield server


def test_an_address_of_the_machine_itself_needs_no_token_and_any_other_does() -> None:
    for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost", "LocalHost"):
        assert is_loopback(host)
        assert Access.of(host).token == ""
    for host in ("0.0.0.0", "::", "10.0.0.5", "localhost.example", "127.0.0.1.example", ""):
        assert not is_loopback(host)
        assert len(Access.of(host).token) >= 32
        assert Access.of(host).token != Access.of(host).token
        with pytest.raises(ConfigError, match="token"):
            Access(host)
    with pytest.raises(ConfigError, match="16 characters"):
        Access.of(OTHERS, "short")
    assert TOKEN not in repr(Access.of(OTHERS, TOKEN))


@pytest.mark.parametrize(
    ("text", "parts"),
    [("80", ("127.0.0.1", 80)), (":80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("a.b:9", ("a.b", 9))],
)
def test_an_address_is_a_port_or_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert address(text) == parts


@pytest.mark.parametrize("text", ["", "host", "host:", "1:65536", "1:-1", "1:²", "65536", "٣", "9" * 5000])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        address(text)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("localhost", True),
        ("localhost:9000", True),  # forwarded from another machine's port
        ("127.0.0.1:80", True),
        ("[::1]:80", True),
        ("evil.example", False),
        ("localhost.evil.example:80", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example/localhost", False),
        ("localhost:x", False),
        ("192.168.0.7", False),
        ("", False),
        ("\n", False),
    ],
)
def test_names_that_only_lead_here_are_refused(header: str, known: bool) -> None:
    assert Access.of("127.0.0.1").knows_host(header) is known


def test_behind_a_token_any_name_will_do() -> None:
    assert Access.of("10.0.0.5", TOKEN).knows_host("lab-pc.example:80")
    assert not Access.of("10.0.0.5", TOKEN).knows_host("user@lab-pc.example")


def test_a_page_of_ones_own_is_one_of_the_very_same_host_and_port() -> None:
    assert is_own_page("http://localhost:80", "localhost:80")
    assert is_own_page("https://LOCALHOST:80", "localhost:80")
    for origin in (
        *(
            "null",
            "",
            None,
            "http://localhost",
            "http://localhost:81",
            "http://evil.example",
            "//localhost:80",
        ),
        *("file://localhost:80", "http://localhost:80.evil.example", "http://[", "http://x@localhost:80"),
    ):
        assert not is_own_page(origin, "localhost:80")


@settings(max_examples=50)
@given(st.text())
def test_only_the_token_opens(text: str) -> None:
    access = Access.of(OTHERS, TOKEN)
    assert access.opens(text) is (text == TOKEN)
    assert access.lets_in({"cookie": f"x=1; glimpse={text}"}, "glimpse") is False
    assert access.lets_in({"authorization": f"Basic {text}"}) is False
    is_own_page(text, text)
    access.knows_host(text)
    Access.of("127.0.0.1").knows_host(text)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    original = rules.hmac.compare_digest
    monkeypatch.setattr(rules.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or original(a, b))
    access, other = Access.of(OTHERS, TOKEN), Access.of(OTHERS, TOKEN)
    assert access.lets_in({"authorization": f"bearer {TOKEN}"})
    assert access.lets_in({"cookie": f"glimpse={access.cookie}"}, "glimpse")
    assert not access.lets_in({"authorization": "Bearer x"})
    assert len(compared) == 3
    assert TOKEN not in access.cookie
    assert access.cookie != other.cookie, "no cookie outlives its process"


def test_every_answer_forbids_what_a_page_does_not_need(local: Server) -> None:
    for path, method, code in (
        ("/", "GET", 200),
        ("/nothing", "GET", 404),
        ("/", "PUT", 403),
        ("/talk", "GET", 404),
    ):
        status, headers, _ = ask(local, path, method)
        assert status == code
        for name, value in guarding.HEADERS.items():
            assert headers[name] == value
        assert "unsafe" not in headers["content-security-policy"]
        assert "server" not in headers


def test_a_strange_host_is_told_nothing(local: Server) -> None:
    status, _, body = ask(local, host="evil.example")
    assert (status, b"you" in body) == (421, False)


def test_only_the_servers_own_page_changes_anything(local: Server, guarded: Server) -> None:
    change = json.dumps({"a": "b"}).encode()
    kind = {"content_type": "application/json"}
    own = f"http://127.0.0.1:{local.port}"
    assert ask(local, "/change", "POST", change, **kind)[0] == 403
    assert ask(local, "/change", "POST", change, origin="http://evil.example", **kind)[0] == 403
    assert ask(local, "/change", "POST", change, origin="null", **kind)[0] == 403
    assert ask(local, "/change", "POST", change, origin=own, **kind)[::2] == (200, b'{"a":"b"}')
    assert ask(guarded, "/change", "POST", change, authorization=f"Bearer {TOKEN}", **kind)[0] == 200


def test_a_token_is_needed_comes_once_and_stays_as_a_cookie(guarded: Server) -> None:
    assert ask(guarded)[0] == 401
    for wrong in ("x", "", TOKEN + "x"):
        status, headers, _ = ask(guarded, "/?token=" + wrong.replace(" ", "+"))
        assert (status, "set-cookie" in headers) == (401, False)
    assert ask(guarded, "/nothing")[0] == 401, "strangers do not learn what there is"
    status, headers, page = ask(guarded, "/?token=" + TOKEN.replace(" ", "+"))
    assert status == 200
    assert b"url=/" in page
    assert b"who" not in page
    kept, *rules_of_it = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rules_of_it)
    assert TOKEN not in kept
    assert ask(guarded, cookie=kept)[0] == 200
    assert ask(guarded, cookie=kept[:-1])[0] == 401
    assert ask(guarded, "/change", "POST", b"{}", cookie=kept)[0] == 403, "a cookie alone changes nothing"
    assert guarded.url_with_token.endswith(f"?token={TOKEN}")
    assert TOKEN not in guarded.url


def test_a_websocket_has_to_come_from_the_servers_own_page(local: Server, guarded: Server) -> None:
    for server, headers in (
        (local, {}),
        (local, {"origin": "http://evil.example"}),
        (guarded, {"origin": "http://127.0.0.1:{port}"}),
        (guarded, {"origin": "http://evil.example", "cookie": "{cookie}"}),
        (local, {"origin": "http://evil.example", "host": "evil.example"}),
    ):
        with pytest.raises(InvalidStatus) as refused, socket_of(server, **headers):
            pass
        assert refused.value.response.status_code == 403
    for server, headers in (
        (local, {"origin": "http://127.0.0.1:{port}"}),
        (guarded, {"origin": "http://127.0.0.1:{port}", "cookie": "{cookie}"}),
        (guarded, {"authorization": f"Bearer {TOKEN}"}),
    ):
        with socket_of(server, **headers) as talk:
            talk.send("hello")
            assert talk.recv(PATIENCE_S) == "hello"


def socket_of(server: Server, **headers: str) -> Any:
    cookie = ask(server, f"/?token={TOKEN.replace(' ', '+')}")[1].get("set-cookie", "").partition(";")[0]
    given_ = {name: value.format(port=server.port, cookie=cookie) for name, value in headers.items()}
    plain = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
    host = given_.pop("host", f"127.0.0.1:{server.port}")
    return connect(f"ws://{host}/talk", sock=plain, additional_headers=given_, open_timeout=PATIENCE_S)


def test_a_websocket_takes_no_long_messages_and_there_are_not_too_many() -> None:
    with served() as server:
        origin = {"origin": f"http://127.0.0.1:{server.port}"}
        with ExitStack() as held:
            open_ = [held.enter_context(socket_of(server, **origin)) for _ in range(16)]
            with pytest.raises(InvalidStatus), socket_of(server, **origin):
                pass
            open_[0].send("x" * 70_000)
            with pytest.raises(ConnectionClosedError):
                open_[0].recv(PATIENCE_S)
            assert open_[0].close_code == 1009


def test_large_requests_are_refused_however_they_come(local: Server) -> None:
    """Nothing is sent that is not read: what is left lying when the server hangs up may cost its answer."""
    head = (
        b"POST /change HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        b"Content-Type: application/json\r\n"
    )
    assert b" 413 " in raw(local, head + b"Content-Length: 65537\r\n\r\n")[:40]
    assert b" 400 " in raw(local, head + b"Content-Length: 1e9\r\n\r\n")[:40]
    chunk = b"%x\r\n" % 65_537 + b" " * 65_537
    assert b" 413 " in raw(local, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)[:40]
    assert b" 400 " in raw(local, b"GET /" + b"x" * 17_000)[:40]
    assert b" 421 " in raw(local, b"GET / HTTP/1.0\r\n\r\n")[:40]
    assert ask(local)[0] == 200


def raw(server: Server, request: bytes) -> bytes:
    """What comes back until the server hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as line:
        line.sendall(request)
        try:
            while piece := line.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
_POST = b"POST /change HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\0evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil@localhost\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        _GET + b"Host: evil.example\r\n\r\n",
        _GET + b"Authorization: Bearer \xff\xfe\r\n\r\n",
        _GET + b"Authorization: Bearer " + TOKEN.encode() + b"\r\nAuthorization: Bearer x\r\n\r\n",
        _GET + b"Cookie: =; ;;\xff=\xff\r\n\r\n",
        _GET.replace(b"/ ", b"/?token=%00 ", 1) + b"\r\n",
        _GET.replace(b"/ ", b"/?token=" + b"a" * 12_000 + b" ", 1) + b"\r\n",
        _GET.replace(b"/ ", b"/?" + b"a=1&" * 99 + b"token=%C3%A9 ", 1) + b"\r\n",
        _POST + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\n" + b"x" * 9,
        _POST + b"Content-Length: +4\r\n\r\nxxxx",
        _POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx",
        _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + _GET + b"\r\n",
    ],
)
def test_odd_requests_do_not_get_past_the_token(guarded: Server, request_: bytes) -> None:
    """Nor does a second one that hides in the first."""
    answer = raw(guarded, request_)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer[9:12] in (b"400", b"401", b"421")


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_HEAD_S", 1.0)
    monkeypatch.setattr(guarding, "_BODY_S", 1.0)
    with served() as server:
        assert raw(server, b"") == b""
        assert raw(server, b"GET / HTTP/1.1\r\nHost:") == b""
        assert hangs_up_on_drops(server.port)
        head = b"POST /change HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        head += b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        assert b" 413 " in raw(server, head + b"{")[:40]
        with socket_of(server, origin="http://127.0.0.1:{port}") as talk:
            with pytest.raises(TimeoutError):
                talk.recv(1.5)
            talk.send("still here")
            assert talk.recv(PATIENCE_S) == "still here"


def test_connections_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_MOST_CONNECTIONS", 3)
    with served() as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        assert ask(server)[0] == 503
        for line in held:
            line.close()
        status = 503
        for _ in range(100):
            if (status := ask(server)[0]) == 200:
                break
        assert status == 200


def test_a_page_without_an_icon_is_no_error(local: Server) -> None:
    assert ask(local, "/favicon.ico")[::2] == (204, b"")


def test_no_path_leads_out(local: Server) -> None:
    for path in (
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/..%5c..%5cetc",
        "//etc/passwd",
        "/docs",
        "/redoc",
    ):
        assert ask(local, path)[0] == 404
    assert ask(local, "/" + "9" * 5000)[0] == 414
    with pytest.raises(FileNotFoundError):
        asset("realtime", "none.css")


def test_an_address_that_cannot_be_used_is_named(local: Server) -> None:
    with pytest.raises(
        OutputError, match=rf"--web 127\.0\.0\.1:{local.port}: cannot be used: Address already"
    ):
        Server(app(), Access.of("127.0.0.1"), local.port, "--web")
    with pytest.raises(OutputError, match=r"--web 203\.0\.113\.9:1: cannot be used"):
        Server(app(), Access.of("203.0.113.9"), 1, "--web")


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    load("--web")

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"--web needs an extra: .*\[web\]"):
        load("--web")
