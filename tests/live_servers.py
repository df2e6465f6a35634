"""Real servers for the live tests: RTSP, MJPEG over HTTP, MQTT. All on 127.0.0.1, all ended for sure."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from media import encode, picture

from realtime.sinks.rolling import EVENT_TYPES
from realtime.types import U8

REQUIRED = "GLIMPSE_REQUIRE_SERVERS"
"""Set where the servers are installed: then a missing one is a failure."""
SYSTEM_PYTHON = "/usr/bin/python3"
PATIENCE_S = 120.0
"""How long anything may take on a machine that is busy; nothing waits so long on one that is not."""


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Ask again and again; gives the first answer that is true."""
    ends_s = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < ends_s, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)
    return answer


def missing(what: str) -> None:
    """Skip the test, or fail where the part must be there."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what} is missing, but {REQUIRED} is set")
    pytest.skip(f"{what} is not installed (see .ci/run)")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Rtsp:
    """The server of `rtsp_server.py`; it can be killed and started again on the same port."""

    def __init__(self, video: Path) -> None:
        self._video = video
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                SYSTEM_PYTHON,
                str(Path(__file__).with_name("rtsp_server.py")),
                str(self._video),
                str(self.port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "GST_DEBUG": "0"},
        )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
        line = self._process.stdout.readline() if readable else "no answer"
        assert line.strip() == str(self.port), line

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def rtsp(video: Path) -> Iterator[Rtsp]:
    try:
        subprocess.run(
            [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"],
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.SubprocessError):
        missing("GStreamer's RTSP server")
    server = Rtsp(video)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Mjpeg:
    """Pictures as `multipart/x-mixed-replace`; each connection plays the next script, the last one again.

    A script is a list of steps: JPEG bytes to send as a picture, a number of seconds to wait, other bytes
    wrapped in `Raw` to send as they are, or `hang`, which says no more but keeps the connection.
    """

    def __init__(self, scripts: Sequence[Sequence[Any]]) -> None:
        self._scripts = list(scripts)
        self.connections = 0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script = outer._scripts[min(outer.connections, len(outer._scripts) - 1)]
                outer.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for step in script:
                        outer._play(self.wfile, step)
                except OSError:
                    pass  # the client has gone

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/video"

    def _play(self, file: Any, step: Any) -> None:
        if step == "hang":
            self.closing.wait()
        elif isinstance(step, Raw):
            file.write(step.data)
        elif isinstance(step, bytes):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(step)}\r\n\r\n"
            file.write(head.encode() + step + b"\r\n")
        else:
            self.closing.wait(step)
        file.flush()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class Raw:
    def __init__(self, data: bytes) -> None:
        self.data = data


@contextmanager
def mjpeg(*scripts: Sequence[Any]) -> Iterator[Mjpeg]:
    server = Mjpeg(scripts)
    try:
        yield server
    finally:
        server.close()


class Mosquitto:
    """A broker that keeps its sessions on disk; it can be killed and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        lines = (
            f"listener {self.port} 127.0.0.1",
            *(settings if "allow_anonymous false" in settings else ("allow_anonymous true", *settings)),
            f"persistence true\npersistence_location {folder}/\nuser root\n",
        )
        self._config.write_text("\n".join(lines))
        self._program = shutil.which(
            "mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self._program is None:
            missing("mosquitto")
        assert self._program is not None
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: answers(self.port), "the broker")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            finally:
                self._process.kill()
                self._process = None


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def mosquitto(folder: Path, *settings: str) -> Iterator[Mosquitto]:
    """`settings`: further lines of its configuration."""
    broker = Mosquitto(folder, *settings)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def pictures(off: threading.Event) -> Iterator[U8]:
    """Until it is switched off."""
    for number in count():
        if off.is_set():
            return
        yield picture(number % 7)


class Encoder:
    """A camera that sends H.264 for as long as it is on: MPEG-TS by UDP, or HLS into a folder."""

    def __init__(self, target: str, form: str, **options: str) -> None:
        self._target, self._form, self._options = target, form, options
        self.start()

    def start(self) -> None:
        self._off = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._off,), daemon=True)
        self._thread.start()

    def _run(self, off: threading.Event) -> None:
        encode(self._target, self._form, pictures(off), pace=True, options=self._options)

    def stop(self) -> None:
        self._off.set()
        self._thread.join(PATIENCE_S)


@contextmanager
def encoder(target: str, form: str, **options: str) -> Iterator[Encoder]:
    camera = Encoder(target, form, **options)
    try:
        yield camera
    finally:
        camera.stop()


@contextmanager
def transport_stream() -> Iterator[str]:
    """MPEG-TS over HTTP, without end and without a stated length; gives its URL."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(OSError):  # the client has gone
                encode(self.wfile, "mpegts", pictures(closing), pace=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/live.ts"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


class Subscriber:
    """Everything that the broker says, over its restarts."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as paho

        self.got: list[tuple[str, bytes, bool]] = []
        self.ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "watcher", clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe("glimpse/#", qos=2)
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.on_message = lambda client, data, message: self.got.append(
            (message.topic, message.payload, message.retain)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def events(self) -> list[str]:
        told = [json.loads(data) for topic, data, _ in self.got if topic == "glimpse/door/events"]
        return [record["id"] for record in told if record["type"] in EVENT_TYPES]

    def last(self, topic: str) -> bytes | None:
        return next((data for name, data, _ in reversed(self.got) if name == topic), None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority of one's own, and key and certificate of 127.0.0.1 signed by it."""
    program = shutil.which("openssl")
    if program is None:
        missing("openssl")
    assert program is not None
    ca, ca_key, key, request, signed, names = (
        folder / name for name in ("ca.pem", "ca.key", "server.key", "server.csr", "server.pem", "names")
    )
    names.write_text("subjectAltName=IP:127.0.0.1")
    new = [program, "req", "-newkey", "rsa:2048", "-nodes"]
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=Test CA", "-keyout", str(ca_key), "-out", str(ca)],
        [*new, "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(request)],
        [
            *(program, "x509", "-req", "-days", "2", "-in", str(request), "-CA", str(ca)),
            *("-CAkey", str(ca_key), "-CAcreateserial", "-extfile", str(names), "-out", str(signed)),
        ],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    return ca, key, signed


def password_file(folder: Path, user: str, password: str) -> Path:
    """A login for mosquitto."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        missing("mosquitto_passwd")
    assert program is not None
    path = folder / "passwords"
    subprocess.run([program, "-c", "-b", str(path), user, password], check=True, timeout=PATIENCE_S)
    return path


def hangs_up_on_drops(port: int) -> bool:
    """Whether a server of this machine ends a connection whose request comes drop by drop, never whole."""
    ends_s = time.monotonic() + PATIENCE_S
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
        while time.monotonic() < ends_s:
            try:
                line.sendall(b"G")
            except OSError:
                return True
            time.sleep(0.02)
    return False
