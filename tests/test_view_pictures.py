"""What is drawn on frames: in films, in the window, and never in the way of the route."""

from __future__ import annotations

import os
import pickle
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Film as Footage
from media import write_video

import realtime.cli
from realtime.errors import OutputError
from realtime.pipeline import Pipeline
from realtime.process import process
from realtime.sinks import SinkGroup
from realtime.sinks import window as window_module
from realtime.sinks.film import FilmSink
from realtime.sinks.window import WindowSink, check_display
from realtime.types import (
    U8,
    AlignedFace,
    Face,
    FacialEvent,
    Frame,
    FrameRow,
    HeadPose,
    KeyFrames,
    Motion,
    Notice,
    Recognition,
    RunSummary,
    StreamInfo,
    readonly,
)
from realtime.view import film as film_module
from realtime.view.clip import write_clip
from realtime.view.film import CODECS, Film
from realtime.view.overlay import draw, layout_of
from realtime.view.passing import receive
from realtime.view.screen import HELP, Screen
from realtime.view.story import PARTS, SPAN_S, Gauges, Scene, Story
from realtime.view.text import put, width_of

INFO = StreamInfo("film.mkv", 240, 200, 100.0)
POSE = HeadPose(120.0, 90.0, 60.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Route:
    """A route that says what a test wants it to."""

    faces: tuple[Face, ...] = ()
    observations: tuple[FrameRow, ...] = ()
    notices: tuple[Notice, ...] = ()
    footage: Mapping[str, tuple[AlignedFace, ...]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)


def frame_at(index: int, fps: float = 100.0) -> Frame:
    return Frame(index, index / fps, readonly(np.full((200, 240, 3), 90, np.uint8)))


def row_at(index: int, chin: float, cause: str | None = None) -> FrameRow:
    regions = np.zeros((17, 2), np.float32)
    regions[16] = (0.0, chin)
    lids = np.zeros((2, 2), np.float32)
    motion = Motion(index, index / 100.0, 0.13, regions, lids, 0.5, 0.1, 100, 0, 0.3)
    return FrameRow(index, index / 100.0, 0, POSE, None, motion, cause)


def event_at(onset_s: float, label: str = "happiness") -> FacialEvent:
    keys = KeyFrames(
        "micro_expression", onset_s, onset_s + 0.1, onset_s + 0.3, round(onset_s * 100),
        round(onset_s * 100) + 10, round(onset_s * 100) + 30, 4.2, {"chin": 1.0}, onset_s + 0.5,
    )  # fmt: skip
    return FacialEvent(f"0-{keys.onset_frame}", 0, keys, Recognition(label, {label: 0.75, "other": 0.25}))


def scene_of(chin: float = 0.0, cause: str | None = None, events: tuple[FacialEvent, ...] = ()) -> Scene:
    story, route = Story(), Route()
    for index in range(300):
        route.observations = (row_at(index, chin, cause),)
        story.push(frame_at(index), route, events if index == 299 else ())
    return story.scene(frame_at(299), route, Gauges("running", 99.6, 12.0, 3))


def changed(one: U8, other: U8) -> tuple[slice, slice]:
    """The part of two pictures in which they differ."""
    rows, columns = np.nonzero((one != other).any(axis=-1))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


# --- the drawing


@pytest.mark.parametrize("size", [(240, 200), (1920, 1080), (641, 479), (200, 900), (4000, 300)])
def test_the_canvas_has_one_size_that_films_can_have(size: tuple[int, int]) -> None:
    layout = layout_of(*size)
    assert all(side % 2 == 0 for side in layout.canvas)
    assert layout.picture[0] <= 1280
    assert layout.picture[1] <= 720
    image = readonly(np.zeros((size[1], size[0], 3), np.uint8))
    canvas = draw(replace(scene_of(), image=image, size=size), layout)
    assert canvas.shape == (layout.canvas[1], layout.canvas[0], 3)


def test_a_patch_lies_where_the_skin_moves_and_an_event_where_it_was() -> None:
    layout = layout_of(240, 200)
    calm = draw(scene_of(), layout)
    rows, columns = changed(calm[:400, :480], draw(scene_of(chin=1.5), layout)[:400, :480])
    chin = 2 * (90.0 + 1.38 * 60.0)  # the picture is shown at twice its size
    assert rows.start < chin < rows.stop
    assert columns.start < 240 < columns.stop
    assert columns.stop - columns.start < 60
    found = draw(scene_of(events=(event_at(2.0),)), layout)
    rows, columns = changed(calm[400:], found[400:])
    width = layout.canvas[0] - 46 - 22
    assert columns.start <= 46 + width * 2.0 / SPAN_S <= columns.stop
    assert (calm[:400, 480:] != found[:400, 480:]).any()


def test_what_cannot_be_seen_is_said_and_hatched() -> None:
    layout = layout_of(240, 200)
    rows, _ = changed(draw(scene_of(), layout), draw(scene_of(cause="motion"), layout))
    assert rows.start < 40  # the remark at the top
    assert rows.stop > 400  # the strip


def test_a_scene_holds_few_seconds_and_travels() -> None:
    story, route = Story(), Route()
    for index in range(2500):
        route.observations = (row_at(index, 0.3),)
        story.push(frame_at(index), route, (event_at(index / 100.0),) if index % 100 == 0 else ())
    scene = story.scene(frame_at(2499), route, Gauges())
    assert scene.time_axis_s[0] >= 24.99 - SPAN_S
    assert (scene.count, len(scene.events)) == (25, 8)
    again = pickle.loads(pickle.dumps(scene))
    assert np.array_equal(draw(again, layout_of(240, 200)), draw(scene, layout_of(240, 200)))


def test_every_part_of_the_face_has_its_own_curve() -> None:
    story, route = Story(), Route()
    unseen = replace(row_at(2, 9.0), skipped="blurred")
    for index, rows in enumerate(((row_at(0, 0.0),), (row_at(1, 0.2), row_at(1, 1.5)), (unseen,))):
        route.observations = rows
        story.push(frame_at(index), route, ())
    scene = story.scene(frame_at(2), route, Gauges())
    assert scene.parts.shape == (len(PARTS), 3)
    assert scene.parts[:, 1] == pytest.approx([0.0, 0.0, 0.0, 1.5]), "the largest of all faces"
    assert scene.motion[1] == pytest.approx(1.5)
    assert np.isnan(scene.parts[:, 2]).all()


def test_text_is_cut_off_at_the_edges() -> None:
    canvas = np.zeros((30, 60, 3), np.uint8)
    for place in ((-20, 5), (50, 28), (500, 500), (30, -40)):
        put(canvas, "Grüße →", place, (255, 255, 255))
    assert canvas.any()
    assert width_of("wide", 14) < width_of("wider", 14) < width_of("wider", 20)


# --- films


def shown(path: Path) -> list[int]:
    """Grey level of every picture of a film."""
    video = cv2.VideoCapture(str(path))
    levels = []
    while (picture := video.read())[0]:
        levels.append(round(float(np.mean(picture[1]))))
    video.release()
    return levels


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_film_lasts_as_long_as_the_stream(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    film = Film(path, 10.0, (64, 48))
    times_s = (5.0, 5.1, 5.13, 5.5, 6.0)  # one too many within a tick, then two holes
    for number, time_s in enumerate(times_s):
        film.write(np.full((48, 64, 3), 40 * (number + 1), np.uint8), time_s)
        assert not path.exists()
    film.close()
    film.close()
    assert film.abandon() is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert [round(level / 40) for level in shown(path)] == [1, 2, 3, 3, 3, 4, 4, 4, 4, 4, 5]
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_long_hole_is_shown_short(tmp_path: Path) -> None:
    film = Film(tmp_path / "a.avi", 10.0, (64, 48))
    for time_s in (0.0, 1e6, 1e6 + 0.1):
        film.write(np.zeros((48, 64, 3), np.uint8), time_s)
    film.close()
    assert len(shown(tmp_path / "a.avi")) == round(film_module.LONGEST_HOLE_S * 10) + 2


def test_a_film_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for name in ("a.gif", "a", "none/a.mp4", "folder.mp4"):
        with pytest.raises(OutputError, match=name):
            Film(tmp_path / name, 25.0, (64, 48))
    film = Film(tmp_path / "b.mp4", 25.0, (64, 48))
    assert film.abandon() is None
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder.mp4"]


def test_an_interrupted_film_keeps_what_there_is(tmp_path: Path) -> None:
    film = Film(tmp_path / "b.mp4", 25.0, (64, 48))
    film.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert f"{tmp_path}/b.partial.mp4" in (film.abandon() or "")
    assert shown(tmp_path / "b.partial.mp4") == [0]


class Source:
    """A stream from frames."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self._frames = frames
        self.info = INFO

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None: ...


def test_the_film_of_a_run_has_all_of_it(film: Footage, tmp_path: Path) -> None:
    path = tmp_path / "run.mp4"
    with Pipeline() as pipeline:
        process(Source(film.frames[:60]), pipeline, SinkGroup([FilmSink(path)]))
    assert len(shown(path)) == 60
    video = cv2.VideoCapture(str(path))
    assert (int(video.get(3)), int(video.get(4))) == layout_of(240, 200).canvas
    video.release()


def test_a_clip_holds_the_face_still(film: Footage, tmp_path: Path) -> None:
    with Pipeline() as pipeline:
        events = ()
        for frame in film.frames:
            if events := pipeline.push(frame):
                break
        (event,) = events
        footage = pipeline.footage[event.id]
    write_clip(tmp_path / "clip.mp4", footage, event.key_frames)
    assert len(shown(tmp_path / "clip.mp4")) == pytest.approx(len(footage), abs=1)
    assert (tmp_path / "clip.mp4").stat().st_mode & 0o777 == 0o600


# --- the window


def test_keys_pause_and_help() -> None:
    screen = Screen()
    assert screen.picture() is None
    screen.take(scene_of())
    plain = screen.picture()
    assert plain is not None
    screen.press("help")
    helped = screen.picture()
    assert helped is not None
    rows, _ = changed(plain, helped)
    assert rows.stop - rows.start > 20 * len(HELP)
    screen.press("help")
    screen.press("pause")
    screen.take(scene_of(chin=1.5))
    screen.press("pause")
    assert np.array_equal(screen.picture(), plain)
    screen.take("saved a clip")
    assert not np.array_equal(screen.picture(), plain)


def test_without_a_display_there_is_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match=r"needs a display.*--report"):
        check_display()
    monkeypatch.setenv("DISPLAY", ":9876")
    with pytest.raises(OutputError, match=r"cannot open a window here; write a page with --report"):
        WindowSink("film").open(INFO, None)


def test_a_live_run_needs_a_display_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    write_video(tmp_path / "a.avi", "MJPG", 3)
    assert realtime.cli.main(["live", str(tmp_path / "a.avi"), "--show"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "--show needs a display" in line
    assert realtime.cli.main(["live", str(tmp_path / "a.avi"), "--allow-clips"]) == 2
    assert "--show" in capsys.readouterr().err


class Standing(WindowSink):
    """A window whose process is a stand-in: the test presses the keys, and takes what would be shown."""

    def start(self) -> None:
        self._pipe, self.other = window_module.multiprocessing.Pipe()
        self._start_threads()


def wait_for(holds: object) -> None:
    for _ in range(500):
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.01)
    raise AssertionError("did not come about")


def test_a_slow_window_gets_the_newest_scene_and_holds_nothing_up() -> None:
    sink, route = Standing("film"), Route()
    sink.open(INFO, None)
    for index in range(200):  # nobody reads: the pipe is full after a few
        route.observations = (row_at(index, 0.2),)
        sink._shown_s = 0.0
        sink.watch(frame_at(index), route, ())
    seen = []
    while not seen or seen[-1] < 1.99:
        scene = receive(sink.other)
        assert isinstance(scene, Scene)
        assert np.array_equal(scene.image, frame_at(0).image)
        seen.append(scene.time_s)
    assert len(seen) < 20
    sink.other.close()
    sink.close(RunSummary(200, 200, 0))


def test_a_source_is_held_and_ended_by_keys() -> None:
    done = []
    sink = Standing("film", on_quit=lambda: done.append(True))
    sink.open(INFO, None)
    frames = iter(sink.steer(Source(tuple(map(frame_at, range(5))))))
    assert next(frames).index == 0
    sink.other.send("pause")
    wait_for(lambda: not sink._running.is_set())
    sink.other.send("pause")
    wait_for(sink._running.is_set)
    assert next(frames).index == 1
    sink.other.send("quit")
    wait_for(lambda: done)
    assert sink.closed
    assert list(frames) == []


@pytest.mark.parametrize("allowed", [False, True])
def test_a_clip_is_saved_only_where_that_is_allowed(
    film: Footage, tmp_path: Path, capsys: pytest.CaptureFixture[str], allowed: bool
) -> None:
    sink = Standing("my film.mkv", clips=tmp_path if allowed else None)
    sink.open(INFO, None)

    def ask() -> str:
        sink.other.send("save")
        while not isinstance(message := receive(sink.other), str):
            pass
        return message

    assert ("no event yet" if allowed else "--allow-clips") in ask()
    with Pipeline() as pipeline:
        for frame in film.frames:
            events = pipeline.push(frame)
            sink.watch(frame, pipeline, events)
            if events:
                break
    path = tmp_path / f"my film-{events[0].id}.mp4"
    assert (f"saved {path}" if allowed else "--allow-clips") in ask()
    assert path.exists() == allowed
    assert capsys.readouterr().err.count("only you can read it") == allowed
    sink.other.close()
    sink.close(RunSummary(1, 1, 1))


@pytest.fixture
def display() -> Iterator[None]:
    """A screen in memory, for a window of its own."""
    try:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        if os.environ.get("GLIMPSE_REQUIRE_SERVERS"):
            raise
        pytest.skip("needs Xvfb")
    with server, pytest.MonkeyPatch.context() as patch:
        assert server.stdout is not None
        patch.setenv("DISPLAY", f":{server.stdout.readline().decode().strip()}")
        yield
        server.terminate()


def test_a_real_window_stands_shows_and_goes(display: None) -> None:
    sink, route = WindowSink("film"), Route()
    sink.open(INFO, None)
    for index in range(30):
        route.observations = (row_at(index, 0.2),)
        sink.watch(frame_at(index), route, ())
        time.sleep(0.01)
    assert not sink.closed
    sink.close(RunSummary(30, 30, 0))
    assert sink._process is not None
    assert sink._process.exitcode is not None


def test_a_window_says_at_once_that_the_stream_is_lost() -> None:
    """The picture stays what it was."""
    sink, route = WindowSink("door"), Route()
    sink.show_status("starting")
    assert sink._waiting is None
    sink.watch(frame_at(0), route, ())
    shown = sink._waiting
    sink.show_status("reconnecting")
    assert shown is not None
    assert sink._waiting is not None
    assert (shown.gauges.status, sink._waiting.gauges.status) == ("starting", "reconnecting")
    assert sink._waiting.image is shown.image


def test_a_live_run_with_a_window_ends_as_one_without(display: None, tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", "MJPG", 30)
    out = tmp_path / "e.jsonl"
    words = ["live", str(tmp_path / "a.avi"), "--show", "--model", "none", "--out", str(out)]
    assert realtime.cli.main(words) == 0
    assert '"frames":30' in out.read_text().splitlines()[-1]


class FullDisk:
    """A writer that goes on without a word when there is no more room, as OpenCV's does."""

    def __init__(self, writer: cv2.VideoWriter, room: int) -> None:
        self._writer, self._room = writer, room

    def write(self, picture: U8) -> None:
        self._room -= 1
        if self._room >= 0:
            self._writer.write(picture)

    def release(self) -> None:
        self._writer.release()


@pytest.mark.parametrize("ending", [".avi", ".mkv", ".mp4", ".webm"])
def test_a_film_for_which_there_is_no_room_is_not_taken_for_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    for room, whole in ((5, False), (20, True)):
        path.write_bytes(b"earlier")
        film = Film(path, 25.0, (64, 48))
        film._file._writer = FullDisk(film._file._writer, room)  # type: ignore[assignment]
        for number in range(20):
            film.write(np.full((48, 64, 3), 10 * number, np.uint8), number / 25.0)
        if whole:
            film.close()
            assert path.read_bytes() != b"earlier"
            continue
        with pytest.raises(OutputError, match="is the disk full"):
            film.close()
        assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_do_not_make_one_film(tmp_path: Path) -> None:
    film = Film(tmp_path / "a.avi", 25.0, (64, 48))
    with pytest.raises(OutputError, match="another run is writing it"):
        Film(tmp_path / "a.avi", 25.0, (64, 48))
    film.abandon()
    with pytest.raises(OutputError, match="must be UTF-8"):
        Film(tmp_path / os.fsdecode(b"\xff.avi"), 25.0, (64, 48))
