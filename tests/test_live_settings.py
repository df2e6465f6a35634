"""Settings of a live run, and credentials kept out of everything."""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from live_servers import hangs_up_on_drops

import realtime.cli
from realtime.errors import ConfigError, OutputError, SourceError, UsageError
from realtime.live import command, metrics
from realtime.live.camera import policy_of
from realtime.live.camera_process import RENEW, CameraProcess, Exit
from realtime.live.camera_sink import CameraSink
from realtime.live.fleet import Fleet
from realtime.live.gauges import LATENCY_BUCKETS_S, Gauges
from realtime.live.metrics import MetricsServer
from realtime.live.outlets import make_outlets
from realtime.live.settings import (
    CameraSettings,
    LiveSettings,
    OutputSettings,
    default_name,
    load_live,
    parse_live,
)
from realtime.live.supervisor import Supervisor
from realtime.redaction import Redactor, secrets_of, shown_url, without_credentials
from realtime.sinks.outlet import Outlet
from realtime.sinks.rolling import FileSettings, LiveJsonLines
from realtime.sources.stream_status import StreamStatus
from realtime.types import FrameRow
from realtime.web.access import Listen

URL = "rtsp://admin:hunter2@10.0.0.5:554/stream"


def settings(*arguments: str) -> LiveSettings:
    return command._settings(realtime.cli.build_parser().parse_args(["live", *arguments]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, "rtsp://10.0.0.5:554/stream"),
        ("cannot open rtsp://user:p@ss@host/x now", "cannot open rtsp://host/x now"),
        ("rtsp://user:pa/ss@host/x", "rtsp://host/x"),
        (
            "http://host/video?user=me&password=hunter2&size=2",
            "http://host/video?user=***&password=***&size=2",
        ),
        ("see http://host/a?sid=abc, x=y and a?b=c", "see http://host/a?sid=*** x=y and a?b=c"),
        ("http://host/a?x=1;api_token=abc", "http://host/a?x=1;api_token=***"),
        ("mqtts://u@broker:8883", "mqtts://broker:8883"),
        ("see ://u:p@host/x", "see ://host/x"),
        ("http://cam/x?token=pa@55&y=1", "http://***&y=1"),
        ("http://u:pa?token=5@cam/x&y=1", "http://***&y=1"),
        ("plain text, a@b.example and no URL", "plain text, a@b.example and no URL"),
    ],
)
def test_urls_are_shown_without_credentials(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    ("url", "shown", "secret"),
    [
        ('rtsp://admin:pa"55@cam/1', "rtsp://cam/1", 'pa"55'),
        ("rtsp://admin:it's 55@cam/1", "rtsp://cam/1", "it's 55"),
        ("rtsp:/admin:pa55@cam/1", "rtsp:/cam/1", "pa55"),
        ("admin:pa55@cam", "cam", "pa55"),
        ('http://cam/1?x=1&pwd=a"b', "http://cam/1?x=1&pwd=***", 'a"b'),
        ("rtsp://cam/user=me_password=pa55_channel=1", "rtsp://cam/user=***", "me_password=pa55_channel=1"),
        ("rtsp://cam/ch1_password=pa55&x=1", "rtsp://cam/ch1_password=***&x=1", "pa55"),
        ("http://cam/x?token=pa@55&y=1", "http://***&y=1", "pa@55"),
        ("://admin:pa55@cam", "://cam", "pa55"),
        ("//admin:pa55@cam/1", "//cam/1", "pa55"),
        ("http://cam/1?to%6ben=pa55word", "http://cam/1?to%6ben=***", "pa55word"),
        ("http://cam/1?sid=pa55word#jwt=x", "http://cam/1?sid=***#jwt=***", "pa55word"),
        ("http://cam/1?pa55word&x=1&=pa55word", "http://cam/1?***&x=1&=***", "pa55word"),
        ("http://cam/1#token=pa55", "http://cam/1#token=***", "pa55"),
        ("http://cam/1?size=640x480&channel=2&q=90", "http://cam/1?size=640x480&channel=2&q=90", None),
        ("films/me@home.mp4", "films/me@home.mp4", None),
    ],
)
def test_a_whole_url_is_shown_without_credentials(url: str, shown: str, secret: str | None) -> None:
    assert shown_url(url) == CameraSettings(url).shown_source == shown
    assert secret in secrets_of(url) if secret else not secrets_of(url)


def test_secrets_that_overlap_are_all_hidden() -> None:
    assert Redactor(["one-two", "two-three"])("see one-two-three.") == "see ******."
    assert Redactor(["aXa"])("aXaXa") == "***Xa"


def test_secrets_are_hidden_as_others_write_them() -> None:
    secret = "pä\ts/5 5'\""
    for text in (secret, repr(secret), json.dumps(secret), quote(secret), quote(secret, safe="")):
        assert Redactor([secret])(text).strip("'\"") == "***"
    assert Redactor(["it's 55"])(repr("\"it's 55")) == "'\"***'", "Python escapes one of two kinds of quotes"


@pytest.mark.parametrize(
    "data",
    [
        {"cameras": {"door": "rtsp:/admin:{PASS}@cam"}},
        {"cameras": {"door": {"source": "0", "rtsp_transport": "{PASS}"}}},
        {"cameras": {"door": 0}, "outputs": {"mqtt": "user:{PASS}@broker"}},
        {"cameras": {"door": 0}, "outputs": {"mqtt": "mqtt://user:{PASS}@[broker"}},
        {"cameras": {"door": 0}, "outputs": {"webhook": "https://user:{PASS}@[server"}},
        {"cameras": {"door": 0}, "outputs": {"webhook": {"url": "https://s", "authorization": "x\n{PASS}"}}},
    ],
)
def test_wrong_settings_do_not_show_a_secret(data: Any) -> None:
    with pytest.raises((ConfigError, SourceError)) as caught:
        parse_live(data, "cameras.yaml", {"PASS": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    redact = Redactor(["hunter2", "p@ss word"])
    assert redact("[tcp] failed: hunter2 p%40ss%20word p@ss word") == "[tcp] failed: *** *** ***"
    assert Redactor()("nothing to hide") == "nothing to hide"
    assert set(secrets_of("rtsp://me:a%40b@host/?key=k1")) == {"me:a%40b", "me:a@b", "a%40b", "a@b", "k1"}


def test_the_log_is_guarded(caplog: pytest.LogCaptureFixture) -> None:
    root, handler = logging.getLogger(), logging.Handler()
    seen: list[str] = []
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(handler)
    others = [(one, list(one.filters)) for one in root.handlers]
    try:
        Redactor(["hunter2"]).guard_log()
        logging.getLogger("somebody.else").warning("GET %s failed: %s", URL, "hunter2")
    finally:
        root.removeHandler(handler)
        for one, filters in others:
            one.filters[:] = filters
    assert seen == ["GET rtsp://10.0.0.5:554/stream failed: ***"]


def test_what_libraries_print_is_cleaned(caplog: pytest.LogCaptureFixture) -> None:
    """As FFmpeg does when it is loud: it names the URL with all that stands in it."""
    run = settings(URL)
    (name,) = run.cameras
    camera = CameraProcess(name, run, queue.Queue(), Redactor(run.secrets))
    said: deque[str] = deque(maxlen=1)
    loud = f"import sys; print('[rtsp @ 0x1] {URL}: 401, password hunter2', file=sys.stderr)"
    with (
        caplog.at_level(logging.DEBUG, logger="glimpse"),
        subprocess.Popen([sys.executable, "-c", loud], stderr=subprocess.PIPE) as process,
    ):
        camera._overhear(process, said)
    assert caplog.messages == [f"{name}: [rtsp @ 0x1] rtsp://10.0.0.5:554/stream: 401, password ***"]


def test_a_run_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text(
        """
cameras:
  door: {source: "rtsp://viewer:{CAM_PASS}@10.0.0.5/stream", max_faces: 2, retries: 5}
  desk: 0
outputs:
  jsonl: {path: events.jsonl, rotate_mb: 5}
  mqtt: {url: mqtts://broker, username: glimpse, password: "{MQTT_PASS}"}
  webhook: https://example.org/hook
route: {spotter: {threshold: 4.0}}
model: none
metrics: 9108
"""
    )
    run = load_live(path, {"CAM_PASS": "p@ss/1", "MQTT_PASS": "s3cret"})
    assert list(run.cameras) == ["door", "desk"]
    door = run.cameras["door"]
    assert door.source == "rtsp://viewer:p%40ss%2F1@10.0.0.5/stream"
    assert door.shown_source == "rtsp://10.0.0.5/stream"
    assert run.cameras["desk"].shown_source == "camera:0"
    assert run.route_of(door).tracker.max_faces == 2
    assert run.route_of(run.cameras["desk"]).tracker.max_faces == 1
    assert run.route.spotter.threshold == 4.0
    assert run.outputs.mqtt is not None
    assert run.outputs.mqtt.password == "s3cret"
    assert run.outputs.jsonl is not None
    assert run.outputs.jsonl.rotate_mb == 5.0
    assert {"p@ss/1", "p%40ss%2F1", "s3cret"} <= set(run.secrets)
    assert Redactor(run.secrets)("viewer p@ss/1 s3cret") == "viewer *** ***"


WRONG: list[tuple[Any, str]] = [
    (None, "mapping"),
    ({}, "no camera|expected a mapping"),
    ({"cameras": {}}, "no camera"),
    ({"cameras": {"door": {}}}, "no source"),
    ({"cameras": {"door": "nonesuch.mp4"}}, "no such file"),
    ({"cameras": {"a/b": 0}}, "cannot name"),
    ({"cameras": {"door": {"source": 0, "max_face": 2}}}, "max_faces"),
    ({"cameras": {"door": {"source": 0, "max_faces": 99}}}, "max_faces"),
    ({"cameras": {"door": {"source": 0, "rtsp_transport": "smoke"}}}, "rtsp_transport"),
    ({"cameras": {"door": {"source": "rtsp://x:{UNSET_PASS}@h"}}}, "UNSET_PASS"),
    ({"cameras": {"door": 0}, "outputs": {"fax": "1"}}, "fax"),
    ({"cameras": {"door": 0}, "outputs": {"mqtt": "http://x"}}, "mqtt"),
    ({"cameras": {"door": 0}, "camera": 1}, "camera"),
    ({"cameras": {"door": 0}, "route": {"spoter": {}}}, "spotter"),
    ({"cameras": {"door": 0}, "metrics": "nowhere"}, "metrics: 'nowhere' is no address"),
    ({"cameras": {"door": 0}, "web": {"hots": "x"}}, "host"),
    ({"cameras": {"door": 0}, "web": {"port": 70_000}}, "port"),
    ({"cameras": {"door": 0}, "web": {"host": "0.0.0.0", "token": "short"}}, "16 characters"),
    ({"cameras": {"door": 0}, "device": "tpu"}, "tpu"),
]


@pytest.mark.parametrize(("data", "said"), WRONG, ids=[said for _, said in WRONG])
def test_wrong_settings_are_one_clear_line(data: Any, said: str) -> None:
    with pytest.raises((ConfigError, SourceError), match=said) as caught:
        parse_live(data, "cameras.yaml", {})
    assert "\n" not in str(caught.value)


def test_a_run_from_flags() -> None:
    run = settings(URL, "--max-faces", "3", "--out", "e.jsonl", "--mqtt", "mqtt://u:pw@broker", "--lsl")
    assert list(run.cameras) == ["10.0.0.5"]
    assert run.cameras["10.0.0.5"].max_faces == 3
    assert (run.outputs.jsonl.path, run.outputs.lsl.name) == ("e.jsonl", "glimpse")  # type: ignore[union-attr]
    assert {"hunter2", "pw"} <= set(run.secrets)
    kinds = [type(outlet.sink).__name__ for outlet in make_outlets(run)]
    assert kinds == ["MqttSink", "LslSink", "LiveJsonLines"]
    assert [outlet.sink.name for outlet in make_outlets(settings("0"))] == ["standard output"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "SOURCE"),
        (["0", "--config", "x.yaml"], "SOURCE"),
        (["0", "--max-faces", "0.5"], "max-faces"),
        (["0", "--pace", "slow"], "pace"),
        (["0", "--name", "a b"], "a b"),
        (["0", "--mqtt", "http://x"], "mqtt"),
        (["0", "--metrics", "x"], "address"),
        (["0", "--web", "x:y"], "address"),
    ],
)
def test_wrong_commands_are_one_clear_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert realtime.cli.main(["live", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("command", ["live", "process", "bench"])
def test_an_input_that_is_missing_is_no_wrong_usage(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert realtime.cli.main([command, "nonesuch.mp4"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "nonesuch.mp4: no such file" in output.err


def test_flags_that_belong_to_one_camera_do_not_go_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: {desk: 0}")
    with pytest.raises(UsageError, match="--max-faces"):
        settings("--config", str(path), "--max-faces", "2")
    assert settings("--config", str(path), "--csv", "e.csv").outputs.csv is not None


def test_a_recording_may_stand_still_for_longer_than_a_camera() -> None:
    film = policy_of(CameraSettings("film.mp4"), None)
    assert film.stall_s > 10.0
    assert film.read_timeout_s > 10.0
    assert film.retries == 0
    camera = policy_of(CameraSettings("0"), 5.0)
    assert (camera.stall_s, camera.retries, camera.seconds) == (2.0, None, 5.0)


def test_outputs_must_differ() -> None:
    with pytest.raises(UsageError, match="same file"):
        make_outlets(settings("0", "--out", "x", "--csv", "x"))
    with pytest.raises(UsageError, match="--csv PATH"):
        make_outlets(settings("0", "--csv", "-"))


def test_outputs_must_differ_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").symlink_to(".")
    Path("film.mp4").write_bytes(b"film")
    os.link("film.mp4", "hard.jsonl")
    for out, csv in (("a", "./a"), ("a", "here/a"), ("a", str(tmp_path / "a")), ("a", "a.1"), ("a.2", "a")):
        with pytest.raises(UsageError, match="another output writes the same file"):
            make_outlets(settings("0", "--out", out, "--csv", csv))
    for flag, path in (("--out", "film.mp4"), ("--csv", "here/film.mp4"), ("--out", "hard.jsonl")):
        with pytest.raises(UsageError, match="camera film reads the same file"):
            make_outlets(settings("film.mp4", flag, path))
    assert sorted(os.listdir()) == ["film.mp4", "hard.jsonl", "here"]
    assert len(make_outlets(settings("film.mp4", "--out", "b", "--csv", "c"))) == 2


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "camera-0"),
        ("/dev/video3", "camera-3"),
        ("rtsp://u:p@cam.example:554/1", "cam.example"),
        ("films/p 01.mp4", "p-01"),
        ("./…", "camera"),
        ("rtsp:/u:pa55@cam", "cam"),
        ("rtsp://[cam/1", "camera"),
        ("https://cdn.example/" + "x" * 300, "cdn.example"),
    ],
)
def test_names_that_cameras_get(source: str, name: str) -> None:
    assert default_name(source) == name


def gauges(**counts: Any) -> dict[str, Any]:
    found = Gauges()
    for name, value in counts.items():
        setattr(found, name, value)
    found.frame_latency.add(0.04)
    found.frame_latency.add(60.0)
    extra = {"type": "gauges", "reconnects": 1, "gap_s": 2.5, "waiting_s": 0.0, "cpu_s": 1.0}
    return {**found.as_record(), **extra}


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_where_servers_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIMPSE_WEB_TOKEN", raising=False)
    assert (settings("0").web, settings("0").metrics) == (None, None)
    assert settings("0", "--web").web == Listen("127.0.0.1", 8765)
    assert settings("0", "--web", "[::1]:80").web == Listen("::1", 80)
    assert settings("0", "--metrics", "0.0.0.0:1").metrics == Listen("0.0.0.0", 1)
    for value, meant in (
        (80, Listen(port=80)),
        ("10.0.0.5:80", Listen("10.0.0.5", 80)),
        (None, Listen(port=8765)),
        ({"host": "::", "token": "{TOKEN}"}, Listen("::", 8765, "t" * 20)),
    ):
        run = parse_live({"cameras": {"desk": 0}, "web": value}, "c.yaml", {"TOKEN": "t" * 20})
        assert run.web == meant
        assert ("t" * 20 in run.secrets) is bool(meant.token)
        assert "t" * 20 not in repr(run.web)
    monkeypatch.setenv("GLIMPSE_WEB_TOKEN", "from the environment")
    run = settings("0", "--web", "--metrics", "0")
    assert run.web is not None
    assert run.metrics is not None
    assert {run.web.token, run.metrics.token} == {"from the environment"}
    assert "from the environment" in run.secrets


def ask(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"host": "127.0.0.1", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_metrics_are_kept_from_strangers(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = Fleet(["door"])
    server = MetricsServer(Listen(), fleet, [])
    try:
        assert ask(server.port, "/metrics")[0] == 200
        assert ask(server.port, "/metrics", host="evil.example")[0] == 421
        with socket.create_connection(("127.0.0.1", server.port), 30) as line:
            line.sendall(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n")
            assert b" 421 " in line.recv(100)
    finally:
        server.close()
    server = MetricsServer(Listen("0.0.0.0"), fleet, [])
    try:
        token = capsys.readouterr().err.rpartition(" ")[2].strip()
        assert len(token) >= 32
        assert ask(server.port, "/metrics")[0] == 401
        assert ask(server.port, "/metrics", authorization="Bearer x")[0] == 401
        assert ask(server.port, "/metrics", authorization=f"Bearer {token}", host="glimpse:9108")[0] == 200
        assert b"door" not in ask(server.port, "/healthz")[1]
        assert b"door" in ask(server.port, "/healthz", authorization=f"Bearer {token}")[1]
    finally:
        server.close()


def test_metrics_do_not_wait_for_who_sends_drop_by_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_REQUEST_S", 0.5)
    server = MetricsServer(Listen(), Fleet(["door"]), [])
    try:
        assert hangs_up_on_drops(server.port)
        monkeypatch.undo()
        assert ask(server.port, "/metrics")[0] == 200
    finally:
        server.close()


def test_metrics_and_health(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(["door", "desk"])
    server = MetricsServer(Listen(), fleet, make_outlets(settings("0")))
    try:
        assert fetch(server.port, "/healthz")[0] == 503
        for name in ("door", "desk"):
            fleet.note(name, {"type": "status", "state": "running"})
            fleet.note(name, gauges(frames=100, face_frames=80, faces=2, skipped={"dropped": 20}))
        assert fetch(server.port, "/healthz") == (
            200,
            json.dumps({"healthy": True, "cameras": {"door": "running", "desk": "running"}}),
        )
        fleet.note_death("door")
        fleet.note("door", gauges(frames=5))
        code, text = fetch(server.port, "/metrics")
        assert code == 200
        lines = text.splitlines()
        for line in (
            'glimpse_frames_total{camera="door"} 105.0',
            'glimpse_frames_total{camera="desk"} 100.0',
            'glimpse_frames_dropped_total{camera="desk"} 20.0',
            'glimpse_face_present{camera="desk"} 1.0',
            'glimpse_reconnects_total{camera="door"} 2.0',
            'glimpse_process_restarts{camera="door"} 1.0',
            'glimpse_events_total{camera="door",type="micro_expression"} 0.0',
            'glimpse_frame_latency_seconds_bucket{camera="desk",le="0.033"} 0.0',
            'glimpse_frame_latency_seconds_bucket{camera="desk",le="0.05"} 1.0',
            'glimpse_frame_latency_seconds_bucket{camera="desk",le="+Inf"} 2.0',
            'glimpse_output_waiting{output="standard output"} 0.0',
            'glimpse_output_refused_total{output="standard output"} 0.0',
        ):
            assert line in lines
        fleet.note("desk", {"type": "status", "state": "stalled"})
        assert fetch(server.port, "/healthz")[0] == 503
        fleet.note("desk", {"type": "status", "state": "running"})
        fleet.note("desk", {**gauges(frames=100), "idle_s": 30.0})
        assert fetch(server.port, "/healthz")[0] == 503, "its route stands still"
        fleet.note("desk", {"type": "status", "state": "ended"})
        now = time.monotonic()
        monkeypatch.setattr("realtime.live.fleet.time.monotonic", lambda: now)
        assert fetch(server.port, "/healthz")[0] == 200
        monkeypatch.setattr("realtime.live.fleet.time.monotonic", lambda: now + 60.0)
        assert fetch(server.port, "/healthz")[0] == 503, "not heard of for a minute"
        assert fetch(server.port, "/")[0] == 404
        with pytest.raises(OutputError, match="cannot be used"):
            MetricsServer(Listen(port=server.port), fleet, [])
    finally:
        server.close()


def test_what_is_measured_of_a_camera_ends_with_its_pictures() -> None:
    fleet = Fleet(["door"])
    fleet.note("door", {"type": "status", "state": "running"})
    fleet.note("door", gauges(frames=100))
    assert fleet.states()["door"].rates[0] > 0
    fleet.note("door", {"type": "status", "state": "ended"})
    fleet.note("door", gauges(frames=101))
    assert fleet.states()["door"].rates == (0.0, 0.0)
    sink = CameraSink("door", lambda record: None)
    for index in range(2):
        sink.write_frame(FrameRow(index, index / 30))
    assert sink.gauges.faces == 1
    sink.tell(StreamStatus("stalled", "no picture for 2.0 s"))
    assert sink.gauges.faces == 0


def test_every_camera_is_told_to_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that waits for its process to be started again."""
    out = tmp_path / "e.jsonl"
    run = LiveSettings({"door": CameraSettings("rtsp://h/x")}, OutputSettings(FileSettings(str(out))))
    supervisor = Supervisor(run, make_outlets(run), seconds=None)

    def start(**about: Any) -> None:
        supervisor.stop()
        raise OSError("no more processes")

    monkeypatch.setattr(supervisor._processes["door"], "start", start)
    assert supervisor.run() == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    told = [(r["type"], r.get("state")) for r in records]
    assert told == [("summary", None), ("status", "reconnecting"), ("status", "ended")]


def test_a_run_whose_outputs_took_nothing_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nothing came for has not."""
    run = LiveSettings({"door": CameraSettings("rtsp://h/x")}, OutputSettings(FileSettings("/dev/full")))
    monkeypatch.setattr("realtime.live.supervisor._OUTLET_GRACE_S", 0.2)
    for event, useless in (({"type": "status", "camera": "door", "state": "starting"}, True), (None, False)):
        outlets = [Outlet(LiveJsonLines(FileSettings("/dev/full")))]
        boss = Supervisor(run, outlets, seconds=None)
        boss._due.clear()
        boss.fleet.note("door", {"type": "status", "state": "ended"})
        boss._summed.add("door")
        if event is not None:
            outlets[0].put(event)
        if not useless:
            assert boss.run() == 0
            continue
        with pytest.raises(OutputError, match="nothing could be delivered to /dev/full"):
            boss.run()


def test_a_camera_that_fails_in_mid_run_is_summed_up_with_its_counts() -> None:
    boss = Supervisor(LiveSettings({"door": CameraSettings("rtsp://h/x")}), [], seconds=None)
    told: list[dict[str, Any]] = []
    boss._publish = told.append  # type: ignore[method-assign]
    boss._due.clear()
    boss._alive.add("door")
    failure = {"type": "status", "camera": "door", "state": "failed", "reason": "the network cannot be run"}
    for message in (gauges(frames=5), failure, Exit(1, 5.0, "")):
        boss._inbox.put(("door", message))
        boss._take()
    assert told[-1]["type"] == "summary"
    assert told[-1]["frames"] == 5


def test_a_process_that_cannot_even_be_killed_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that hangs in the driver of its camera."""
    run = LiveSettings({"door": CameraSettings("rtsp://h/x")})
    boss = Supervisor(run, [], seconds=None)
    monkeypatch.setattr("realtime.live.supervisor._GRACE_S", 0.1)
    kills: list[None] = []
    monkeypatch.setattr(boss._processes["door"], "start", lambda **about: boss.stop())
    monkeypatch.setattr(boss._processes["door"], "stop", lambda: None)
    monkeypatch.setattr(boss._processes["door"], "kill", lambda: kills.append(None))
    assert boss.run() == 0
    assert kills


def test_histograms_count_every_duration() -> None:
    assert len(gauges()["frame_latency"]["counts"]) == len(LATENCY_BUCKETS_S) + 1
    assert sum(gauges()["frame_latency"]["counts"]) == 2


def test_records_are_kept_free_of_secrets_wherever_a_url_has_them() -> None:
    settings = LiveSettings(cameras={"door": CameraSettings("rtmp://h/app/K3y")}, secrets=("K3y",))
    told: list[dict[str, Any]] = []

    class Listener:
        def put(self, record: dict[str, Any]) -> None:
            told.append(record)

    supervisor = Supervisor(settings, [Listener()], seconds=None)  # type: ignore[list-item]
    supervisor._publish({"type": "stream", "camera": "door", "source": "rtmp://h/app/K3y", "notes": ["K3y"]})
    assert told == [{"type": "stream", "camera": "door", "source": "rtmp://h/app/***", "notes": ["***"]}]


COMPOSED = {"CAMERA_URL": "rtsp://h/x", "METRICS_TOKEN": "m" * 20}


def test_the_workers_of_the_compose_file_share_no_topic() -> None:
    text = (Path(__file__).parent.parent / "compose.yaml").read_text()
    found = {}
    for name, config in yaml.safe_load(text)["configs"].items():
        run = parse_live(yaml.safe_load(config["content"]), name, COMPOSED)
        assert list(run.cameras) == [name]
        assert run.outputs.mqtt is not None
        assert run.outputs.mqtt.prefix == "glimpse"
        found[name] = run.outputs.mqtt.available
    assert found == {"door": "glimpse/door/available", "desk": "glimpse/desk/available"}


def test_a_process_that_asks_for_a_successor_hands_on_its_attempts() -> None:
    """As one does whose connections hang: it has said all that it had to say."""
    supervisor = Supervisor(LiveSettings(cameras={"door": CameraSettings("rtsp://h/x")}), [], seconds=None)
    supervisor._due.clear()
    supervisor._alive.add("door")
    for record in ({**gauges(frames=5), "attempt": 9}, {"type": "summary", "camera": "door"}):
        supervisor._inbox.put(("door", record))
        supervisor._take()
    supervisor._inbox.put(("door", Exit(RENEW, 5.0, "")))
    supervisor._take()
    assert list(supervisor._due) == ["door"]
    assert supervisor._attempts == {"door": 9}
    assert supervisor.fleet.states()["door"].total("frames") == 5.0


@pytest.mark.parametrize(("frames", "state"), [(0, "reconnecting"), (5, "failed")])
def test_a_recording_whose_process_dies_is_not_told_twice(tmp_path: Path, frames: int, state: str) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    supervisor = Supervisor(LiveSettings(cameras={"film": CameraSettings(str(film))}), [], seconds=None)
    supervisor._due.clear()
    supervisor._alive.add("film")
    for message in (gauges(frames=frames), Exit(-9, 5.0, "")):
        supervisor._inbox.put(("film", message))
        supervisor._take()
    assert supervisor.fleet.states()["film"].state == state
    assert bool(supervisor._due) == (state == "reconnecting")
    assert supervisor._failed == (state == "failed")
