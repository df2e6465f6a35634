"""The review page: what it serves, and one full round in a real browser."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import chromium, complaints
from conftest import Clip, Film
from live_servers import PATIENCE_S, until
from test_web import ask

from offline import cli
from offline.datasets.combined import parse_source
from offline.review.desk import Desk
from offline.review.items import Agenda, agenda_of_datasets, agenda_of_events
from offline.review.page import MOST_BODY, PURPOSE, review_app
from offline.review.pictures import MOST_FRAMES, ClipReader
from offline.review.table import read_reviews
from realtime.errors import DataError, SourceError, UsageError
from realtime.sinks import extras
from realtime.web.access import LOOPBACK, Access
from realtime.web.server import Server


@contextmanager
def served(agenda: Agenda, out: Path) -> Iterator[Server]:
    with ClipReader(0.1) as reader:
        app = review_app(Desk(agenda, out, "anna"), reader)
        server = Server(app, Access.of(LOOPBACK), 0, PURPOSE, most_body=MOST_BODY)
        try:
            yield server
        finally:
            server.close()


@pytest.fixture(scope="module")
def dataset(film: Film, clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labels file: the expression of the clip under three labels for each of three people, one without an
    apex, and a clip that is gone."""
    folder = tmp_path_factory.mktemp("dataset")
    shutil.copy(clip.video, folder / "film.mkv")
    event = film.truth.events[0]
    keys = f"{event.onset_frame},{event.apex_frame},{event.offset_frame}"
    rows = [
        f"film.mkv,{keys},{label},{person},{person}-{label}"
        for person in ("p1", "p2", "p3")
        for label in ("disgust", "happiness", "surprise")
    ]
    blank = f"film.mkv,{event.onset_frame},,{event.offset_frame},disgust,p1,no-apex"
    rows += [blank, f"gone<b>.mkv,{keys},disgust,p1,gone<b>"]
    table = folder / "labels.csv"
    table.write_text("path,onset,apex,offset,label,subject,clip\n" + "\n".join(rows) + "\n")
    return table


def agenda_of(table: Path) -> Agenda:
    return agenda_of_datasets([parse_source(f"manifest={table}")], "own")


@pytest.fixture(scope="module")
def agenda(dataset: Path) -> Agenda:
    return agenda_of(dataset)


def get(server: Server, path: str) -> Any:
    status, _, body = ask(server, path)
    assert status == 200, body
    return json.loads(body)


def send(server: Server, method: str, path: str, data: object) -> tuple[int, Any]:
    own = {"origin": f"http://127.0.0.1:{server.port}"}
    status, _, body = ask(server, path, method, json.dumps(data).encode(), **own)
    return status, json.loads(body)


# --------------------------------------------------------------------------------------- pictures


def test_a_clip_is_shown_with_its_motion_since_the_onset(agenda: Agenda, film: Film) -> None:
    event = film.truth.events[0]
    with ClipReader(0.1) as reader:
        seen = reader.read(agenda.items[0])
        assert reader.read(agenda.items[0]) is seen
    assert seen.index == tuple(range(event.onset_frame - 10, event.offset_frame + 11))
    assert seen.time_s[10] == pytest.approx(event.onset_s, abs=0.006)
    motion = np.array(seen.motion, dtype=float)
    assert motion[10] == 0.0
    assert abs(seen.index[int(motion.argmax())] - event.apex_frame) <= 5
    assert motion[:10].max() < 0.5 * motion.max()
    picture = cv2.imdecode(np.frombuffer(seen.jpegs[3], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1::-1] == seen.size == (240, 200)
    assert seen.face is not None
    left, top, width, height = seen.face
    assert 0.0 <= left < left + width <= 1.0
    assert 0.0 <= top < top + height <= 1.0
    assert np.abs(picture.astype(int) - film.frames[seen.index[3]].image).mean() < 4.0


def test_clips_that_cannot_be_shown(agenda: Agenda, tmp_path: Path) -> None:
    item = agenda.items[0]
    with ClipReader(0.1) as reader:
        with pytest.raises(DataError, match=f"longer than the {MOST_FRAMES} frames"):
            reader.read(replace(item, id="long", keys=replace(item.keys, offset=5000)))
        with pytest.raises(DataError, match="has no readable frame 900, the offset of far"):
            reader.read(replace(item, id="far", keys=replace(item.keys, offset=900)))
        with pytest.raises(SourceError, match="no such file"):
            reader.read(agenda.items[-1])
        with pytest.raises(DataError, match="name the film that the events were found in"):
            reader.read(replace(item, id="late", times=(0.0, 0.1, 0.2)))


def test_a_clip_without_a_face_has_no_curve(agenda: Agenda, tmp_path: Path) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"img{number}.jpg"), np.full((64, 64, 3), 90, np.uint8))
    keys = replace(agenda.items[0].keys, onset=5, apex=10, offset=20)
    with ClipReader(0.1) as reader:
        seen = reader.read(replace(agenda.items[0], path=tmp_path, fps=100.0, keys=keys))
    assert set(seen.motion) == {None}
    assert seen.face is None
    assert seen.index == tuple(range(31))


def test_events_of_a_film_are_shown_where_they_are(film: Film, clip: Clip, tmp_path: Path) -> None:
    event = film.truth.events[0]
    stream = {
        "type": "stream", "schema": "glimpse/1", "source": "/elsewhere/film.mkv", "width": 240, "height": 200,
        "fps": 100.0,
    }  # fmt: skip
    found: dict[str, Any] = {"type": "micro_expression", "id": "0-9", "label": "surprise"}
    for name in ("onset", "apex", "offset"):
        found[f"{name}_frame"] = frame = getattr(event, f"{name}_frame")
        found[f"{name}_s"] = frame / 100.0
    found["probabilities"] = {"happiness": 0.2, "surprise": 0.8}
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in (stream, found, {"type": "summary"})))
    agenda = agenda_of_events(path, clip.video)
    assert agenda.labels == ("happiness", "surprise")
    (item,) = agenda.items
    assert (item.id, item.label, item.source) == (
        f"events/{clip.video.name}/0-9",
        "surprise",
        clip.video.name,
    )
    with ClipReader(0.1) as reader:
        assert event.apex_frame in reader.read(item).index
        assert reader.times(item, item.keys) == pytest.approx(item.times, abs=0.006)
    found["apex_s"], found["offset_s"] = 3.0, 3.2
    path.write_text(json.dumps(stream) + "\n" + json.dumps(found))
    with ClipReader(0.1) as reader, pytest.raises(DataError, match="name the film that"):
        reader.read(agenda_of_events(path, clip.video).items[0])


# ------------------------------------------------------------------------------------------- HTTP


@pytest.fixture(scope="module")
def page(agenda: Agenda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    out = tmp_path_factory.mktemp("page") / "review.csv"
    with served(agenda, out) as server:
        yield server, out


def test_the_page_is_made_of_its_own_files_alone(page: tuple[Server, Path]) -> None:
    server, _ = page
    status, headers, body = ask(server)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert b"http://" not in body
    assert b"https://" not in body
    kinds = {"/style.css": "text/css", "/review.css": "text/css", "/review.js": "text/javascript"}
    for path, kind in {**kinds, "/curve.js": "text/javascript"}.items():
        status, headers, body = ask(server, path)
        assert (status, headers["content-type"].split(";")[0]) == (200, kind)
        assert b"url(" not in body
    assert ask(server, "/icon.svg")[1]["content-type"] == "image/svg+xml"


def test_an_answer_is_in_the_file_when_it_is_taken(page: tuple[Server, Path]) -> None:
    server, out = page
    clip = get(server, "/api/clips/1")
    apex = clip["answer"]["apex"]
    said = {**clip["answer"], "apex": apex + 1, "decision": "accept"}
    status, answer = send(server, "PUT", "/api/clips/1", said)
    assert (status, answer["counts"]["accepted"], answer["can_undo"]) == (200, 1, True)
    (review,) = read_reviews(out).values()
    assert (review.keys.apex, review.decision, review.rater) == (apex + 1, "accept", "anna")
    at = clip["pictures"]["index"].index(apex + 1)
    assert review.times[1] == pytest.approx(clip["pictures"]["time_s"][at])
    status, answer = send(server, "POST", "/api/undo", None)
    assert (status, answer["number"], answer["can_undo"]) == (200, 1, False)
    assert read_reviews(out) == {}


def test_what_cannot_be_said_is_refused_in_one_line(page: tuple[Server, Path]) -> None:
    server, out = page
    clip = get(server, "/api/clips/0")
    for wrong in (
        None,
        {**clip["answer"], "apex": clip["pictures"]["index"][-1] + 50, "offset": 10**6},
        {**clip["answer"], "onset": 0},
        {**clip["answer"], "label": "joy"},
        {**clip["answer"], "comment": "x" * 3000},
    ):
        status, answer = send(server, "PUT", "/api/clips/0", wrong)
        assert status == 422
        assert "\n" not in answer["detail"]
    assert send(server, "PUT", "/api/clips/99", clip["answer"])[0] == 404
    assert ask(server, "/api/clips/99")[0] == 404
    assert ask(server, "/api/clips/0/3")[0] == 422
    assert ask(server, "/api/clips/-1")[0] == 404
    assert ask(server, "/api/clips/" + "9" * 5000)[0] == 414
    assert ask(server, "/api/clips/0", "PUT", b"{}")[0] == 403  # from no page of this server
    assert send(server, "PUT", "/api/clips/0", "x" * MOST_BODY)[0] == 413
    assert ask(server, host="evil.example")[0] == 421
    assert read_reviews(out) == {}


def test_a_clip_that_is_gone_can_still_be_rejected(page: tuple[Server, Path]) -> None:
    server, out = page
    clip = get(server, "/api/clips/10")
    assert clip["pictures"] is None
    assert "no such file" in clip["problem"]
    assert send(server, "PUT", "/api/clips/10", {**clip["answer"], "decision": "reject"})[0] == 200
    (review,) = read_reviews(out).values()
    assert (review.decision, review.times) == ("reject", (None, None, None))
    send(server, "POST", "/api/undo", None)


def test_a_comment_in_any_letters_is_kept(page: tuple[Server, Path]) -> None:
    server, out = page
    clip = get(server, "/api/clips/0")
    comment = 'spät, "vielleicht"\n表情 🙂 \ud800'
    assert send(server, "PUT", "/api/clips/0", {**clip["answer"], "comment": comment})[0] == 200
    (review,) = read_reviews(out).values()
    assert review.comment == 'spät, "vielleicht" 表情 🙂'
    send(server, "POST", "/api/undo", None)


def test_the_command_needs_the_extra(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(module: str, purpose: str, extra: str) -> Any:
        raise UsageError(f"{purpose} needs an extra: {extra}")

    monkeypatch.setattr(extras, "load", refuse)
    options = ["--dataset", f"manifest={dataset}", "--out", str(tmp_path / "r.csv")]
    assert cli.main(["review", *options]) == 2
    assert "the review page needs an extra: web" in capsys.readouterr().err


# ------------------------------------------------------------------------- one round in a browser


@contextmanager
def command(dataset: Path, out: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`glimpse-offline review` as a process of its own, and its address."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "offline", "review", "--around", "0.1", "--protocol", "own"),
            *("--dataset", f"manifest={dataset}", "--out", str(out)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert "Ctrl-C ends it" in lines[1], lines
        yield process, lines[1].split()[1]
    finally:
        process.kill()
        process.communicate()


def test_one_round(dataset: Path, tmp_path: Path) -> None:
    """Move the apex, accept, relabel, comment, reject, undo, reload, kill; then `evaluate` reads it."""
    out = tmp_path / "review.csv"
    with chromium() as driver, command(dataset, out) as (process, url):
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.select import Select

        def find(name: str) -> Any:
            return driver.find_element("id", name)

        def opened(number: int) -> None:
            until(
                lambda: (
                    find("clip").text.startswith(f"{number} of 11") and find("where").text.startswith("frame")
                ),
                f"clip {number}",
            )

        def press(*keys: str) -> None:
            for key in keys:
                driver.switch_to.active_element.send_keys(key)

        def saved(number: int, **wanted: object) -> None:
            def there() -> bool:
                rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
                mine = [row for row in rows if row["id"] == item_ids[number - 1]]
                if not mine:
                    return not wanted
                return bool(wanted) and all(mine[0][name] == str(value) for name, value in wanted.items())

            until(there, f"{wanted} of clip {number}")

        items = agenda_of(dataset).items
        item_ids = [item.id for item in items]
        keys = items[0].keys
        assert keys.apex is not None
        driver.get(url)
        opened(1)
        assert "manifest/p1/p1-disgust" in find("clip").text
        press("2", *[Keys.ARROW_RIGHT] * 3, Keys.ARROW_LEFT)
        saved(1, apex_frame=keys.apex + 2, decision="")
        press("1", Keys.ARROW_LEFT, "y")
        saved(1, onset_frame=keys.onset - 1, apex_frame=keys.apex + 2, decision="accept", label="disgust")
        assert find("curve").find_element("css selector", ".mark.onset.chosen")
        press("n")
        opened(2)
        Select(find("label")).select_by_value("surprise")
        saved(2, label="surprise", coded_label="happiness")
        find("comment").click()
        press("raised brows, y n x")
        saved(2, comment="raised brows, y n x", decision="")
        press(Keys.ESCAPE, "y")
        saved(2, decision="accept", comment="raised brows, y n x")
        press("n")
        opened(3)
        press("x")
        saved(3, decision="reject")
        press("u")
        saved(3)
        press("x")
        saved(3, decision="reject")
        driver.get(url + "#10")
        driver.refresh()
        opened(10)
        press("y")
        until(lambda: "needs an apex" in find("problem").text, "the refusal")
        saved(10)
        press("2", Keys.ARROW_RIGHT, "y")
        saved(10, decision="accept", coded_apex_frame="")
        assert not complaints(driver)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        press("x")
        until(lambda: "does not answer" in find("problem").text, "the end of the server to be said")
    with chromium(390, 800) as driver, command(dataset, out) as (_, url):
        driver.get(url + "#2")
        until(lambda: driver.find_element("id", "where").text.startswith("frame"), "the clip")
        assert driver.find_element("id", "comment").get_property("value") == "raised brows, y n x"
        assert driver.find_element("id", "label").get_property("value") == "surprise"
        assert driver.find_element("id", "counts").text == "4 of 11 decided: 3 accepted, 1 rejected"
        pressed = driver.find_element("css selector", ".verdict[data-decision=accept]")
        assert pressed.get_attribute("aria-pressed") == "true"
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert not complaints(driver)
    results = tmp_path / "results"
    options = ["--dataset", f"manifest={dataset}", "--review", str(out), "--protocol", "own"]
    assert (
        cli.main(["evaluate", *options, "--method", "flow-grid", "--no-figures", "--out", str(results)]) == 0
    )
    about = json.loads((results / "results.json").read_text())["data"]["review"]
    assert (about["accepted"], about["rejected"], about["key_frames_changed"], about["relabelled"]) == (
        3,
        1,
        2,
        1,
    )
    with (results / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["subject"], row["true"]) for row in rows[:3]] == [
        *(("p1", "disgust"), ("p1", "surprise"), ("p2", "disgust"))
    ]
    assert "rejected in the review by rater" in (results / "excluded.csv").read_text()
