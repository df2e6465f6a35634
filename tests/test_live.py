"""`glimpse live` as a whole, on real servers: what it finds, what it survives, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from conftest import Film
from live_servers import Subscriber, mjpeg, mosquitto, rtsp, until, web_server
from media import jpeg, write_mkv

from realtime.live import camera_process, supervisor
from realtime.live.outlets import make_outlets
from realtime.live.settings import CameraSettings, LiveSettings, OutputSettings
from realtime.live.supervisor import Supervisor
from realtime.pipeline import Pipeline
from realtime.process import events
from realtime.sinks.rolling import FileSettings
from realtime.sources import open_source

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads(files("realtime").joinpath("schema/glimpse-1.schema.json").read_text(encoding="utf-8"))
STEP = 3
EVENTS = ("micro_expression", "macro_expression")
BEAT = 0.05


@dataclass(frozen=True, slots=True)
class Recording:
    """The film at 33 pictures a second as JPEG in Matroska, and what `process` finds in it."""

    path: Path
    jpegs: tuple[bytes, ...]
    found: tuple[tuple[float, float, float], ...]


@pytest.fixture(scope="module")
def recording(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("recording") / "film.mkv"
    shown = film.frames[::STEP]
    jpegs = tuple(jpeg(frame.image) for frame in shown)
    times_ms = [round(1000 * frame.time_s) for frame in shown]
    write_mkv(path, jpegs, times_ms, fps=film.truth.fps / STEP, size=(film.truth.width, film.truth.height))
    with open_source(path) as source, Pipeline() as pipeline:
        keys = [event.key_frames for event in events(source, pipeline)]
    found = tuple((k.onset_s, k.apex_s, k.offset_s) for k in keys)
    assert len(found) == 2
    return Recording(path, jpegs, found)


class Run:
    """`glimpse live` in a process; its records as they come."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime", "live", "--model", "none", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.records: list[dict[str, Any]] = []
        self.raw = self.complaints = b""
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.raw += line
            self.records.append(json.loads(line))

    def _overhear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.complaints += line

    def of(self, *types: str, camera: str | None = None) -> list[dict[str, Any]]:
        chosen = [record for record in self.records if record["type"] in types]
        return [record for record in chosen if camera in (None, record["camera"])]

    def statuses(self, key: str) -> list[dict[str, Any]]:
        """Status records that say something."""
        return [record for record in self.of("status") if key in record]

    def states(self, camera: str | None = None) -> list[str]:
        return [r["state"] for r in self.of("status", camera=camera) if "warning" not in r]

    def wait_for(self, condition: Callable[[], Any], what: str) -> None:
        until(lambda: condition() or self.process.poll() is not None, what)
        assert condition(), self.complaints

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(30)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def end(self) -> int:
        """Wait for the end; gives the exit code."""
        until(lambda: self.process.poll() is not None, "the end of the run")
        for thread in self._threads:
            thread.join(30)
        over: set[str] = set()
        for record in self.records:
            jsonschema.validate(record, SCHEMA)
            assert record["type"] == "summary" or record["camera"] not in over, "told after its end"
            if record.get("state") == "ended":
                over.add(record["camera"])
        return int(self.process.returncode)


@contextmanager
def live(*arguments: str) -> Iterator[Run]:
    run = Run(arguments)
    try:
        yield run
    finally:
        run.close()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes of a run's cameras."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not path.exists():
        pytest.skip("this system does not tell a process's children")
    return [int(pid) for pid in path.read_text().split()]


def endless(recording: Recording) -> list[Any]:
    """The film over and over, at 20 pictures a second, as a script for an MJPEG feed."""
    return [part for picture in recording.jpegs for part in (picture, BEAT)] * 500


def patient(folder: Path, url: str, **settings: Any) -> tuple[str, str]:
    """A configuration whose buffer holds the whole film, so that a slow machine drops nothing."""
    path = folder / "cameras.yaml"
    path.write_text(json.dumps({"cameras": {"door": {"source": url, "buffer_s": 120, **settings}}}))
    return "--config", str(path)


def times(records: Sequence[dict[str, Any]]) -> list[tuple[float, float, float]]:
    return [(r["onset_s"], r["apex_s"], r["offset_s"]) for r in records]


def unix(wall_time: str) -> float:
    """ISO 8601 as seconds since 1970."""
    return datetime.fromisoformat(wall_time.replace("Z", "+00:00")).timestamp()


def assert_same_events(run: Run, recording: Recording, tolerance_s: float) -> None:
    """The events are those of the file; where a server left pictures out, none is made up at least."""
    (summary,) = run.of("summary")
    assert summary["skipped"] == {}
    found = times(run.of(*EVENTS))
    assert summary["events"] == len(found)
    if summary["frames"] == len(recording.jpegs):
        for seen, true in zip(found, recording.found, strict=True):
            assert seen == pytest.approx(true, abs=tolerance_s)
    else:
        assert summary["frames"] > 0.5 * len(recording.jpegs)
        for seen in found:
            assert any(seen[0] < true[2] and true[0] < seen[2] for true in recording.found)


def test_a_stream_over_http_gives_the_events_of_the_file(recording: Recording, tmp_path: Path) -> None:
    with web_server(recording.path.parent) as port:
        url = f"http://admin:hunter2@127.0.0.1:{port}/film.mkv?token=pa55word"
        config = patient(tmp_path, url, retries=0)
        outputs = ("--csv", str(tmp_path / "e.csv"), "--out", str(tmp_path / "e.jsonl"), "--webhook", url)
        with live(*config, "-v", *outputs) as run:
            assert run.end() == 0
    lines = (tmp_path / "e.jsonl").read_bytes()
    run.records = [json.loads(line) for line in lines.splitlines()]
    assert run.states() == ["starting", "running", "ended"]
    assert_same_events(run, recording, 0.0015)
    assert run.of("summary")[0]["frames"] == len(recording.jpegs)
    table = (tmp_path / "e.csv").read_bytes()
    assert len(table.splitlines()) == 1 + len(recording.found)
    event = run.of(*EVENTS)[0]
    assert event["onset_wall_time"] < event["wall_time"]
    assert event["id"].startswith("door-2")
    for text in (lines, table, run.raw, run.complaints):
        assert b"hunter2" not in text
        assert b"pa55word" not in text


def test_rtsp_gives_the_events_of_the_file(recording: Recording, tmp_path: Path) -> None:
    with rtsp(recording.path) as server, live(*patient(tmp_path, server.url, retries=0)) as run:
        assert run.end() == 0
    assert run.states() == ["starting", "running", "ended"]
    assert_same_events(run, recording, 0.031)


RETURN_S = 5.0


def test_a_server_that_dies_in_mid_stream_and_comes_back(recording: Recording, tmp_path: Path) -> None:
    with rtsp(recording.path) as server, live(*patient(tmp_path, server.url)) as run:
        run.wait_for(lambda: "running" in run.states(), "the stream")
        run.wait_for(lambda: run.of(*EVENTS), "an event")
        server.kill()
        run.wait_for(lambda: "reconnecting" in run.states(), "the loss to be noticed")
        before = len(run.of(*EVENTS))
        server.start()
        ready_s = time.time()
        run.wait_for(lambda: run.statuses("gap_s"), "the stream to come back")
        run.wait_for(lambda: len(run.of(*EVENTS)) > before, "an event after the gap")
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 0
    gaps = [s["gap_s"] for s in run.statuses("gap_s")]
    (summary,) = run.of("summary")
    assert summary["reconnects"] >= 1
    assert summary["gap_s"] == pytest.approx(sum(gaps), abs=0.01)
    found = run.of(*EVENTS)
    assert len({event["id"] for event in found}) == len(found) == summary["events"]
    assert run.states()[-1] == "ended"
    backs = [(unix(s["wall_time"]) - s["gap_s"], unix(s["wall_time"])) for s in run.statuses("gap_s")]
    assert backs[0][1] - ready_s < RETURN_S, "detection goes on within 5 s of the server's return"
    for event in found:
        onset_s = unix(event["onset_wall_time"])
        offset_s = onset_s + event["offset_s"] - event["onset_s"]
        assert not any(onset_s < lost_s and offset_s > back_s for lost_s, back_s in backs), "it spans the gap"


def test_a_change_of_size_is_a_status_record_and_no_event_spans_it(
    recording: Recording, tmp_path: Path
) -> None:
    """In the middle of the first movement; the second comes whole in the other size."""
    onset_s, _, offset_s = recording.found[0]
    middle = round((onset_s + offset_s) / 2 * 100 / STEP)
    larger = [enlarged(data) for data in recording.jpegs[middle:]]
    path = tmp_path / "film.mkv"
    jpegs = [*recording.jpegs[:middle], *larger]
    write_mkv(path, jpegs, range(0, 30 * len(jpegs), 30), fps=100 / STEP, size=(240, 200))
    with rtsp(path) as server, live(*patient(tmp_path, server.url, retries=0)) as run:
        assert run.end() == 0
    assert run.states() == ["starting", "running", "running", "ended"]
    change = [s for s in run.of("status") if "picture has changed" in s.get("reason", "")]
    assert [(s["width"], s["height"]) for s in change] == [(480, 400)]
    assert [(s["width"], s["height"]) for s in run.of("stream")] == [(240, 200), (480, 400)]
    for event in run.of(*EVENTS):
        assert event["offset_frame"] < middle or event["onset_frame"] >= middle
    assert any(event["onset_frame"] >= middle for event in run.of(*EVENTS))


def enlarged(data: bytes) -> bytes:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return jpeg(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))


def test_mqtt_and_the_file_agree_though_the_broker_goes_and_comes(
    recording: Recording, tmp_path: Path
) -> None:
    """None lost, none twice; and the broker says it when the whole run is killed."""
    out = tmp_path / "events.jsonl"
    with rtsp(recording.path) as server, mosquitto(tmp_path) as broker:
        flags = ("--name", "door", "--out", str(out), "--mqtt", broker.url)
        watcher = Subscriber(broker.port)
        try:
            until(watcher.ready.is_set, "the subscription")
            with live(server.url, *flags) as run:
                run.wait_for(lambda: len(watcher.events()) > 0, "an event")
                broker.stop()
                run.wait_for(lambda: len(event_ids(out)) > 1, "an event while the broker is away")
                broker.start()
                run.wait_for(lambda: len(watcher.events()) > 1, "it")
                run.process.send_signal(signal.SIGTERM)
                assert run.end() == 0
            until(lambda: watcher.last("glimpse/available") == b"offline", "the farewell")
            assert watcher.events() == event_ids(out), "each once, in order"
            with live(server.url, *flags) as run:
                run.wait_for(lambda: watcher.last("glimpse/available") == b"online", "the next run")
                run.process.kill()
                until(lambda: watcher.last("glimpse/available") == b"offline", "its last will")
        finally:
            watcher.close()


def event_ids(path: Path) -> list[str]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [record["id"] for record in map(json.loads, lines) if record["type"] in EVENTS]


def test_cameras_side_by_side_a_dead_process_and_an_orderly_end(recording: Recording, tmp_path: Path) -> None:
    with mjpeg(endless(recording)) as server:
        config = tmp_path / "cameras.yaml"
        config.write_text(json.dumps({"cameras": {"door": server.url, "desk": server.url}}))
        with live("--config", str(config)) as run:
            run.wait_for(lambda: all("running" in run.states(n) for n in ("door", "desk")), "both cameras")
            before = children(run.process)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            run.wait_for(lambda: run.states().count("running") == 3, "the dead one to run again")
            (last_words,) = run.of("summary")
            assert "signal 9" in last_words["notes"][0]
            assert set(children(run.process)) - set(before)
            run.process.send_signal(signal.SIGINT)
            assert run.end() == 0
    assert sorted(r["camera"] for r in run.of("summary"))[-2:] != ["desk", "desk"]
    assert len(run.of("summary")) == 3
    for name in ("door", "desk"):
        assert run.states(name)[-1] == "ended"
    (stayed,) = {"door", "desk"} - {last_words["camera"]}
    assert run.of("summary", camera=stayed)[-1]["frames"] > 0, "the other had just begun again"


def test_a_kill_of_it_all_leaves_whole_lines_and_no_process(recording: Recording, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    flags = ("--out", str(out), "--provisional")
    with mjpeg(endless(recording)) as server, live(server.url, *flags) as run:
        run.wait_for(lambda: out.exists() and b'"unobservable"' in out.read_bytes(), "records")
        cameras = children(run.process)
        run.process.kill()
        run.process.wait()
        until(lambda: not any(_lives(pid) for pid in cameras), "the camera's process to end")
    data = out.read_bytes()
    assert data.endswith(b"\n")
    for line in data.splitlines():
        jsonschema.validate(json.loads(line), SCHEMA)


def _lives(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    try:
        return path.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def supervise(
    url: str, out: Path, names: Sequence[str], disturb: Callable[[Supervisor], object]
) -> list[dict[str, Any]]:
    """Run cameras in this process while `disturb` goes on beside it, then stop; gives the records."""
    run = LiveSettings(
        dict.fromkeys(names, CameraSettings(url)), OutputSettings(FileSettings(str(out))), model="none"
    )
    boss = Supervisor(run, make_outlets(run), seconds=None)
    faults: list[BaseException] = []

    def act() -> None:
        try:
            disturb(boss)
        except BaseException as error:
            faults.append(error)
        boss.stop()

    helper = threading.Thread(target=act, daemon=True)
    helper.start()
    assert boss.run() == 0
    helper.join(10)
    assert not faults, faults
    records = [json.loads(line) for line in out.read_text().splitlines()]
    for name in names:
        assert [r for r in records if r["type"] == "summary" and r["camera"] == name], (
            "every end is summed up"
        )
    return records


def runs(boss: Supervisor, name: str) -> bool:
    return boss.fleet.states()[name].state == "running"


def test_a_process_that_stands_still_is_ended_and_started_again(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process says nothing; patience is cut short once it is stopped."""

    def disturb(boss: Supervisor) -> None:
        until(lambda: boss.fleet.states()["door"].gauges, "the process to run")
        pid = boss._processes["door"].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(supervisor, "_SILENCE_S", 2.0)
        until(lambda: boss.fleet.states()["door"].restarts, "its end")

    with mjpeg(endless(recording)) as server:
        records = supervise(server.url, tmp_path / "e.jsonl", ["door"], disturb)
    assert "reconnecting" in [r.get("state") for r in records]


def test_a_camera_that_somebody_else_ends_is_started_again(recording: Recording, tmp_path: Path) -> None:
    def disturb(boss: Supervisor) -> None:
        until(lambda: runs(boss, "door"), "the process to run")
        pid = boss._processes["door"].pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        until(lambda: boss.fleet.states()["door"].restarts, "its end")
        until(lambda: runs(boss, "door"), "the next process")

    with mjpeg(endless(recording)) as server:
        records = supervise(server.url, tmp_path / "e.jsonl", ["door"], disturb)
    states = [r["state"] for r in records if r["type"] == "status"]
    assert states == ["starting", "running", "ended", "reconnecting", "starting", "running", "ended"]
    assert [bool(r.get("notes")) for r in records if r["type"] == "summary"] == [False, False]


def test_a_process_that_breaks_down_at_its_start_is_tried_again(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, broken = tmp_path / "python", tmp_path / "broken"
    broken.touch()
    python.write_text(
        f"#!/bin/sh\n[ -e '{broken}' ] && rm '{broken}' && echo 'ImportError: no numpy' >&2 && exit 1\n"
        f"exec '{sys.executable}' \"$@\"\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with mjpeg(endless(recording)) as server:
        records = supervise(
            server.url,
            tmp_path / "e.jsonl",
            ["door"],
            lambda boss: until(lambda: runs(boss, "door"), "a start"),
        )
    (trouble,) = [r for r in records if r.get("state") == "reconnecting"]
    assert trouble["reason"] == "its process broke down (ImportError: no numpy); it is started again"


def test_a_process_that_cannot_be_started_is_tried_again_beside_the_others(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, faults = subprocess.Popen, [OSError(11, "Resource temporarily unavailable")]

    def start(*arguments: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return usual(*arguments, **options)

    monkeypatch.setattr(camera_process.subprocess, "Popen", start)
    with mjpeg(endless(recording)) as server:
        records = supervise(
            server.url,
            tmp_path / "e.jsonl",
            ["door", "desk"],
            lambda boss: until(lambda: runs(boss, "door") and runs(boss, "desk"), "both"),
        )
    (trouble,) = [r for r in records if r.get("state") == "reconnecting"]
    assert trouble["camera"] == "door"
    assert "cannot be started: Resource temporarily unavailable" in trouble["reason"]


def test_a_stop_before_the_first_start_is_heeded(recording: Recording, tmp_path: Path) -> None:
    records = supervise(str(recording.path), tmp_path / "e.jsonl", ["door", "desk"], Supervisor.stop)
    assert {r["type"] for r in records} <= {"summary", "status", "stream"}


def test_without_a_reader_the_run_ends_quietly(recording: Recording) -> None:
    command = f"'{sys.executable}' -m realtime live '{recording.path}' --model none --pace fast | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (141, b"")
    assert json.loads(done.stdout)["state"] == "starting"


def test_a_model_that_is_not_there_fails_for_good(recording: Recording) -> None:
    with live(str(recording.path), "--model", "nonesuch") as run:
        assert run.end() == 1
    assert run.states() == ["failed"]
    assert b"nonesuch" in run.complaints
    assert len(run.of("summary")) == 1


def test_check_says_what_every_camera_shows(
    recording: Recording, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import realtime.cli

    config = tmp_path / "cameras.yaml"
    dead = "rtsp://admin:hunter2@127.0.0.1:9/stream"
    config.write_text(json.dumps({"cameras": {"film": str(recording.path), "dead": dead}}))
    assert realtime.cli.main(["live", "--config", str(config), "--check"]) == 1
    shown = capfd.readouterr().out.splitlines()
    assert len(shown) == 2
    assert shown[0].startswith("film: 240×200, 33.3")
    assert shown[0].endswith("1 face in view")
    assert shown[1] == "dead: failed: rtsp://127.0.0.1:9/stream: cannot be opened: Connection refused"


def test_check_looks_for_the_model(recording: Recording, capsys: pytest.CaptureFixture[str]) -> None:
    import realtime.cli

    assert realtime.cli.main(["live", str(recording.path), "--check", "--model", "nonesuch"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("glimpse: ")
    assert "nonesuch" in output.err


def test_check_ends_in_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import realtime.cli

    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "cameras.yaml"
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/"
        mute = {"source": url, "open_timeout_s": 500}
        config.write_text(json.dumps({"cameras": {"mute": mute, "deaf": mute}}))
        assert (
            realtime.cli.main(
                ["live", "--config", str(config), "--check", "--seconds", "4", "--model", "none"]
            )
            == 1
        )
    assert capfd.readouterr().out.splitlines() == [
        "mute: failed: no answer within 4 s",
        "deaf: failed: no answer within 4 s",
    ]
