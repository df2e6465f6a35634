"""The command line as a person meets it: results, and one clear line where there can be none."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import pytest
from bundles import write_bundle
from conftest import Clip
from media import picture, write_video

import export.cli
import offline.cli
import realtime.cli
from realtime import terminal
from realtime.api import load_recognizer
from realtime.errors import DataError, DeviceError, GlimpseError
from realtime.geometry import REGION_NAMES
from realtime.process_outputs import check_outputs
from realtime.sinks.csv import COLUMNS
from realtime.start import start

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


Glimpse = Callable[..., Outcome]


@pytest.fixture
def glimpse(capfd: pytest.CaptureFixture[str]) -> Glimpse:
    """Run `glimpse` in this process; gives its exit code and all that reached the two outputs."""

    def run(*words: str | Path) -> Outcome:
        capfd.readouterr()
        code = realtime.cli.main([str(word) for word in words])
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small video without a face."""
    path = tmp_path_factory.mktemp("wall") / "wall.avi"
    write_video(path, "MJPG", 12)
    return path


def assert_refused(outcome: Outcome, code: int, *names: str | Path, prog: str = "glimpse") -> None:
    """One line on standard error that names every thing, the exit code, and nothing else."""
    assert outcome.code == code
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"{prog}: ")
    assert "Traceback" not in line
    for name in names:
        assert str(name) in line


def refuse_and_explain(glimpse: Glimpse, code: int, words: list[str | Path], *names: str | Path) -> None:
    """The same, and that `-v` shows where it comes from."""
    assert_refused(glimpse(*words), code, *names)
    told = glimpse(*words, "-v")
    assert told.code == code
    assert "Traceback (most recent call last):" in told.err
    assert "realtime.errors." in told.err
    assert told.err.splitlines()[-1].startswith("glimpse: ")


# --- inputs that are no streams


def test_a_file_that_is_missing(glimpse: Glimpse, tmp_path: Path) -> None:
    path = tmp_path / "none.mkv"
    refuse_and_explain(glimpse, 1, ["process", path, "--model", "none"], path, "no such file")


@pytest.mark.parametrize("ending", ["mkv", "mp4", "avi", "jpg"])
def test_files_that_are_no_videos(glimpse: Glimpse, tmp_path: Path, clip: Clip, ending: str) -> None:
    contents = (b"", b"hello\n" * 100, bytes(range(256)) * 20, clip.video.read_bytes()[:300])
    for number, content in enumerate(contents):
        path = tmp_path / f"file{number}.{ending}"
        path.write_bytes(content)
        assert_refused(glimpse("process", path, "--model", "none"), 1, path)


def test_folders_without_images(glimpse: Glimpse, tmp_path: Path) -> None:
    refuse_and_explain(glimpse, 1, ["process", tmp_path, "--model", "none"], tmp_path, "no images")
    (tmp_path / "img1.png").write_bytes(b"no picture")
    assert_refused(glimpse("process", tmp_path, "--model", "none"), 1, tmp_path)


@pytest.mark.parametrize("name", ["rtsp://user:secret@camera/1", "", "x" * 300, os.fsdecode(b"\xff.mkv")])
def test_names_that_lead_nowhere(glimpse: Glimpse, name: str) -> None:
    outcome = glimpse("process", name, "--model", "none")
    assert_refused(outcome, 1)
    assert "secret" not in outcome.err


def test_a_film_whose_name_is_not_utf8(glimpse: Glimpse, tmp_path: Path, wall: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9t\xe9.avi")
    shutil.copy(wall, path)
    assert_refused(glimpse("process", path, "--model", "none"), 1, "not UTF-8")


def test_what_is_said_of_a_file_does_nothing_to_a_terminal(
    glimpse: Glimpse, tmp_path: Path, wall: Path
) -> None:
    path = tmp_path / "a\n\x1b[31mb.avi"
    shutil.copy(wall, path)
    outcome = glimpse("process", path, "--model", "none", "--fps", "10", "--out", tmp_path / "o.jsonl")
    assert outcome.code == 0
    assert outcome.err
    for line in outcome.err.splitlines():
        assert line.startswith("glimpse: ")
        assert line.isprintable()


def test_many_files_are_held_against_their_outputs_at_once(
    glimpse: Glimpse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work grows with their number, not with its square."""
    compared: list[None] = []
    equal = Path.__eq__
    monkeypatch.setattr(Path, "__eq__", lambda one, other: compared.append(None) or equal(one, other))
    options = realtime.cli.build_parser().parse_args(
        ["process", *(str(tmp_path / f"{number}.avi") for number in range(200)), "--out", str(tmp_path)]
    )
    check_outputs(options)
    assert len(compared) < 200 * 20


# --- commands that make no sense


@pytest.mark.parametrize("command", ["process", "live"])
def test_an_option_that_is_unknown_names_its_command(glimpse: Glimpse, command: str) -> None:
    outcome = glimpse(command, "film.avi", "--reprot=r.html")
    assert outcome.code == 2
    assert f"unrecognized arguments: --reprot=r.html (see glimpse {command} --help)" in outcome.err


def test_an_input_is_not_written_over_while_an_output_is_made(
    glimpse: Glimpse, tmp_path: Path, wall: Path
) -> None:
    for name, flags in (
        ("x.jsonl.partial", ["--out", tmp_path / "x.jsonl"]),
        ("x.partial.avi", ["--video", tmp_path / "x.avi", "--allow-clips"]),
    ):
        path = tmp_path / name
        shutil.copy(wall, path)
        assert_refused(glimpse("process", path, "--model", "none", *flags), 2, path, "both input and output")
        assert path.read_bytes() == wall.read_bytes()


def test_an_image_of_the_input_is_not_written_over(glimpse: Glimpse, tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    assert cv2.imwrite(str(path), picture(1))
    data = path.read_bytes()
    assert_refused(glimpse("process", tmp_path, "--model", "none", "--out", path), 2, path, tmp_path)
    assert path.read_bytes() == data
    assert glimpse("process", tmp_path, "--model", "none", "--out", tmp_path / "1.jsonl").code == 0


@pytest.mark.parametrize("package", ["realtime", "offline", "export"])
def test_an_interrupt_while_a_command_is_loaded_is_one_line(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    command = importlib.import_module(f"{package}.__main__")
    monkeypatch.setattr("realtime.start.importlib.import_module", interrupted)
    assert command.main() == 130
    program = "glimpse" if package == "realtime" else f"glimpse-{package}"
    assert capsys.readouterr().err == f"{program}: interrupted\n"


def test_an_interrupt_waits_until_a_module_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Libraries written in C make other errors of it: "numpy._core.multiarray failed to import"."""
    (tmp_path / "slow_command.py").write_text(
        "import signal\n"
        "try:\n    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('failed to import') from None\n"
        "def main():\n    while True:\n        signal.pause()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)
    assert start("slow_command", "glimpse") == 130
    assert capsys.readouterr().err == "glimpse: interrupted\n"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "glimpse --help"),
        (["dance"], "dance"),
        (["process"], "FILE"),
        (["process", "a.mkv", "--colour"], "--colour"),
        (["process", "a.mkv", "--device", "tpu"], "tpu"),
        (["process", "a.mkv", "--fps", "many"], "--fps"),
        (["process", "a.mkv", "--out"], "--out"),
    ],
)
def test_words_that_are_not_understood(glimpse: Glimpse, words: list[str], name: str) -> None:
    assert_refused(glimpse(*words), 2, name)


@pytest.mark.parametrize("fps", ["0", "-5", "nan", "inf", "100000"])
def test_impossible_frame_rates(glimpse: Glimpse, wall: Path, fps: str) -> None:
    assert_refused(glimpse("process", wall, "--model", "none", "--fps", fps), 2, "frame rate")


def test_settings_that_are_wrong(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    path = tmp_path / "route.yaml"
    words = ["process", wall, "--model", "none", "--config", path]
    assert_refused(glimpse(*words), 2, path, "cannot be read")
    path.write_text("flow:\n  lagg_s: 0.1\n")
    refuse_and_explain(glimpse, 2, words, path, "lagg_s", "lag_s")
    path.write_text("flow: [\n")
    assert_refused(glimpse(*words), 2, path, "not valid YAML")


def test_truth_that_is_none(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    words = ["process", wall, "--model", "none", "--report", tmp_path / "r.html", "--truth", path]
    assert_refused(glimpse(*words), 1, path, "cannot be read")
    event = {"onset_s": 1.0, "apex_s": 1.1, "offset_s": 1.2, "label": None}
    for content in ("", "[]", "{}", '{"events": 3}', '{"events": [{"onset_s": 1}]}'):
        path.write_text(content)
        assert_refused(glimpse(*words), 1, path, "no truth file")
    for number in (10**400, float("nan"), float("inf"), "soon"):
        path.write_text(json.dumps({"events": [{**event, "apex_s": number}]}))
        assert_refused(glimpse(*words), 1, path, "no truth file")
    assert_refused(glimpse("process", wall, wall, "--out", tmp_path, "--truth", path), 2)
    assert not (tmp_path / "r.html").exists()


# --- places that cannot be written to


@pytest.mark.parametrize("flag", ["--out", "--csv", "--report"])
def test_outputs_in_a_missing_folder(glimpse: Glimpse, wall: Path, tmp_path: Path, flag: str) -> None:
    path = tmp_path / "none" / "result"
    outcome = glimpse("process", wall, "--model", "none", "--out", os.devnull, flag, path)
    assert_refused(outcome, 1, path, "folder does not exist")


def test_outputs_that_would_destroy_something(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    copy = tmp_path / "wall.avi"
    shutil.copy(wall, copy)
    link = tmp_path / "link.avi"
    link.symlink_to(copy)
    for flag in ("--out", "--csv", "--report"):
        assert_refused(glimpse("process", copy, flag, copy), 2, copy, "both input and output")
        assert_refused(glimpse("process", copy, flag, link), 2, copy, "both input and output")
    settings, truth = tmp_path / "route.yaml", tmp_path / "truth.json"
    settings.write_text("")
    truth.write_text('{"events": []}')
    for flag, path in (("--config", settings), ("--truth", truth)):
        outcome = glimpse("process", copy, "--model", "none", flag, path, "--out", path)
        assert_refused(outcome, 2, path, "both input and output")
    assert copy.read_bytes() == wall.read_bytes()
    assert (settings.read_text(), truth.read_text()) == ("", '{"events": []}')


def test_outputs_that_would_meet(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    path = tmp_path / "result"
    assert_refused(glimpse("process", wall, "--out", path, "--csv", path), 2, "two outputs")
    assert_refused(glimpse("process", wall, "--out", "-", "--csv", "-"), 2, "standard output")
    assert_refused(glimpse("process", wall, "--report", "-"), 2, "standard output")
    other = tmp_path / "other" / wall.name
    assert_refused(glimpse("process", wall, other, "--out", tmp_path), 2, tmp_path, "same name")
    assert list(tmp_path.iterdir()) == []
    path.write_text("")
    assert_refused(glimpse("process", wall, "b.avi", "--out", path), 2, path, "folder")
    assert_refused(glimpse("process", wall, "b.avi", "--csv", path), 2, path, "folder")


def test_several_files_go_into_a_folder_and_a_bad_one_does_not_stop_the_rest(
    glimpse: Glimpse, wall: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "results"
    outcome = glimpse("process", tmp_path / "none.avi", wall, "--model", "none", "--out", folder)
    assert_refused(outcome, 1, tmp_path / "none.avi")
    assert [path.name for path in folder.iterdir()] == [f"{wall.stem}.jsonl"]


def test_over_long_names(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    for flag in ("--out", "--csv", "--report"):
        outcome = glimpse("process", wall, "--model", "none", "--out", os.devnull, flag, path)
        assert_refused(outcome, 1, path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_standard_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """Whatever a command prints."""
    words = ["--seconds", "2", "--fps", "25", "--width", "160", "--height", "120", "--face-width", "70"]
    command = [sys.executable, "-m", "offline", "synthesize", *words, "--events", "0", "--out", str(tmp_path)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (
        1,
        "glimpse-offline: standard output: No space left on device\n",
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk(glimpse: Glimpse, wall: Path) -> None:
    outcome = glimpse("process", wall, "--model", "none", "--out", "/dev/full")
    assert_refused(outcome, 1, "/dev/full", "No space left")


def test_an_earlier_output_survives_a_failed_run(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    earlier, table = tmp_path / "events.jsonl", tmp_path / "frames.csv"
    earlier.write_text("earlier\n")
    table.write_text("earlier\n")
    words = ["process", wall, "--model", "none", "--out", earlier, "--csv", table]
    assert_refused(glimpse(*words, "--report", tmp_path / "none" / "r.html"), 1, tmp_path / "none")
    assert_refused(glimpse("process", tmp_path / "none.avi", *words[2:]), 1)
    assert (earlier.read_text(), table.read_text()) == ("earlier\n", "earlier\n")


# --- models


def test_models_that_are_not_there(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    refuse_and_explain(glimpse, 1, ["process", wall, "--model", "nonesuch"], "nonesuch")
    assert_refused(glimpse("process", wall, "--model", tmp_path), 1, tmp_path, "bundle.json")
    assert_refused(glimpse("process", wall, "--model", "x" * 300), 1, "no model bundle")


@pytest.mark.parametrize("file", ["cnn.onnx", "scorer.npz", "MODEL_CARD.md"])
def test_a_bundle_with_one_changed_byte(
    glimpse: Glimpse, wall: Path, tiny_bundle: Path, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_bundle, folder)
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    assert_refused(glimpse("process", wall, "--model", folder), 1, folder, file, "has changed")
    (folder / file).unlink()
    assert_refused(glimpse("process", wall, "--model", folder), 1, folder, file, "lacks")


def test_a_bundle_of_another_feature_spec(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "tiny", feature_spec="0000000000000000")
    assert_refused(
        glimpse("process", wall, "--model", folder), 1, folder, "0000000000000000", "train it again"
    )


def test_cuda_where_there_is_none(glimpse: Glimpse, wall: Path, tiny_bundle: Path) -> None:
    try:
        load_recognizer(tiny_bundle, device="cuda")
    except DeviceError:
        assert_refused(glimpse("process", wall, "--model", tiny_bundle, "--device", "cuda"), 1, "CUDA")
    else:
        pytest.skip("this machine has CUDA")


# --- results


@pytest.fixture(scope="module")
def results(clip: Clip, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that one run over the clip writes."""
    folder = tmp_path_factory.mktemp("results")
    words: list[str | Path] = ["process", clip.video, "--model", tiny_bundle, "--truth", clip.truth]
    for flag, name in (("--out", "events.jsonl"), ("--csv", "frames.csv"), ("--report", "report.html")):
        words += [flag, folder / name]
    assert realtime.cli.main([str(word) for word in words]) == 0
    return folder


def records(text: str) -> list[dict[str, Any]]:
    """Every line, checked against the published schema."""
    schema = json.loads(
        files("realtime").joinpath("schema/glimpse-1.schema.json").read_text(encoding="utf-8")
    )
    validator = jsonschema.Draft202012Validator(schema)
    assert text.endswith("\n")
    parsed = [json.loads(line) for line in text.splitlines()]
    for record in parsed:
        validator.validate(record)
    return parsed


def test_events_follow_the_schema_and_the_truth(results: Path, clip: Clip) -> None:
    stream, warm_up, event, summary = records((results / "events.jsonl").read_text(encoding="utf-8"))
    assert (warm_up["type"], warm_up["cause"], warm_up["from_s"]) == ("unobservable", "warm_up", 0.0)
    assert (stream["source"], stream["model"]["name"]) == (str(clip.video), "tiny")
    assert (stream["width"], stream["height"], stream["fps"]) == (240, 200, 100.0)
    true = json.loads(clip.truth.read_text(encoding="utf-8"))["events"][0]
    assert event["type"] == "micro_expression"
    assert abs(event["onset_s"] - true["onset_s"]) < 0.06
    assert abs(event["apex_s"] - true["apex_s"]) < 0.06
    assert abs(event["offset_s"] - true["offset_s"]) < 0.06
    assert event["label"] == max(event["probabilities"], key=event["probabilities"].get)
    assert abs(sum(event["probabilities"].values()) - 1.0) < 1e-3
    assert set(event["regions"]) == set(REGION_NAMES)
    assert summary == {
        "type": "summary",
        "frames": clip.frames,
        "face_frames": clip.frames,
        "skipped": {},
        "unobservable": {"warm_up": pytest.approx(warm_up["to_s"] * 100.0 / (clip.frames - 1), abs=1e-3)},
        "events": 1,
        "wall_s": None,
    }


def test_the_table_has_a_row_for_every_frame(results: Path, clip: Clip) -> None:
    rows = list(csv.DictReader(io.StringIO((results / "frames.csv").read_text(encoding="utf-8"))))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["frame"]) for row in rows] == list(range(clip.frames))
    assert all(row["success"] == "1" for row in rows)
    assert rows[-1]["motion_chin"] != ""


def test_the_report_names_the_stream_and_the_truth(results: Path, clip: Clip) -> None:
    page = (results / "report.html").read_text(encoding="utf-8")
    assert clip.video.name in page
    assert json.loads(clip.truth.read_text(encoding="utf-8"))["events"][0]["label"] in page


def test_the_report_shows_motion_and_no_face(results: Path) -> None:
    page = (results / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3
    assert "data:image/jpeg" not in page
    assert '<section class="card"' in page


def test_faces_come_into_a_report_on_request_only(glimpse: Glimpse, clip: Clip, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    words = ["process", clip.video, "--model", "none", "--out", tmp_path / "e.jsonl", "--report", page]
    outcome = glimpse(*words, "--allow-faces")
    assert (outcome.code, outcome.err) == (0, f"glimpse: {page}: will show faces; only you can read it\n")
    assert page.read_text(encoding="utf-8").count("data:image/jpeg;base64,/9j/") == 4
    assert page.stat().st_mode & 0o777 == 0o600
    assert_refused(glimpse("process", clip.video, "--allow-faces"), 2, "--report")
    assert_refused(glimpse("process", clip.video, "--allow-faces", "--report", "-"), 2, "--report PATH")


def test_films_are_written_on_clear_request_only(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    words: list[str | Path] = ["process", wall, "--model", "none", "--out", tmp_path / "e.jsonl"]
    path = tmp_path / "out.mp4"
    assert_refused(glimpse(*words, "--video", path), 2, "--video", "--allow-clips")
    assert not path.exists()
    outcome = glimpse(*words, "--video", path, "--allow-clips")
    assert (outcome.code, outcome.err) == (0, f"glimpse: {path}: will show a face; only you can read it\n")
    assert path.stat().st_mode & 0o777 == 0o600
    video = cv2.VideoCapture(str(path))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (12, 100)
    video.release()
    assert_refused(glimpse(*words[:4], "--video", "-", "--allow-clips"), 2, "--video PATH")
    assert_refused(glimpse(*words[:4], "--video", wall, "--allow-clips"), 2, wall)
    folder = tmp_path / "many"
    other = shutil.copy(wall, tmp_path / "other.avi")
    glimpse("process", wall, other, "--out", folder, "--video", folder, "--allow-clips", "--model", "none")
    assert sorted(p.name for p in folder.glob("*.mp4")) == ["other.mp4", "wall.mp4"]


def test_a_window_needs_a_display(glimpse: Glimpse, wall: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert_refused(glimpse("process", wall, "--show", "--model", "none"), 1, "--show", "--report", "--video")
    assert_refused(glimpse("process", wall, wall, "--show", "--model", "none"), 2, "--show")


def test_a_second_run_writes_the_same_bytes(
    glimpse: Glimpse, results: Path, clip: Clip, tiny_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "frames.csv"
    outcome = glimpse("process", clip.video, "--model", tiny_bundle, "--csv", table)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (results / "events.jsonl").read_text(encoding="utf-8")
    assert table.read_bytes() == (results / "frames.csv").read_bytes()
    assert sorted(path.name for path in results.iterdir()) == ["events.jsonl", "frames.csv", "report.html"]


def test_the_time_taken_is_told_when_asked_for(glimpse: Glimpse, wall: Path) -> None:
    outcome = glimpse("process", wall, "--model", "none", "--timing")
    assert (outcome.code, outcome.err) == (0, "")
    stream, hidden, summary = records(outcome.out)
    assert stream["model"] is None
    assert (hidden["type"], hidden["cause"]) == ("unobservable", "no_face")
    assert summary["unobservable"] == {"no_face": 1.0}
    assert summary["wall_s"] > 0
    assert summary["skipped"] == {"no_face": 12}


def test_a_folder_of_images(glimpse: Glimpse, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"img{number}.png"), picture(number))
    (folder / "img3.png").write_bytes(b"no picture")
    outcome = glimpse("process", folder, "--model", "none", "--fps", "50")
    assert (outcome.code, outcome.err) == (0, "")
    stream, summary = records(outcome.out)
    assert stream["fps"] == 50.0
    assert summary["skipped"] == {"no_face": 3, "undecodable": 1}
    assumed = glimpse("process", folder, "--model", "none", "--out", tmp_path)
    assert (assumed.code, assumed.out) == (0, "")
    assert str(folder) in assumed.err
    assert len(assumed.err.splitlines()) == 1
    assert records((tmp_path / "images.jsonl").read_text(encoding="utf-8"))[0]["notes"]


def test_several_files_of_which_one_fails(glimpse: Glimpse, wall: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.avi"
    outcome = glimpse("process", missing, wall, "--model", "none", "--out", tmp_path, "--csv", tmp_path)
    assert_refused(outcome, 1, missing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wall.csv", "wall.jsonl"]
    records((tmp_path / "wall.jsonl").read_text(encoding="utf-8"))


def test_an_interrupted_run(
    glimpse: Glimpse, wall: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("realtime.pipeline.Pipeline.push", interrupt)
    outcome = glimpse("process", wall, "--model", "none", "--out", tmp_path / "events.jsonl")
    assert (outcome.code, outcome.out) == (130, "")
    (line,) = outcome.err.splitlines()
    assert line.startswith("glimpse: interrupted")
    assert not (tmp_path / "events.jsonl").exists()


# --- as a process of its own


def test_an_odd_name_does_nothing_to_a_terminal(glimpse: Glimpse, tmp_path: Path) -> None:
    done = glimpse("process", tmp_path / "a\x1b[2J\x07\u202e.mp4")
    assert_refused(done, 1, r"a\x1b[2J\x07\u202e.mp4")
    assert done.err.rstrip("\n").isprintable()
    assert len(terminal.one_line(DataError("x" * 9999))) == 2001


def test_nothing_but_the_result_reaches_a_terminal(wall: Path) -> None:
    done = _python("-m", "realtime", "process", str(wall), "--model", "none")
    assert (done.returncode, done.stderr) == (0, "")
    records(done.stdout)


def test_an_error_reaches_the_shell(tmp_path: Path) -> None:
    done = _python("-m", "realtime", "process", str(tmp_path / "none.mkv"), "--model", "none")
    assert_refused(Outcome(done.returncode, done.stdout, done.stderr), 1, "none.mkv")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_reader_that_goes_away_is_no_error(wall: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime", "process", str(wall), "--model", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, complaints = process.communicate(timeout=120)
    assert (process.returncode, complaints) == (141, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_closed_standard_error_spoils_nothing(wall: Path, tmp_path: Path) -> None:
    words = f"{sys.executable} -m realtime process {wall} --model none"
    done = subprocess.run(
        ["sh", "-c", f"{words} 2>&-"], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0
    records(done.stdout)
    missing = f"{sys.executable} -m realtime process {tmp_path / 'none.mkv'} --model none 2>&-"
    done = subprocess.run(["sh", "-c", missing], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=ROOT, timeout=120)


# --- help


COMMANDS = [
    (realtime.cli.main, ["--help"]),
    (realtime.cli.main, ["process", "--help"]),
    *((offline.cli.main, [*name, "--help"]) for name in ([], *([n] for n in offline.cli.COMMANDS))),
    (export.cli.main, ["--help"]),
    (realtime.cli.main, ["--version"]),
    (offline.cli.main, ["--version"]),
    (export.cli.main, ["--version"]),
]


@pytest.mark.parametrize(("main", "words"), COMMANDS)
def test_help(capsys: pytest.CaptureFixture[str], main: Callable[[list[str]], int], words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(("usage: glimpse", "glimpse "))


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "for name in ('cv2', 'numpy', 'mediapipe', 'onnxruntime', 'sklearn', 'matplotlib', 'yaml'):\n"
        "    sys.modules[name] = None\n"
        "from realtime.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    for words in (["--help"], ["process", "--help"], ["--version"]):
        done = _python("-c", script, *words)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("main", [offline.cli.main, export.cli.main])
def test_the_other_commands_refuse_in_one_line_too(
    capsys: pytest.CaptureFixture[str], main: Callable[[list[str]], int]
) -> None:
    code = main(["--colour"])
    prog = "glimpse-offline" if main is offline.cli.main else "glimpse-export"
    assert_refused(Outcome(code, *capsys.readouterr()), 2, prog=prog)


def test_every_error_has_an_exit_code() -> None:
    def family(kind: type[GlimpseError]) -> list[type[GlimpseError]]:
        return [kind, *(member for child in kind.__subclasses__() for member in family(child))]

    assert {kind.exit_code for kind in family(GlimpseError)} == {1, 2}
