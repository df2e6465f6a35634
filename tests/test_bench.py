"""`glimpse bench`: what it adds up, how it watches, what it says. No figure of time is judged here."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Clip

import realtime.cli
from realtime.bench import command, host, sample
from realtime.bench.comparison import comparison, load_record
from realtime.bench.environment import environment
from realtime.bench.fleet import MeasuringFailed, run_together
from realtime.bench.histogram import Histogram, bucket_edges_ms
from realtime.bench.host import stolen_s
from realtime.bench.memory import peak_mb, resident_mb, slope
from realtime.bench.plot import picture
from realtime.bench.record import middle, rounded, together
from realtime.bench.stopwatch import STAGES, Course, Stopwatch, watched_stages
from realtime.bench.streams import Repeated
from realtime.bench.table import table
from realtime.bench.watch import Span, WatchedSource
from realtime.bench.worker import Job
from realtime.errors import DataError, OutputError
from realtime.pipeline import Pipeline
from realtime.sources import open_source
from realtime.types import Frame, StreamInfo, Unreadable, readonly

Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str]) -> Bench:
    """Run `glimpse bench` in this process; gives the exit code and both outputs."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = realtime.cli.main(["bench", *map(str, words)])
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def measured(clip: Clip) -> list[dict[str, Any]]:
    """Two streams of one run, each in its own process, measured once."""
    job = Job(str(clip.video), None, 200, None, 0.5, "none", "cpu", 0.0)
    return run_together([job, job])


def whole(streams: list[dict[str, Any]], runs: int = 2) -> dict[str, Any]:
    """The record that the command would make of them."""
    parts = [{**stream, "rss_slope": None} for stream in streams]
    head = {
        "schema": "glimpse-bench/1",
        "source": "a.mkv",
        "paced_fps": None,
        "model": "none",
        "device": "cpu",
    }
    return rounded({**head, **middle([together(parts)] * runs), "environment": environment()})


# --- durations


def test_quantiles_are_right_to_half_a_percent() -> None:
    durations = np.random.default_rng(0).lognormal(1.0, 0.7, 5000)
    histogram = Histogram()
    for duration in durations:
        histogram.add(float(duration))
    for share in (0.5, 0.95, 0.99):
        assert histogram.quantile_ms(share) == pytest.approx(np.quantile(durations, share), rel=0.012)
    record = histogram.as_record()
    assert record["max_ms"] == durations.max()
    assert record["mean_ms"] == pytest.approx(durations.mean())
    edges, counts = bucket_edges_ms(record)
    assert len(edges) == len(counts) + 1
    assert sum(counts) == record["count"] == 5000


def test_durations_out_of_range_are_counted_too() -> None:
    histogram = Histogram()
    for duration in (0.0, 1e-9, 1e9):
        histogram.add(duration)
    assert histogram.as_record()["count"] == 3
    assert histogram.quantile_ms(1.0) <= 1e9
    assert np.isnan(Histogram().quantile_ms(0.5))


def test_merged_histograms_are_one_of_all() -> None:
    parts, one = [Histogram(), Histogram()], Histogram()
    for number, duration in enumerate(np.geomspace(0.1, 50.0, 101)):
        parts[number % 2].add(float(duration))
        one.add(float(duration))
    merged, wanted = Histogram.merged([part.as_record() for part in parts]).as_record(), one.as_record()
    assert merged.pop("buckets") == wanted.pop("buckets")
    assert merged == pytest.approx(wanted)


def test_what_is_kept_does_not_grow_with_the_run() -> None:
    course, histogram = Course(frames_per_slice=1), Histogram()
    size = len(histogram.__dict__["_counts"])
    for number in range(20_000):
        course.add([float(number % 7)] * len(STAGES))
        histogram.add(number / 100.0)
    record = course.as_record()
    assert 256 <= len(record["frames"]) <= 512
    assert record["frames"][-1] <= 20_000
    assert np.mean(record["stages_ms"]["flow"]) == pytest.approx(3.0, abs=0.01)
    assert len(histogram.__dict__["_counts"]) == size


# --- memory


def test_a_slope_that_is_there_and_one_that_is_not() -> None:
    frames = np.arange(0, 200_000, 1000, dtype=float)
    noise = np.random.default_rng(0).normal(0.0, 0.5, len(frames))
    flat = slope(frames.tolist(), (300.0 + noise).tolist())
    leak = slope(frames.tolist(), (300.0 + noise + 0.01 * frames / 1000.0).tolist())
    assert flat is not None
    assert leak is not None
    assert flat["is_zero"]
    assert not leak["is_zero"]
    assert leak["low"] < 0.01 < leak["high"]
    assert slope([100.0, 200.0], [1.0, 1.0]) is None


def test_memory_is_read() -> None:
    resident, peak = resident_mb(), peak_mb()
    assert resident is None or 1.0 < resident <= (peak or resident)


# --- the stopwatch


def test_parts_of_a_frame_and_what_is_left() -> None:
    watch = Stopwatch(budget_ms=1e6)
    watch.begin()
    watch.add("flow", 0.0)
    watch.add("flow", 0.0)
    other = threading.Thread(target=watch.add, args=("face", 3.0))
    other.start()
    other.join()
    watch.end()
    assert watch.route.count == watch.stages["flow"].count == watch.stages["rest"].count == 1
    assert watch.stages["face"].count == 0
    assert watch.beside["face"].sum_ms == 3.0
    watch.begin()
    watch.end(waited_ms=2e6)
    assert watch.late_frames == 1
    assert watch.latency.max_ms == 2e6


def test_stages_are_watched_only_while_it_is_measured(clip: Clip) -> None:
    from realtime.flow import FlowMeter

    before = FlowMeter.push
    watch = Stopwatch(budget_ms=10.0)
    with watched_stages(watch), Pipeline() as pipeline, open_source(str(clip.video)) as source:
        assert FlowMeter.push is not before
        for frame in source:
            watch.begin()
            pipeline.push(frame)
            watch.end()
    assert FlowMeter.push is before
    ran = {name for name, times in watch.stages.items() if times.count}
    assert ran >= {"face", "align", "flow", "spot", "recognise", "rest"}
    assert set(watch.beside) <= {"decode", "face"}
    assert watch.beside["decode"].count >= clip.frames


# --- streams


class Pictures:
    """A recorded stream of three frames, one of them unreadable."""

    def __init__(self) -> None:
        self.info = StreamInfo("three", 8, 8, 50.0)
        self.closed = False

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        image = readonly(np.zeros((8, 8, 3), np.uint8))
        yield Frame(0, 0.0, image)
        yield Unreadable(1, "undecodable")
        yield Frame(2, 0.04, image)


def test_a_stream_is_repeated_as_one() -> None:
    opened: list[Pictures] = []

    def opener() -> Pictures:
        opened.append(Pictures())
        return opened[-1]

    with Repeated(opener, fps=None, frames=8, enough=threading.Event()) as repeated:
        items = list(repeated)
    assert [item.index for item in items] == list(range(8))
    times = [item.time_s for item in items if isinstance(item, Frame)]
    assert times == pytest.approx([0.0, 0.04, 0.06, 0.10, 0.12])
    assert repeated.passes == 3
    assert all(source.closed for source in opened)


def test_a_repeated_stream_gets_another_rate_and_can_be_ended() -> None:
    enough, seen = threading.Event(), []
    with Repeated(Pictures, fps=200.0, frames=None, enough=enough) as repeated:
        assert repeated.info.fps == 200.0
        for item in repeated:
            seen.append(item)
            if len(seen) == 5:
                enough.set()
    assert len(seen) == 5
    assert seen[3].time_s == pytest.approx(3 / 200.0)


def test_the_warm_up_is_kept_apart_and_drops_are_counted() -> None:
    image = readonly(np.zeros((8, 8, 3), np.uint8))

    class Camera(Pictures):
        def __iter__(self) -> Iterator[Frame | Unreadable]:
            for index in range(20):
                yield (
                    Unreadable(index, "dropped") if index in (1, 15, 16) else Frame(index, index / 10, image)
                )

    watch = Stopwatch(budget_ms=100.0)
    source = WatchedSource(Camera(), watch, Span(1.0, None), threading.Event(), lambda index: 0.0)
    assert len(list(source)) == 20
    assert source.warm_up is not None
    assert source.warm_up["frames"] == 9
    assert watch.route.count == watch.latency.count == 8
    assert source.dropped == 2
    assert watch.late_frames == 8


# --- the own stream


def test_the_own_stream_ends_as_it_begins_and_moves_between() -> None:
    images = list(sample.pictures(10.0))
    assert len(images) == round(10 * sample.PERIOD_S)
    assert {image.shape for image in images} == {(sample.HEIGHT, sample.WIDTH, 3)}
    step = [
        float(np.abs(a.astype(int) - b).mean()) for a, b in zip(images, images[1:] + images[:1], strict=True)
    ]
    assert step[-1] <= max(step[:-1])
    first = sample.EXPRESSIONS[0]
    assert first.onset_s < 1.0
    assert first.level(first.apex_s) == 1.0
    assert first.level(first.onset_s) == first.level(first.offset_s) == 0.0


@pytest.mark.parametrize("codec", ["H.264", "MPEG-4"])
def test_the_own_stream_is_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    if codec == "MPEG-4":  # as of an FFmpeg without x264
        monkeypatch.setattr(sample, "_CODECS", (("no such codec", "", {}), *sample._CODECS[1:]))
    monkeypatch.setattr(sample, "PERIOD_S", 0.5)
    images = list(sample.pictures(20.0, seconds=0.5))
    monkeypatch.setattr(sample, "pictures", lambda fps: iter(images))
    path, name = sample.write_sample(tmp_path, 20.0)
    assert name == codec
    capture = cv2.VideoCapture(str(path))
    ok, image = capture.read()
    capture.release()
    assert ok
    assert float(np.abs(image.astype(int) - images[0]).mean()) < 8.0


def test_an_own_stream_that_nothing_encodes_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "_CODECS", (("no such codec", "", {}),))
    with pytest.raises(OutputError, match="name a SOURCE"):
        sample.write_sample(tmp_path, 20.0)


# --- records


def test_the_route_is_measured_in_processes_of_their_own(measured: list[dict[str, Any]]) -> None:
    for stream in measured:
        assert set(stream["stages"]) >= {"decode", "face", "align", "flow", "spot", "sinks", "rest"}
        assert stream["frames"] == 200 - stream["warm_up"]["frames"]
        assert stream["route"]["count"] == stream["processor"]["count"] == stream["frames"]
        assert stream["processor"]["mean_ms"] <= 1.01 * stream["route"]["mean_ms"] + 0.1
        assert stream["stream"]["passes"] == 2
        assert stream["budget_ms"] == pytest.approx(10.0)
        assert stream["provider"] is None
        assert stream["first_event_s"] > 0.0


def test_streams_are_summed_and_runs_take_the_median(measured: list[dict[str, Any]]) -> None:
    record = whole(measured)
    assert record["fps"] == pytest.approx(sum(stream["fps"] for stream in measured), rel=1e-3)
    assert record["frames"] == record["route"]["count"] == sum(stream["frames"] for stream in measured)
    assert len(record["streams"]) == 2
    runs = [{**measured[0], "fps": fps, "streams": []} for fps in (1.0, 9.0, 3.0)]
    assert middle(runs)["fps"] == 3.0
    assert len(middle(runs)["runs"]) == 3
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_the_table_names_everything(measured: list[dict[str, Any]]) -> None:
    text = table(whole(measured))
    for word in (
        *STAGES[:5],
        "sinks",
        "rest",
        "route",
        "processor",
        "throughput",
        "late",
        "provider",
        "memory",
        "warm-up",
    ):
        assert f"\n{word} " in text, word
    assert "2 streams at once" in text
    assert "medians of 2 runs" in text
    assert "nan" not in text


def test_what_the_host_takes_is_said(
    measured: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = whole(measured)
    assert "12.5% of its time taken by its host" in table({**record, "stolen": 0.125})
    assert "taken by its host" not in table({**record, "stolen": None})
    stat = tmp_path / "stat"
    monkeypatch.setattr(host, "_STAT", stat)
    monkeypatch.setattr(host.os, "cpu_count", lambda: 4)
    stat.write_text("cpu  9 9 9 9 9 9 9 800 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert stolen_s() == pytest.approx(200.0 / os.sysconf("SC_CLK_TCK"))
    for text in ("", "cpu 1 2", "cpu a b c d e f g h"):
        stat.write_text(text)
        assert stolen_s() is None
    stat.unlink()
    assert stolen_s() is None


@pytest.mark.parametrize(
    ("stolen", "wanted"), [((None, None), None), ((0.0, 0.0), 0.0), ((0.01, None), 0.01), ((0.1, 0.2), 0.2)]
)
def test_of_several_streams_the_largest_share_counts(
    measured: list[dict[str, Any]], stolen: tuple[float | None, float | None], wanted: float | None
) -> None:
    streams = [{**stream, "stolen": share} for stream, share in zip(measured, stolen, strict=True)]
    record = whole(streams)
    assert record["stolen"] == wanted
    assert record["runs"][0]["stolen"] == wanted
    assert ("taken by the host" in comparison(record, record)) == bool(wanted)


def test_waiting_takes_no_processor() -> None:
    watch = Stopwatch(5.0)
    watch.begin()
    threading.Event().wait(0.05)
    watch.end()
    assert watch.processor.max_ms < 0.5 * watch.route.max_ms


def test_the_picture_is_drawn(measured: list[dict[str, Any]]) -> None:
    for name, begins in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")):
        data = picture(whole(measured), name)
        assert data.startswith(begins)
        assert len(data) > 8_000


# --- comparing


def test_ratios_and_what_is_noise(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    before = whole(measured)
    after = json.loads(json.dumps(before))
    for run in (after, *after["runs"]):
        run["fps"] *= 3.0
        run["stages"]["flow"]["mean_ms"] /= 4.0
    lines = comparison(before, after).splitlines()
    assert any(line.startswith("frames/s") and line.endswith("×3.00") for line in lines)
    assert any(line.startswith("flow mean") and line.endswith("×0.25") for line in lines)
    assert any(line.startswith("spot mean") and line.endswith("within noise") for line in lines)
    after["provider"] = "cuda"
    assert "providers differ: None and cuda" in comparison(before, after)


def test_compare_from_the_command_line(measured: list[dict[str, Any]], tmp_path: Path, bench: Bench) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(whole(measured)))
    code, out, err = bench("--compare", path, path)
    assert (code, err) == (0, "")
    assert "×1.00" in out
    other = tmp_path / "b.json"
    for text in ("", "[]", "{}", '{"schema": "glimpse/1"}', "[" * 100_000):
        other.write_text(text)
        with pytest.raises(DataError, match="is no benchmark"):
            load_record(str(other))
    other.write_text('{"schema": "glimpse-bench/1", "runs": [], "streams": 3, "environment": {}}')
    code, out, err = bench("--compare", path, other)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "not whole" in err
    code, out, err = bench("--compare", path, tmp_path / "none.json")
    assert (code, out) == (1, "")
    assert "none.json: cannot be read" in err


# --- the command


def test_the_command_writes_figures_and_a_picture(bench: Bench, clip: Clip, tmp_path: Path) -> None:
    json_path, picture = tmp_path / "a.json", tmp_path / "a.png"
    words = [clip.video, "--frames", "130", "--model", "none", "--json", json_path, "--plot", picture]
    code, out, err = bench(*words)
    assert (code, err) == (0, "")
    assert "throughput" in out
    record = load_record(str(json_path))
    assert {"fps", "route", "stages", "provider", "rss_peak_mb"} <= set(record)
    assert {"p50_ms", "p95_ms", "p99_ms", "max_ms"} <= set(record["route"])
    assert {"cores", "cpu", "packages", "load_average"} <= set(record["environment"])
    assert picture.stat().st_size > 10_000


def test_a_camera_sets_the_pace(bench: Bench, clip: Clip) -> None:
    words = [clip.video, "--fps", "40", "--frames", "140", "--model", "none", "--json", "-"]
    code, out, err = bench(*words)
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["paced_fps"] == record["stream"]["fps"] == 40.0
    assert record["latency"]["count"] == record["frames"] <= 20
    assert record["dropped_frames"] == 0 or record["frames"] < 20


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["none.mp4"], 1, "none.mp4: no such file"),
        (["--streams", "0"], 2, "--streams must lie in 1..64"),
        (["--runs", "0"], 2, "--runs must lie"),
        (["--frames", "-3"], 2, "--frames must lie"),
        (["--seconds", "nan"], 2, "--seconds must be above 0"),
        (["--fps", "0"], 2, "frame rate must lie"),
        (["--plot", "a.bmp"], 2, "--plot a.bmp: name a file ending in"),
        (["--json", "none/a.json"], 1, "none/a.json: its folder does not exist"),
        (["--device", "tpu"], 2, "invalid choice"),
        (["--model", "none/such"], 1, "none/such"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Clip,
    words: list[str], code: int, told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    source = [] if words[0].endswith("mp4") else [clip.video]
    found, out, err = bench(*source, *words)
    assert (found, out) == (code, "")
    (line,) = err.splitlines()
    assert line.startswith("glimpse: ")
    assert told in line


def test_a_stream_that_is_none(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    code, out, err = bench(path, "--model", "none")
    assert (code, out) == (1, "")
    assert "text.mp4" in err
    assert len(err.splitlines()) == 1


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.child.sys.executable", "/bin/false")
    with pytest.raises(MeasuringFailed, match="died"):
        run_together([Job("a", None, 1, None, 0.0, "none", "cpu", 0.0)])


def test_the_sample_is_made_where_no_source_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Path] = []

    def write(folder: Path, fps: float) -> tuple[Path, str]:
        made.append(folder)
        return folder / "sample.mp4", "H.264"

    monkeypatch.setattr(sample, "write_sample", write)
    parser = realtime.cli.build_parser()
    with command._stream(parser.parse_args(["bench"])) as (path, name):
        assert path.endswith("sample.mp4")
        assert name == "own sample (H.264)"
        assert made[0].is_dir()
        assert capsys.readouterr().err == "glimpse: making a stream to measure with\n"
    assert not made[0].exists()
