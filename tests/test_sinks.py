from __future__ import annotations

import csv
import fcntl
import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from realtime.errors import OutputError, UsageError
from realtime.geometry import REGION_NAMES
from realtime.sinks import CsvSink, EventSink, JsonLinesSink, SinkGroup
from realtime.sinks.csv import COLUMNS
from realtime.sinks.files import OutputFile, partial_of, refuse_inputs, write_together
from realtime.sinks.records import event_record, notice_record, stream_record, summary_record, to_line
from realtime.sinks.report import ReportSink
from realtime.types import (
    FacialEvent,
    FrameRow,
    HeadPose,
    KeyFrames,
    ModelInfo,
    Motion,
    Provisional,
    Recognition,
    RunSummary,
    StreamInfo,
    Unobservable,
    Withdrawn,
)

INFO = StreamInfo("clip.mkv", 640, 480, 200.0)
MODEL = ModelInfo("default", "0123abcd")
SUMMARY = RunSummary(
    frames=4000,
    face_frames=3980,
    events=2,
    skipped={"no_face": 17, "blurred": 3},
    unobservable={"no_face": 0.01, "motion": 0.12345},
)
KEYS = KeyFrames(
    kind="micro_expression",
    onset_s=1.20500001,
    apex_s=1.34,
    offset_s=1.5199999,
    onset_frame=241,
    apex_frame=268,
    offset_frame=304,
    strength=4.2001,
    regions={"mouth_corner_left": 1.0, "chin": 0.12345},
    decided_s=1.56,
)
RECOGNITION = Recognition(
    "happiness", {"happiness": 0.71, "surprise": 0.06, "disgust": 0.14, "repression": 0.09}
)
MICRO = FacialEvent("f0-241", 0, KEYS, RECOGNITION)
MACRO = FacialEvent("f0-500", 0, replace(KEYS, kind="macro_expression"), None)
POSE = HeadPose(320.12345, 240.0, 60.0, -0.0001, 3.5, float("nan"))


def motion() -> Motion:
    regions = np.zeros((17, 2), np.float32)
    regions[3] = (0.3, 0.4)
    return Motion(5, 0.025, 0.133, regions, np.zeros((2, 2), np.float32), 0.8, 0.2, 120.0, 0.0, 0.3)


NOTICES = [
    Provisional("0-241", 0, 1.2, 1.3312, 6.123, 1.4),
    Withdrawn("0-100", 0, 1.41),
    Unobservable(2.0, 3.50049, "motion"),
    Unobservable(2.0, 3.5, "no_face", 1),
]
ROWS = [
    FrameRow(4, None, skipped="undecodable"),
    FrameRow(5, 0.025, 0, POSE, motion=motion()),
    FrameRow(6, 0.03, 0, POSE, skipped="blurred", unobservable="blur"),
]


def run(sink: EventSink) -> None:
    sink.open(INFO, MODEL)
    for row in ROWS:
        sink.write_frame(row)
    for notice in NOTICES:
        sink.write_notice(notice)
    sink.write_event(MICRO)
    sink.write_event(MACRO)
    sink.close(SUMMARY)


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(files("realtime").joinpath("schema/glimpse-1.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_lines_word_for_word() -> None:
    assert to_line(stream_record(INFO, MODEL)) == (
        b'{"type":"stream","schema":"glimpse/1","source":"clip.mkv","width":640,"height":480,"fps":200.0,'
        b'"model":{"name":"default","id":"0123abcd"}}\n'
    )
    assert to_line(event_record(MICRO)) == (
        b'{"type":"micro_expression","id":"f0-241","face":0,"onset_s":1.205,"apex_s":1.34,"offset_s":1.52,'
        b'"onset_frame":241,"apex_frame":268,"offset_frame":304,"duration_ms":315.0,"strength":4.2,'
        b'"label":"happiness","probabilities":{"happiness":0.71,"surprise":0.06,"disgust":0.14,'
        b'"repression":0.09},"regions":{"mouth_corner_left":1.0,"chin":0.123},"decided_s":1.56}\n'
    )
    assert to_line(summary_record(SUMMARY)) == (
        b'{"type":"summary","frames":4000,"face_frames":3980,"skipped":{"blurred":3,"no_face":17},'
        b'"unobservable":{"motion":0.1235,"no_face":0.01},"events":2,"wall_s":null}\n'
    )


def test_notices_word_for_word() -> None:
    assert b"".join(to_line(notice_record(notice)) for notice in NOTICES).splitlines() == [
        b'{"type":"provisional","id":"0-241","face":0,"onset_s":1.2,"apex_s":1.331,"strength":6.12,"decided_s":1.4}',
        b'{"type":"withdrawn","id":"0-100","face":0,"decided_s":1.41}',
        b'{"type":"unobservable","from_s":2.0,"to_s":3.5,"cause":"motion"}',
        b'{"type":"unobservable","face":1,"from_s":2.0,"to_s":3.5,"cause":"no_face"}',
    ]


def test_macro_expressions_are_not_labelled() -> None:
    record = event_record(MACRO)
    assert (record["type"], record["label"], record["probabilities"]) == ("macro_expression", None, None)


def test_every_record_fits_the_schema(validator: Any) -> None:
    for record in (
        stream_record(INFO, MODEL),
        stream_record(replace(INFO, notes=("a remark",)), None),
        event_record(MICRO),
        event_record(MACRO),
        summary_record(SUMMARY),
        summary_record(replace(SUMMARY, wall_s=14.1234, notes=("a remark",))),
    ):
        validator.validate(json.loads(to_line(record)))


@pytest.mark.parametrize(
    "change",
    [
        {"onset_s": None},
        {"label": 3},
        {"regions": {"chin": 1.5}},
        {"probabilities": {"happiness": -0.1}},
        {"type": "blink"},
        {"extra": 1},
    ],
)
def test_the_schema_refuses_other_records(validator: Any, change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**event_record(MICRO), **change})


def test_a_name_that_is_no_text_is_written_all_the_same() -> None:
    line = to_line(stream_record(replace(INFO, source="clip-ü-\udcff.mkv"), None))
    assert "clip-ü-".encode() in line
    assert json.loads(line)["source"] == "clip-ü-\udcff.mkv"


def test_not_a_number_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_line(event_record(replace(MICRO, key_frames=replace(KEYS, strength=math.nan))))


def test_json_lines_repeat_byte_for_byte(tmp_path: Path, validator: Any) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        run(JsonLinesSink(tmp_path / name))
    data = (tmp_path / "a.jsonl").read_bytes()
    assert data == (tmp_path / "b.jsonl").read_bytes()
    records = [json.loads(line) for line in data.splitlines()]
    assert [record["type"] for record in records] == [
        *("stream", "provisional", "withdrawn", "unobservable", "unobservable"),
        *("micro_expression", "macro_expression", "summary"),
    ]
    for record in records:
        validator.validate(record)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_events_are_seen_at_once() -> None:
    seen: list[bytes] = []

    class Pipe(io.BytesIO):
        def flush(self) -> None:
            seen.append(self.getvalue())

    sink = JsonLinesSink("-", stdout=Pipe())
    sink.open(INFO, MODEL)
    sink.write_event(MICRO)
    assert seen[-1].endswith(to_line(event_record(MICRO)))
    sink.close(SUMMARY)


def test_table_of_frames(tmp_path: Path) -> None:
    run(CsvSink(tmp_path / "frames.csv"))
    with (tmp_path / "frames.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert len(COLUMNS) == 14 + len(REGION_NAMES)
    lost, good, blurred = rows
    assert (lost["frame"], lost["timestamp"], lost["success"], lost["skipped"]) == (
        "4",
        "",
        "0",
        "undecodable",
    )
    assert set(lost.values()) == {"4", "", "0", "undecodable"}
    assert (good["timestamp"], good["face_id"], good["success"], good["skipped"]) == ("0.025", "0", "1", "")
    assert (good["pose_x_px"], good["roll_deg"], good["pitch_deg"]) == ("320.123", "0.000", "")
    assert (good["rigid"], good["residual"]) == ("0.8000", "0.2000")
    assert good[f"motion_{REGION_NAMES[3]}"] == "0.5000"
    assert (blurred["success"], blurred["skipped"], blurred["rigid"]) == ("0", "blurred", "")
    assert (good["unobservable"], blurred["unobservable"]) == ("", "blur")


SINKS = [JsonLinesSink, CsvSink, ReportSink]


@pytest.mark.parametrize("kind", SINKS)
def test_an_earlier_file_stays_until_the_end(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "out"
    path.write_text("earlier")
    sink = kind(path)
    sink.open(INFO, MODEL)
    sink.write_event(MICRO)
    assert path.read_text() == "earlier"
    sink.close(SUMMARY)
    assert path.read_text("utf-8") != "earlier"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]
    assert sink.abort() is None


def test_what_was_written_is_kept_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("earlier")
    sink = JsonLinesSink(path)
    sink.open(INFO, MODEL)
    sink.write_event(MICRO)
    line = sink.abort()
    assert path.read_text() == "earlier"
    partial = tmp_path / "out.jsonl.partial"
    assert line == f"what was written so far is kept in {partial}"
    assert len(partial.read_bytes().splitlines()) == 2
    assert sink.abort() is None


@pytest.mark.parametrize("kind", SINKS)
def test_abort_before_open_says_nothing(tmp_path: Path, kind: Any) -> None:
    assert kind(tmp_path / "out").abort() is None
    assert list(tmp_path.iterdir()) == []


def test_an_aborted_report_leaves_nothing(tmp_path: Path) -> None:
    sink = ReportSink(tmp_path / "report.html")
    sink.open(INFO, MODEL)
    assert sink.abort() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", SINKS)
def test_places_that_cannot_be_written(tmp_path: Path, kind: Any) -> None:
    for path, cause in ((tmp_path, "is a folder"), (tmp_path / "none" / "out", "folder does not exist")):
        with pytest.raises(OutputError, match=cause) as error:
            kind(path).open(INFO, MODEL)
        assert str(path) in str(error.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("kind", SINKS)
def test_a_full_disk(kind: Any) -> None:
    sink = kind("/dev/full")
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left"):
        run(sink)
    assert sink.abort() is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_files_that_belong_together_change_together(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_together({first: b"1", second: b"2"})
    for failing in (Path("/dev/full"), tmp_path / "none" / "third"):
        with pytest.raises(OutputError, match=f"^{failing}"):
            write_together({first: b"new", failing: b"3", second: b"new"})
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            "first": b"1",
            "second": b"2",
        }
    write_together({first: b"new", second: b"new"})
    assert [path.read_bytes() for path in (first, second)] == [b"new", b"new"]


def test_no_output_is_an_input(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    (tmp_path / "link.mp4").symlink_to(film)
    refuse_inputs([tmp_path / "other.json"], [film])
    for output, name in (("film.mp4", film), ("link.mp4", film), ("film", tmp_path / "film.partial")):
        with pytest.raises(UsageError, match=f"^{name}: is both input and output"):
            refuse_inputs([tmp_path / "out.json", tmp_path / output], [name])


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("earlier")
    (tmp_path / "link").symlink_to("target")
    run(JsonLinesSink(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes().startswith(b'{"type":"stream"')


def test_a_reader_that_goes_away() -> None:
    class Closed(io.BytesIO):
        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(OutputError, match="standard output: its reader has closed it"):
        JsonLinesSink("-", stdout=Closed()).open(INFO, MODEL)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_broken_pipe_leaves_no_second_complaint() -> None:
    script = (
        "import sys\n"
        "from realtime.errors import OutputError\n"
        "from realtime.sinks import JsonLinesSink\n"
        "from realtime.types import StreamInfo\n"
        "sys.stdin.read(1)\n"
        "try:\n"
        "    JsonLinesSink('-').open(StreamInfo('clip', 1, 1, 30.0), None)\n"
        "except OutputError:\n"
        "    sys.exit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, complaints = process.communicate(b"x", timeout=60)
    assert (process.returncode, complaints) == (7, b"")


def test_a_group_serves_all_and_says_what_is_kept(tmp_path: Path) -> None:
    run(SinkGroup([JsonLinesSink(tmp_path / "a"), CsvSink(tmp_path / "b"), ReportSink(tmp_path / "c")]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    group = SinkGroup([JsonLinesSink(tmp_path / "d"), CsvSink(tmp_path / "none" / "e")])
    with pytest.raises(OutputError):
        group.open(INFO, MODEL)
    assert group.abort() == f"what was written so far is kept in {tmp_path / 'd.partial'}"


def test_action_units_are_written_where_they_are_known(validator: Any) -> None:
    units = Recognition(
        "happiness", {"happiness": 1.0}, action_units={"AU6": 0.204, "AU12": 0.831}, sides={"AU12": "left"}
    )
    record = event_record(replace(MICRO, recognition=units))
    assert record["action_units"] == {"AU6": 0.2, "AU12": 0.83}
    assert record["sides"] == {"AU12": "left"}
    assert "action_units" not in event_record(MICRO)
    validator.validate(record)


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"earlier")
    partial_of(path).write_bytes(b"left by a run that was killed")
    first = OutputFile(path)
    with pytest.raises(OutputError, match=r"out\.jsonl: another run is writing it"):
        OutputFile(path)
    assert path.read_bytes() == b"earlier"
    first.write(b"first")
    first.commit()
    assert path.read_bytes() == b"first"
    second = OutputFile(path)
    second.write(b"second")
    assert second.abandon() == f"what was written so far is kept in {partial_of(path)}"
    assert path.read_bytes() == b"first"
    OutputFile(path).commit()
    assert path.read_bytes() == b""


def test_what_others_have_laid_in_the_way_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    """In a folder that others can write, too."""
    path, victim = tmp_path / "out.jsonl", tmp_path / "victim"
    victim.write_bytes(b"precious")
    partial_of(path).symlink_to(victim)
    with pytest.raises(OutputError, match=r"out\.jsonl\.partial is a link; remove it"):
        OutputFile(path)
    assert victim.read_bytes() == b"precious"
    partial_of(path).unlink()
    os.mkfifo(partial_of(path))
    with pytest.raises(OutputError, match=r"out\.jsonl: cannot be written"):
        OutputFile(path)


def test_a_file_that_gets_its_name_while_another_run_opens_it_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run has opened what is the first one's result by the time that it may have it."""
    path = tmp_path / "out.jsonl"
    first = OutputFile(path)
    first.write(b"first")
    flock = fcntl.flock

    def slow(file: Any, what: int) -> None:
        first.commit()
        flock(file, what)

    monkeypatch.setattr(fcntl, "flock", slow)
    with pytest.raises(OutputError, match="another run has just written it"):
        OutputFile(path)
    assert path.read_bytes() == b"first"
