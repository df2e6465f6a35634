"""Outputs of a live run: each by itself, whole lines, nothing lost while a server is away."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from live_servers import Subscriber, certificates, mosquitto, password_file, until

from realtime.errors import ConfigError, OutputError, UsageError
from realtime.sinks import extras
from realtime.sinks.lsl import LslSettings, LslSink
from realtime.sinks.mqtt import MqttSettings, MqttSink, is_for_mqtt
from realtime.sinks.outlet import Outlet, Refused
from realtime.sinks.records import Record
from realtime.sinks.rolling import CSV_COLUMNS, FileSettings, LiveCsv, LiveJsonLines, RollingFile
from realtime.sinks.webhook import WebhookSettings, WebhookSink

ROOT = Path(__file__).parent.parent


def event(number: int, camera: str = "door") -> Record:
    return {
        "type": "micro_expression",
        "camera": camera,
        "wall_time": "2030-01-01T00:00:00.000Z",
        "id": f"{camera}-{number}",
        "face": 0,
        "onset_s": 1.0 + number,
        "apex_s": 1.1 + number,
        "offset_s": 1.2 + number,
        "duration_ms": 200.0,
        "strength": 5.0,
        "label": "happiness",
        "probabilities": {"happiness": 0.7, "surprise": 0.3},
        "onset_monotonic_s": time.monotonic() - 0.5,
    }


def status(state: str = "running") -> Record:
    return {"type": "status", "camera": "door", "state": state}


class Flaky:
    """Fails as told, keeps what it got."""

    name = "flaky"

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.got: list[Record] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self) -> None:
        pass

    def write(self, record: Record) -> None:
        self.gate.wait(60)
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(record)

    def close(self) -> None:
        self.got.append({"type": "closed"})


def ids(records: list[Record]) -> list[str]:
    return [record["id"] for record in records if "id" in record]


def test_a_record_that_fails_comes_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.outlet._PAUSE_S", 0.01)
    sink = Flaky(OutputError("away"), RuntimeError("a fault of its own"), OutputError("away"))
    outlet = Outlet(sink)
    outlet.open()
    for number in range(3):
        outlet.put(event(number))
    until(lambda: outlet.delivered == 3, "delivery")
    outlet.close(10.0)
    assert ids(sink.got) == ["door-0", "door-1", "door-2"]
    assert sink.got[-1] == {"type": "closed"}
    assert (outlet.failures, outlet.lost) == (3, 0)


def test_what_is_refused_is_left_out() -> None:
    sink = Flaky(Refused("no"))
    outlet = Outlet(sink)
    outlet.open()
    outlet.put(event(0))
    outlet.put(event(1))
    outlet.close(10.0)
    assert ids(sink.got) == ["door-1"]
    assert (outlet.refused, outlet.lost) == (1, 0)


def test_a_sink_that_hangs_holds_up_nothing_and_its_store_is_bounded() -> None:
    sink = Flaky()
    sink.gate.clear()
    outlet = Outlet(sink, store=5, wants=lambda record: record["type"] != "status")
    outlet.open()
    for number in range(20):
        outlet.put(event(number))
        outlet.put(status())
    assert outlet.waiting == 5
    assert outlet.lost >= 14
    sink.gate.set()
    outlet.close(10.0)
    assert ids(sink.got)[-5:] == [f"door-{number}" for number in range(15, 20)]


def test_json_lines_are_appended_and_files_roll(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"old"}\n{"type":"torn')
    sink = LiveJsonLines(FileSettings(str(path), rotate_mb=0.001, keep=2))
    sink.open()
    for number in range(30):
        sink.write(event(number))
    sink.close()
    files = [path, Path(f"{path}.1"), Path(f"{path}.2")]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    newest_first = [json.loads(line) for file in files for line in reversed(file.read_bytes().splitlines())]
    numbers = [int(record["id"].split("-")[1]) for record in newest_first]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == 29


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"old"}\n' + b"x" * 100_000)
    file = RollingFile(FileSettings(str(path)))
    file.append(b"new\n")
    file.close()
    assert path.read_bytes() == b'{"type":"old"}\nnew\n'


def test_a_film_named_by_mistake_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x20ftyp" + bytes(1000))
    for sink in (LiveJsonLines(FileSettings(str(path))), LiveCsv(FileSettings(str(path)))):
        with pytest.raises(OutputError, match="holds something else"):
            sink.open()
    assert path.stat().st_size == 1008


def test_a_file_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    first, second = (LiveJsonLines(FileSettings(str(tmp_path / "events.jsonl"))) for _ in range(2))
    first.open()
    with pytest.raises(OutputError, match="another run is writing it"):
        second.open()
    first.write(event(1))
    first.close()
    second.write(event(2))
    second.close()
    assert len((tmp_path / "events.jsonl").read_bytes().splitlines()) == 2


def test_settings_named_by_mistake_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"cameras": {"door": "0"}}')
    with pytest.raises(OutputError, match="holds something else"):
        LiveJsonLines(FileSettings(str(path))).open()
    assert path.read_text() == '{"cameras": {"door": "0"}}'


def test_a_file_that_cannot_roll_over_takes_no_line_twice(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    (tmp_path / "events.jsonl.1").mkdir()
    (tmp_path / "events.jsonl.1" / "full").touch()
    sink = LiveJsonLines(FileSettings(str(path), rotate_mb=0.001, keep=1))
    for number in range(30):
        sink.write(event(number))
    sink.close()
    ids = [json.loads(line)["id"] for line in path.read_bytes().splitlines()]
    assert len(ids) == len(set(ids)) == 30


def test_a_folder_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=tmp_path.name):
        LiveJsonLines(FileSettings(str(tmp_path))).open()


def test_the_table_of_events(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    for number in range(2):  # a second run goes on in the same file
        sink = LiveCsv(FileSettings(str(path)))
        sink.open()
        sink.write(status())
        sink.write(event(number))
        sink.close()
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["id"] for row in rows] == ["door-0", "door-1"]
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert (rows[0]["probability"], rows[0]["onset_wall_time"]) == ("0.7", "")


FLOOD = """
import sys
from realtime.sinks.outlet import Outlet
from realtime.sinks.rolling import FileSettings, LiveJsonLines
outlet = Outlet(LiveJsonLines(FileSettings(sys.argv[1], rotate_mb=0.2, keep=3)), store=100)
outlet.open()
number = 0
while True:
    outlet.put({"type": "micro_expression", "number": number, "filling": "x" * (number % 5000)})
    number += 1
"""


def test_a_kill_while_it_writes_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", FLOOD, str(path)], cwd=ROOT)
        try:
            before = path.stat().st_mtime_ns if path.exists() else 0
            until(lambda b=before: path.exists() and path.stat().st_mtime_ns > b, "the file to grow")
            time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for file in tmp_path.iterdir():
            data = file.read_bytes()
            assert data.endswith(b"\n") or not data, "a file may have just been begun"
            for line in data.splitlines():
                json.loads(line)


TO_STDOUT = """
import os, sys
from realtime.sinks.outlet import Outlet
from realtime.sinks.rolling import FileSettings, LiveJsonLines
sink = LiveJsonLines(FileSettings())
outlet = Outlet(sink, store=100_000)
outlet.open()
for number in range(int(sys.argv[1])):
    outlet.put({"type": "micro_expression", "number": number, "filling": "x" * 3000})
outlet.close(float(sys.argv[2]))
sys.stderr.write(str(outlet.delivered))
"""


def test_standard_output_on_a_full_disk_has_whole_lines_once(tmp_path: Path) -> None:
    """A limit on the size of files fails in the midst of a line as a full disk does; it is lifted later."""
    path = tmp_path / "out"
    limited = (
        "import resource, signal, threading\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "lift = (resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "threading.Timer(2.5, resource.setrlimit, lift).start()\n"
    )
    for mode in ("wb", "ab"):
        with path.open(mode) as file:
            command = [sys.executable, "-c", limited + TO_STDOUT, "60", "30"]
            done = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.PIPE, timeout=120)
        assert done.returncode == 0, done.stderr
        lines = path.read_bytes().splitlines(keepends=True)
        assert [json.loads(line)["number"] for line in lines] == list(range(60))
        path.unlink()


def test_standard_output_that_does_not_block_has_whole_lines_once() -> None:
    """A pipe that its reader has made non-blocking takes half a line when it is full."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    command = [sys.executable, "-c", TO_STDOUT, "60", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=into, stderr=subprocess.PIPE) as process:
        os.close(into)
        time.sleep(1.0)
        with os.fdopen(out, "rb") as file:
            numbers = [json.loads(line)["number"] for line in file]
    assert process.returncode == 0
    assert numbers == list(range(60))


def test_a_named_pipe_gets_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    sink = LiveJsonLines(FileSettings(str(path)))
    try:
        sink.open()
        for number in range(10):
            sink.write(event(number))
        assert ids([json.loads(line) for line in os.read(reader, 65536).splitlines()]) == [
            f"door-{number}" for number in range(10)
        ]
    finally:
        sink.close()
        os.close(reader)


class Listener:
    """A web server that answers as told, then with 200."""

    def __init__(self, *answers: int) -> None:
        self.got: list[tuple[str, dict[str, Any], str | None]] = []
        left = list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.got.append((self.headers["Idempotency-Key"], body, self.headers.get("Authorization")))
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?token=s3cret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    server = Listener(*getattr(request, "param", ()))
    yield server
    server.close()


@pytest.mark.parametrize("listener", [(503, 500)], indirect=True)
def test_the_webhook_tries_again_with_the_same_key(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.sinks.outlet._PAUSE_S", 0.01)
    sink = WebhookSink(WebhookSettings(listener.url, authorization="Bearer x"))
    assert "s3cret" not in sink.name
    outlet = Outlet(sink)
    outlet.open()
    outlet.put(event(0))
    outlet.put(event(1))
    until(lambda: outlet.delivered == 2, "delivery")
    outlet.close(10.0)
    assert [key for key, _, _ in listener.got] == ["door-0"] * 3 + ["door-1"]
    assert listener.got[0][1]["label"] == "happiness"
    assert listener.got[0][2] == "Bearer x"


@pytest.mark.parametrize("listener", [(404, 503, 503)], indirect=True)
def test_the_webhook_gives_up(listener: Listener) -> None:
    sink = WebhookSink(WebhookSettings(listener.url, attempts=2))
    sink.open()
    with pytest.raises(Refused, match="404"):
        sink.write(event(0))
    record = event(1)
    with pytest.raises(OutputError, match="503"):
        sink.write(record)
    with pytest.raises(Refused, match="given up"):
        sink.write(record)
    sink.write(event(2))
    sink.close()


def test_a_webhook_that_cannot_be_reached() -> None:
    sink = WebhookSink(WebhookSettings("http://127.0.0.1:9/secret-path"))
    sink.open()
    with pytest.raises(OutputError) as caught:
        sink.write(event(0))
    assert "secret-path" not in str(caught.value)


def test_mqtt_over_a_restart_of_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.outlet._PAUSE_S", 0.1)
    with mosquitto(tmp_path) as broker:
        watcher = Subscriber(broker.port)
        outlet = Outlet(MqttSink(MqttSettings(broker.url)), wants=is_for_mqtt)
        try:
            until(watcher.ready.is_set, "the subscription")
            outlet.open()
            outlet.put(status())
            outlet.put({"type": "stream", "camera": "door"})
            outlet.put(event(0))
            until(lambda: watcher.events() == ["door-0"], "the first event")
            assert watcher.last("glimpse/available") == b"online"
            assert json.loads(watcher.last("glimpse/door/status") or b"")["state"] == "running"
            broker.stop()
            for number in range(1, 6):
                outlet.put(event(number))
            until(lambda: outlet.failures > 0, "the sink to notice")
            assert outlet.waiting == 5
            broker.start()
            until(lambda: len(watcher.events()) >= 6, "the events that were kept")
            outlet.close(20.0)
            until(lambda: watcher.last("glimpse/available") == b"offline", "the farewell")
            assert watcher.events() == [f"door-{number}" for number in range(6)], "each once, in order"
            assert (outlet.lost, outlet.waiting) == (0, 0)
        finally:
            outlet.close(0.1)
            watcher.close()


def test_mqtt_messages_that_are_refused_are_counted_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An access list that lets this client say how it is, but not what it sees."""
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite glimpse/available\ntopic readwrite glimpse/+/status\n")
    acl.chmod(0o600)
    for qos in (2, 1):
        with mosquitto(tmp_path, f"acl_file {acl}") as broker:
            outlet = Outlet(MqttSink(MqttSettings(broker.url, qos=qos)), wants=is_for_mqtt)
            caplog.clear()
            outlet.open()
            for number in range(3):
                outlet.put(event(number))
            outlet.put(status())
            until(lambda o=outlet: o.delivered, "the status")
            outlet.close(10.0)
        assert (outlet.delivered, outlet.refused, outlet.lost, outlet.waiting) == (1, 3, 0, 0)
        told = [text for text in caplog.messages if "Not authorized" in text]
        assert len(told) == 1
        assert "glimpse/door/events" in told[0]
        assert "3 records were refused" in caplog.messages[-1]


# paho-mqtt leaves the socket of a handshake that fails to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mqtt_over_tls_with_a_login(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ca, key, signed = certificates(tmp_path)
    lines = (
        "allow_anonymous false",
        f"password_file {password_file(tmp_path, 'glimpse', 'pa55word')}",
        f"cafile {ca}\nkeyfile {key}\ncertfile {signed}",
    )
    with mosquitto(tmp_path, *lines) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        good = MqttSettings(url, "glimpse", "pa55word", str(ca))
        for settings, trouble in (
            (good, None),
            (replace(good, password="wr0ng"), "Not authorized"),
            (replace(good, ca=""), "certificate"),
        ):
            caplog.clear()
            outlet = Outlet(MqttSink(settings), wants=is_for_mqtt)
            outlet.open()
            outlet.put(event(0))
            if trouble is None:
                until(lambda o=outlet: o.delivered, "delivery")
            else:
                until(lambda t=trouble: any(t in text for text in caplog.messages), trouble)
            outlet.close(5.0 if trouble is None else 0.1)
            assert outlet.delivered == (trouble is None)
            assert "pa55word" not in caplog.text
            assert "wr0ng" not in caplog.text


ONLINE = """
import sys, time
from realtime.sinks.mqtt import MqttSettings, MqttSink
sink = MqttSink(MqttSettings(sys.argv[1]))
sink.open()
time.sleep(600)
"""


def test_mqtt_last_will_after_a_kill(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        watcher = Subscriber(broker.port)
        process = subprocess.Popen([sys.executable, "-c", ONLINE, broker.url], cwd=ROOT)
        try:
            until(lambda: watcher.last("glimpse/available") == b"online", "the process to be online")
            process.send_signal(signal.SIGKILL)
            until(lambda: watcher.last("glimpse/available") == b"offline", "its last will")
        finally:
            process.kill()
            process.wait()
            watcher.close()


def test_lsl_markers_carry_the_time_of_the_onset(tmp_path: Path) -> None:
    """In a process of its own, which keeps LSL's threads and multicast to this machine."""
    (tmp_path / "lsl_api.cfg").write_text(
        "[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n[log]\nlevel = -3\n"
    )
    script = """
import json, sys, time, uuid
import pylsl
from realtime.sinks.lsl import LslSettings, LslSink
name = "test-" + uuid.uuid4().hex[:8]
sink = LslSink(LslSettings(name))
sink.open()
sink.write({"type": "status", "camera": "door", "state": "running"})
found = pylsl.resolve_byprop("name", name + "-door", timeout=60)
inlet = pylsl.StreamInlet(found[0])
inlet.open_stream(timeout=60)
onset_s = time.monotonic() - 2.0
expected_s = pylsl.local_clock() - 2.0
sink.write({"type": "micro_expression", "camera": "door", "id": "e1", "onset_monotonic_s": onset_s})
(text,), stamp_s = inlet.pull_sample(timeout=60)
print(json.dumps([found[0].type(), json.loads(text)["id"], abs(stamp_s - expected_s) < 0.5]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "LSLAPICFG": str(tmp_path / "lsl_api.cfg")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["Markers", "e1", True]


def test_lsl_markers_arrive_though_the_run_ends(tmp_path: Path) -> None:
    (tmp_path / "lsl_api.cfg").write_text(
        "[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n[log]\nlevel = -3\n"
    )
    reader = """
import json, sys, pylsl
found = pylsl.resolve_byprop("name", sys.argv[1], timeout=60)
inlet = pylsl.StreamInlet(found[0], recover=False)
inlet.open_stream(timeout=60)
print("open", flush=True)
count = 0
try:
    while True:
        text, _ = inlet.pull_sample(timeout=20)
        if text is None:
            break
        count += 1
        if count == 200:
            break
except pylsl.util.LostError:
    pass
print(count, flush=True)
"""
    writer = """
import sys, time
from realtime.sinks.lsl import LslSettings, LslSink
sink = LslSink(LslSettings(sys.argv[1]))
sink.open()
sink.write({"type": "status", "camera": "door", "state": "running"})
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    sink.write({"camera": "door", "id": number, "onset_monotonic_s": time.monotonic(), "x": "x" * 5000})
sink.close()
import os
os._exit(0)
"""
    name = f"last-{os.getpid()}"
    options: dict[str, Any] = {
        "cwd": ROOT,
        "env": {**os.environ, "LSLAPICFG": str(tmp_path / "lsl_api.cfg")},
        "stdout": subprocess.PIPE,
        "text": True,
    }
    with (
        subprocess.Popen([sys.executable, "-c", writer, name], stdin=subprocess.PIPE, **options) as source,
        subprocess.Popen([sys.executable, "-c", reader, f"{name}-door"], **options) as target,
    ):
        assert source.stdout is not None
        assert target.stdout is not None
        assert source.stdin is not None
        assert source.stdout.readline() == "ready\n"
        assert target.stdout.readline() == "open\n"
        source.stdin.write("\n")
        source.stdin.flush()
        assert target.stdout.readline() == "200\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("paho.mqtt.client", "urllib3", "pylsl"):
        monkeypatch.setitem(sys.modules, name, None)
    for make, extra in (
        (lambda: MqttSink(MqttSettings("mqtt://x")), "live"),
        (lambda: WebhookSink(WebhookSettings("http://x")), "live"),
        (lambda: LslSink(LslSettings()), "lsl"),
    ):
        with pytest.raises(UsageError, match=rf"'\.\[{extra}\]'"):
            make()
    with pytest.raises(UsageError, match="nonesuch"):
        extras.load("nonesuch", "nothing", "nonesuch")


@pytest.mark.parametrize(
    "make",
    [
        lambda: MqttSettings("http://broker"),
        lambda: MqttSettings("mqtt://user:pa55@"),
        lambda: MqttSettings("mqtt://broker:99999"),
        lambda: MqttSettings("mqtt://broker", qos=0),
        lambda: MqttSettings("mqtt://broker", prefix="a/#"),
        lambda: WebhookSettings("ftp://server"),
        lambda: WebhookSettings("https://server", attempts=0),
        lambda: WebhookSettings("https://server:99999"),
        lambda: WebhookSettings("https://user:pa55@[server"),
        lambda: WebhookSettings("https://server", authorization="Bearer\npa55"),
        lambda: MqttSettings("mqtt://user:pa55@[broker"),
        lambda: MqttSettings("user:pa55@broker"),
        lambda: FileSettings("x", keep=-1),
        lambda: FileSettings(""),
        lambda: LslSettings(""),
    ],
)
def test_wrong_settings_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert "pa55" not in str(caught.value)
