"""The live page: what it is told and when, its interface, and the page itself in a real browser."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
from browser import chromium, complaints, eventually
from conftest import Film
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from live_servers import PATIENCE_S, until
from media import jpeg, write_mkv
from test_view_pictures import Route, event_at, frame_at, row_at

from realtime.errors import OutputError
from realtime.live.fleet import Fleet
from realtime.live.page import board as boards
from realtime.live.page.board import PICTURES, Board
from realtime.live.page.channel import Channel, connect
from realtime.live.page.feed import Keyed, PageFeed, picture_size
from realtime.live.page.routes import make_live_app
from realtime.live.page.visit import Visit
from realtime.sinks.records import Record, event_record, to_line
from realtime.sinks.rolling import CSV_HEADER, EVENT_TYPES
from realtime.types import Frame
from realtime.view.flow_colour import flow_picture, wheel
from realtime.web.access import Access
from realtime.web.server import Server

CHOSEN = 0.7


def found(number: int, camera: str = "door") -> Record:
    record = event_record(event_at(float(number)))
    about = {"camera": camera, "wall_time": "2030-05-06T07:08:09.123Z"}
    return {"type": record["type"], **about, **record, "id": f"{camera}-{number}"}


@contextmanager
def board_of(*names: str) -> Iterator[Board]:
    board = Board(dict.fromkeys(names, 0.82))
    try:
        yield board
    finally:
        board.close()


class Told:
    """What a feed told its route, and the frames it looked at."""

    def __init__(self, film: Film) -> None:
        self.film, self.route = film, Route()
        self.confidences: list[float] = []
        self.feed = PageFeed("door", "door-{}".format, lambda index: 12.0, self.confidences.append)

    def look(self, index: int) -> None:
        self.route.observations = (row_at(index, 0.5),)
        self.feed.watch(Frame(index, index / 100.0, self.film.frames[0].image), self.route, ())


# --- from a camera's process to the board


def test_pictures_are_made_only_while_somebody_looks(film: Film) -> None:
    told = Told(film)
    with board_of("door", "desk") as board:
        channel = Channel(board.connected, board.take)
        told.feed.start(channel.link)
        for index in range(50):
            told.look(index)
        assert told.feed._scene is None
        assert board.moment("door") is None
        board.watch("door", +1)
        numbers = iter(range(50, 100_000))

        def shown() -> bool:
            told.look(next(numbers))
            return board.moment("door") is not None

        until(shown, "a picture")
        moment = board.moment("door")
        assert moment is not None
        assert moment.jpeg.startswith(b"\xff\xd8")
        assert moment.scene.image.size == 0, "frames are not kept"
        assert len(moment.scene.time_axis_s) > 50, "the curves know what was before"
        board.watch("door", -1)
        assert board.moment("door") is None
        until(lambda: not told.feed._watched, "word that nobody looks any more")
        told.feed._scene = None
        told.look(next(numbers))
        assert told.feed._scene is None
        channel.close()


def test_the_route_does_not_wait_for_a_page_that_takes_nothing(film: Film) -> None:
    taken = threading.Event()

    def take(camera: str, message: Any) -> None:
        taken.wait(PATIENCE_S)

    told = Told(film)
    channel = Channel(lambda camera, pipe: pipe.send(("watch", True)), take)
    told.feed.start(channel.link)
    until(lambda: told.feed._watched, "word that somebody looks")
    for index in range(300):
        told.feed._shown_s = 0.0  # every frame is due
        told.look(index)
    assert told.feed._scene is not None
    assert told.feed._scene.time_s == 2.99, "the newest waits, those before it are dropped"
    taken.set()
    channel.close()


def test_what_was_set_reaches_the_route_between_two_frames_and_every_later_process(film: Film) -> None:
    with board_of("door") as board:
        channel = Channel(board.connected, board.take)
        first, second = Told(film), Told(film)
        first.feed.start(channel.link)
        until(lambda: board._views["door"].pipe, "the connection")
        board.set_confidence("door", CHOSEN)
        until(lambda: first.feed._asked is not None, "word of it")
        assert first.confidences == []
        first.look(0)
        first.look(1)
        assert first.confidences == [CHOSEN]
        second.feed.start(channel.link)
        until(lambda: second.feed._asked is not None, "word of it for the next process")
        channel.close()


def test_only_who_has_the_key_reaches_the_board() -> None:
    with board_of("door") as board:
        channel = Channel(board.connected, board.take)
        with pytest.raises(OutputError, match="cannot be reached"):
            connect({**channel.link, "key": "00" * 32}, "door")
        connect(channel.link, "door").close()
        channel.close()


def test_a_picture_that_cannot_be_drawn_is_not_the_last(film: Film, caplog: pytest.LogCaptureFixture) -> None:
    with board_of("door") as board:
        board.watch("door", +1)
        told = Told(film)
        told.look(0)
        scene = told.feed._story.scene(film.frames[0], told.route, boards_gauges())
        object.__setattr__(scene, "size", (0, 0))
        board.take("door", scene)
        until(lambda: "cannot be drawn" in caplog.text, "the complaint")
        board.take("door", told.feed._story.scene(film.frames[0], told.route, boards_gauges()))
        until(lambda: board.moment("door"), "the next picture")


def boards_gauges() -> Any:
    from realtime.view.story import Gauges

    return Gauges()


def test_a_frame_has_a_size_that_a_page_can_show() -> None:
    assert picture_size(640, 480) == (640, 480)
    assert picture_size(3840, 2160) == (960, 540)
    assert picture_size(240, 200) == (432, 360)


# --- events


def test_events_are_kept_in_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MOST_EVENTS", 5)
    with board_of("door") as board:
        for number in range(8):
            board.add_event(found(number))
        assert (board.count, board.let_go) == (8, 3)
        assert [number for number, _ in board.events()] == [4, 5, 6, 7, 8]
        assert [number for number, _ in board.events(after=6)] == [7, 8]
        assert [number for number, _ in board.events(most=2)] == [7, 8]


def test_an_event_gets_its_pictures(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.pipeline import Pipeline

    monkeypatch.setattr(boards, "MOST_PICTURES", 1)
    kept: list[Keyed] = []
    feed = PageFeed("door", "door-{}".format, lambda index: None, lambda value: None)
    with Pipeline() as pipeline:
        for frame in film.frames:
            feed.watch(frame, pipeline, pipeline.push(frame))
    kept = list(feed._events)
    assert len(kept) == 2
    with board_of("door") as board:
        for keyed in kept:
            board.take("door", keyed)
        until(lambda: board.pictures(kept[1].id), "pictures of the second event")
        assert tuple(board.pictures(kept[1].id)) == PICTURES
        assert all(data.startswith(b"\xff\xd8") for data in board.pictures(kept[1].id).values())
        assert not board.pictures(kept[0].id), "only the last ones are kept"


def test_colours_and_arrows_say_where_to() -> None:
    key = wheel(96)
    assert key[48, 48, :3].min() > 230
    assert key[0, 0, 3] == 0
    field = np.zeros((2, 32, 32), np.float32)
    assert flow_picture(field, (64, 64)).min() > 240
    for u, v, place in ((1, 0, (48, 90)), (-1, 0, (48, 5)), (0, 1, (90, 48)), (0, -1, (5, 48))):
        field[0], field[1] = u, v
        picture = flow_picture(field, (64, 64))
        assert np.abs(picture[0, 0].astype(int) - key[place][:3].astype(int)).max() < 40
        assert (picture < 60).all(axis=-1).any(), "arrows for who does not see the colours"


# --- one visit


class Page:
    """The other end of a `Visit`."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    async def take(self, message: Any) -> None:
        self.said.append(message)

    def of(self, kind: str) -> list[Any]:
        return [message for message in self.said if isinstance(message, dict) and message["type"] == kind]


def visited(board: Board, script: Any) -> Page:
    """Run `script(visit, page)` while the visit talks."""
    page = Page()

    async def run() -> None:
        visit = Visit(board, Fleet(board.cameras), asyncio.get_running_loop())
        talking = asyncio.create_task(visit.talk(page.take, page.take))
        try:
            await script(visit, page)
        finally:
            visit.leave()
            talking.cancel()

    asyncio.run(run())
    return page


async def until_said(condition: Any) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_s
        await asyncio.sleep(0.01)


def test_a_visit_is_told_what_was_and_what_comes() -> None:
    with board_of("door", "desk") as board:
        for number in range(70):
            board.add_event(found(number))

        async def script(visit: Visit, page: Page) -> None:
            await until_said(lambda: len(page.of("event")) == 60)
            board.add_event(found(70))
            await until_said(lambda: len(page.of("event")) == 61)
            for nonsense in (
                "",
                "{",
                "[]",
                '{"camera": "nonesuch"}',
                '{"camera": 3}',
                '{"camera": []}',
                "NaN",
                "[" * 60_000,
                "9" * 60_000,
            ):
                visit.hear(nonsense)

        page = visited(board, script)
        assert [event["number"] for event in page.of("event")] == list(range(11, 72))
        assert [event["fresh"] for event in page.of("event")][-2:] == [False, True]
        assert page.of("hello")[0]["parts"][0] == "brows"
        assert [camera["name"] for camera in page.of("state")[0]["cameras"]] == ["door", "desk"]


def test_a_slow_page_gets_fewer_pictures_and_never_old_ones(film: Film) -> None:
    with board_of("door", "desk") as board:
        told = Told(film)

        def give(index: int) -> None:
            told.look(index)
            board.take("door", told.feed._story.scene(frame_at(index), told.route, boards_gauges()))

        async def shown(index: int) -> None:
            give(index)
            await until_said(lambda: has(index))

        def has(index: int) -> bool:
            moment = board.moment("door")
            return moment is not None and moment.scene.time_s == pytest.approx(index / 100.0)

        async def script(visit: Visit, page: Page) -> None:
            visit.hear('{"camera": "door"}')
            await until_said(lambda: board._views["door"].watchers == 1)
            await shown(0)
            await until_said(lambda: len(page.of("moment")) == 1)
            for index in range(1, 6):
                await shown(index)
            await asyncio.sleep(0.1)
            assert len(page.of("moment")) == 1, "it has not said that it is ready"
            visit.hear('{"ready": true}')
            await until_said(lambda: len(page.of("moment")) == 2)
            visit.hear('{"camera": "desk"}')
            assert [board._views[name].watchers for name in ("door", "desk")] == [0, 1]

        page = visited(board, script)
        first, second = page.of("moment")
        assert (first["time_s"], second["time_s"]) == (0.0, 0.05)
        assert second["t"] == [0.01, 0.02, 0.03, 0.04, 0.05], "the curves miss nothing"
        assert board._views["desk"].watchers == 0, "who leaves does not look"
        assert not board._listeners


# --- the interface


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, Board]]:
    with board_of("door", "desk") as board:
        for number in range(3):
            board.add_event(found(number))
        fleet = Fleet(["door", "desk"])
        server = Server(make_live_app(board, fleet), Access.of("127.0.0.1"), 0, "--web")
        try:
            yield server, board
        finally:
            server.close()


def test_the_interface_does_as_it_says_whatever_is_asked(served: tuple[Server, Board]) -> None:
    server, _ = served
    own = {"Origin": server.url.rstrip("/")}
    loaded = schemathesis.openapi.from_url(server.url + "openapi.json")
    operations = [result.ok() for result in loaded.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/api/events", "/api/cameras/{name}/confidence"}
    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @given(operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            def ask(case: Any) -> None:
                case.call_and_validate(headers=own, timeout=PATIENCE_S)

            with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
                ask()


def get(url: str, **headers: str) -> tuple[dict[str, str], bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE_S) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def test_downloads_are_the_records(served: tuple[Server, Board], monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = served
    headers, lines = get(server.url + "api/events.jsonl")
    assert lines == b"".join(to_line(found(number)) for number in range(3))
    assert 'filename="events.jsonl"' in headers["content-disposition"]
    _, table = get(server.url + "api/events.csv")
    assert table.startswith(CSV_HEADER)
    assert [row["id"] for row in csv.DictReader(io.StringIO(table.decode()))] == [
        "door-0",
        "door-1",
        "door-2",
    ]
    monkeypatch.setattr(Board, "let_go", 7)
    headers, _ = get(server.url + "api/events.csv")
    assert headers["x-glimpse-let-go"] == "7"
    assert "without-the-first-7" in headers["content-disposition"]


def test_the_page_is_its_own_and_runs_nothing_inline(served: tuple[Server, Board]) -> None:
    for path in ("", "live.css", "style.css", "live.js", "live_curves.js", "live_events.js", "icon.svg"):
        text = get(served[0].url + path)[1].decode()
        away = [link for link in re.findall(r"https?://[^\s\"'`$]+", text) if "w3.org" not in link]
        assert not away
        assert not re.search(r"<script>|<style>| style=| on\w+=|innerHTML|eval\(", text)


# --- the page in a browser


@pytest.fixture(scope="module")
def recording(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The film at 33 pictures a second over and over, two micro-expressions every 3.6 s: five minutes, longer
    than a test of the page takes on a slow machine."""
    path = tmp_path_factory.mktemp("recording") / "film.mkv"
    jpegs = [jpeg(frame.image, 85) for frame in film.frames[::3]] * 84
    write_mkv(path, jpegs, [30 * i for i in range(len(jpegs))], fps=33, size=(240, 200))
    yield path
    path.unlink()  # it is large


class LiveRun:
    """`glimpse live --web` in a process, and when each of its records came."""

    def __init__(self, folder: Path, recording: Path) -> None:
        config = folder / "cameras.yaml"
        cameras = {
            "door": {"source": str(recording), "buffer_s": 60},
            "desk": str(recording.parent / "short.mkv"),
        }
        config.write_text(
            json.dumps({"cameras": cameras, "model": "none", "web": {"host": "0.0.0.0", "port": 0}})
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime", "live", "--config", str(config)],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.records: list[tuple[float, bytes]] = []
        self.said = b""
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()
        match = until(
            lambda: re.search(rb"http://[^/]+:(\d+)/\?token=(\S+)", self.said), "the page's address"
        )
        self.url, self.token = f"http://127.0.0.1:{match[1].decode()}/", match[2].decode()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.records.append((time.time(), line))

    def _overhear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    @property
    def events(self) -> list[tuple[float, bytes]]:
        return [(at, line) for at, line in self.records if json.loads(line)["type"] in EVENT_TYPES]

    def get(self, path: str) -> bytes:
        """What a program gets that bears the token."""
        return get(self.url + path, authorization=f"Bearer {self.token}")[1]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        print("--- glimpse live said:", self.said.decode(errors="replace"), sep="\n")
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def test_the_page_in_a_browser(film: Film, recording: Path, tmp_path: Path) -> None:
    jpegs = [jpeg(frame.image) for frame in film.frames[:30:3]]
    write_mkv(recording.parent / "short.mkv", jpegs, [30 * i for i in range(10)], fps=33, size=(240, 200))
    with chromium() as browser:
        run = LiveRun(tmp_path, recording)
        try:
            browser.get(f"{run.url}?token={run.token}")
            _sees(browser)
            _is_told_of_events(browser, run)
            _sets_the_threshold(browser, run)
            _pauses(browser)
            _changes_cameras(browser)
            _downloads(run)
            assert complaints(browser) == []
        finally:
            run.close()
    assert b"shows faces" in run.said
    assert b"Traceback" not in run.said
    assert run.said.count(run.token.encode()) == 1


def script(browser: Any, text: str) -> Any:
    return browser.execute_script(f"return {text}")


def picture_of(browser: Any, name: str) -> str:
    return str(script(browser, f"document.getElementById('{name}').toDataURL()"))


def text_of(browser: Any, name: str) -> str:
    return str(script(browser, f"document.getElementById('{name}').textContent"))


def _sees(browser: Any) -> None:
    eventually(lambda: text_of(browser, "time") != "–", "the first picture")
    for name in ("picture", "curves"):
        before = picture_of(browser, name)
        eventually(lambda name=name, before=before: picture_of(browser, name) != before, f"{name} to move")
    assert script(browser, "document.getElementById('picture').width") == 432
    eventually(lambda: text_of(browser, "faces") == "1", "the face")
    eventually(lambda: re.fullmatch(r"\d+ ms", text_of(browser, "latency")), "the latency")
    assert script(browser, "location.href").endswith("/"), "the token does not stay in the address"
    wide = script(browser, "document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def _is_told_of_events(browser: Any, run: LiveRun) -> None:
    """What comes on the page is what is written; how much later is printed."""
    browser.execute_script(
        "window.came = {}; new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach("
        "(node) => { if (node.dataset.id) window.came[node.dataset.id] = Date.now() / 1000; })))"
        ".observe(document.getElementById('events'), {childList: true})"
    )
    (name, at_s), *_ = eventually(
        lambda: script(browser, "Object.entries(window.came)"), "an event on the page"
    )
    line_s = until(
        lambda: next((at for at, line in run.events if json.loads(line)["id"] == name), None), "its line"
    )
    print(f"on the page {1000 * (at_s - line_s):.0f} ms after its line")
    item = f"document.querySelector('#events li[data-id=\"{name}\"]')"
    browser.execute_script(f"{item}.scrollIntoView()")
    loaded = f"[...{item}.querySelectorAll('img')].filter((i) => i.naturalWidth).length"
    eventually(lambda: script(browser, loaded) == len(PICTURES), "its pictures")
    eventually(lambda: "door:" in text_of(browser, "news"), "what screen readers are told")


def _sets_the_threshold(browser: Any, run: LiveRun) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    eventually(lambda: text_of(browser, "value") == "0.40", "the threshold")
    browser.find_element(By.ID, "threshold").send_keys(Keys.ARROW_LEFT * 5)
    assert text_of(browser, "value") == "0.35", "a state from before does not move the slider back"
    said = b"spotter.confidence is 0.35 from here on"
    until(lambda: any(said in line for _, line in run.records), "word of the new threshold in the outputs")
    assert json.loads(run.get("api/cameras"))["cameras"][0]["confidence"] == pytest.approx(0.35)
    eventually(lambda: "The threshold of door is 0.35" in text_of(browser, "news"), "word of it")
    assert text_of(browser, "value") == "0.35"


def _pauses(browser: Any) -> None:
    from selenium.webdriver.common.by import By

    button = browser.find_element(By.ID, "pause")
    button.click()
    eventually(lambda: button.get_attribute("aria-pressed") == "true", "the pause")
    before = picture_of(browser, "curves")
    eventually(lambda: re.search(r"[1-9]\d* events? waits?", text_of(browser, "link")), "an event that waits")
    assert picture_of(browser, "curves") == before
    button.click()
    eventually(lambda: picture_of(browser, "curves") != before, "the page to go on")


def _changes_cameras(browser: Any) -> None:
    from selenium.webdriver.common.by import By

    eventually(lambda: "ended" in text_of(browser, "cameras"), "the end of the short film")
    desk = browser.find_element(By.CSS_SELECTOR, "button[data-name=desk]")
    desk.click()
    eventually(lambda: desk.get_attribute("aria-pressed") == "true", "the camera to be chosen")
    assert text_of(browser, "time") == "–"


def _downloads(run: LiveRun) -> None:
    """What the page gives is what was written, line for line."""

    def agree() -> bool:
        written = b"".join(line for _, line in run.events)
        given = run.get("api/events.jsonl")
        return bool(written) and given == written

    until(agree, "the download to be the events written")
