from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.sinks import trace as trace_module
from realtime.sinks.page import ReportExtras, render_report
from realtime.sinks.trace import Trace
from realtime.types import FrameRow, Motion, TruthInterval
from realtime.view.names import UNITS
from realtime.view.pictures import FACE_NAMES, FIELD_SIZE, EventPictures

STREAM = {
    "type": "stream",
    "schema": "glimpse/1",
    "source": "<clip> & more.mkv",
    "width": 640,
    "height": 480,
    "fps": 100.0,
    "model": {"name": "default", "id": "0123abcd"},
    "notes": ["the container has no timestamps"],
}
SUMMARY = {
    "type": "summary",
    "frames": 200,
    "face_frames": 150,
    "skipped": {"no_face": 50},
    "unobservable": {"no_face": 0.25},
    "events": 2,
    "wall_s": None,
}


def event(number: int, kind: str = "micro_expression", label: str | None = "happiness") -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"f0-{number}",
        "face": 0,
        "onset_s": 0.5 + number,
        "apex_s": 0.62 + number,
        "offset_s": 0.8 + number,
        "onset_frame": 50,
        "apex_frame": 62,
        "offset_frame": 80,
        "duration_ms": 300.0,
        "strength": 4.2,
        "label": label,
        "probabilities": {"happiness": 0.8, "<b>surprise": 0.2} if label else None,
        "regions": {"mouth_corner_left": 1.0, "chin": 0.25},
        "decided_s": 0.9 + number,
    }


def row(index: int, size: float | None, fps: float = 100.0) -> FrameRow:
    if size is None:
        return FrameRow(index, index / fps, skipped="no_face")
    regions = np.zeros((17, 2), np.float32)
    regions[2] = (0.0, size)
    lids = np.zeros((2, 2), np.float32)
    return FrameRow(
        index,
        index / fps,
        0,
        None,
        None,
        Motion(index, index / fps, 0.13, regions, lids, 0.5, 0.1, 100, 0, 0.3),
    )


def make_trace(count: int = 200) -> Trace:
    trace = Trace()
    for index in range(count):
        trace.push(row(index, None if 100 <= index < 150 else 0.3 + 0.1 * math.sin(index)))
    return trace


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text_of(page: str) -> str:
    return " ".join(" ".join(Page(page).words).split())


def pictures(seed: int, faces: tuple[bytes, ...] = ()) -> EventPictures:
    coarse = np.random.default_rng(seed).normal(0.0, 0.6, (6, 6, 6)).astype(np.float32)
    fields = [cv2.resize(part, (FIELD_SIZE, FIELD_SIZE), interpolation=cv2.INTER_CUBIC) for part in coarse]
    return EventPictures(np.stack(fields).reshape(3, 2, FIELD_SIZE, FIELD_SIZE), faces, 5.0)


RECORDS = [STREAM, event(0), event(1, "macro_expression", None), SUMMARY]


def test_the_page_says_what_was_found() -> None:
    truth = [TruthInterval(0.5, 0.6, 0.8, "disgust", "micro_expression"), TruthInterval(1.2, None, 1.4)]
    extras = ReportExtras(
        truth=truth, settings={"quality": {"blur_ratio": 0.35}}, quality=[("Eye distance, mean", "84 px")]
    )
    page = render_report(RECORDS, make_trace(), extras)
    text = text_of(page)
    for words in (
        "<clip> & more.mkv",
        "640×480 pixels, 100 frames per second",
        "model default 0123abcd",
        "Probabilities describe motion, not what a person feels",
        "to be checked by a person",
        "Not for emotion inference at work or in education",
        "onset 0:00.500 frame 50",
        "micro-expression, 300 ms, strength 4.2, face 0",
        "Happiness 1",
        "Duration 2.0 s",
        "observable 75.0 % not: no face 25.0 %",
        "Silence is not calmness: in 25.0 % of the time (0.5 s) a micro-expression would have passed unseen",
        "Eye distance, mean 84 px",
        "decided 280 ms after the apex",
        "mouth corner left",
        "not labelled",
        "Left out: no face 50 25.0 %",
        "Note: the container has no timestamps.",
        "quality.blur_ratio 0.35",
        "micro-expression 0:00.500",
        "– 0:01.200 – 0:01.400 –",
    ):
        assert words in text, words


def test_the_page_is_self_contained_and_escaped() -> None:
    page = render_report(RECORDS, make_trace(), ReportExtras(truth=[]))
    parsed = Page(page)
    assert not {"script", "img", "link", "iframe", "image", "object"} & set(parsed.tags)
    assert all(link.startswith("#") for link in parsed.links)
    assert "<b>surprise" not in page
    assert not re.search(r"url\((?!#)", page)
    assert parsed.tags.count("main") == parsed.tags.count("h1") == 1
    assert parsed.tags.count("article") == 2


def test_the_same_run_gives_the_same_bytes() -> None:
    extras = ReportExtras(truth=[TruthInterval(0.5, 0.6, 0.8)], pictures={"f0-0": pictures(0)})
    pages = {render_report(RECORDS, make_trace(), extras) for _ in range(2)}
    assert len(pages) == 1


def test_what_could_not_be_seen_is_shaded_and_told() -> None:
    stretches = [
        {"type": "unobservable", "from_s": from_s, "to_s": from_s + 0.4, "cause": "motion"}
        for from_s in (0.2, 1.1)
    ]
    page = render_report([*RECORDS[:3], *stretches, SUMMARY], make_trace())
    bare = render_report(RECORDS, make_trace())
    assert page.count("var(--gap)") - bare.count("var(--gap)") == len(stretches)
    text = text_of(page)
    assert "Not observable 25.0 %" in text
    assert "not: no face 25.0 %" in text
    assert "a micro-expression could not have been seen" in text


def test_nothing_found_is_said_with_care() -> None:
    page = render_report([STREAM, {**SUMMARY, "frames": 0, "face_frames": 0, "skipped": {}}])
    assert "That is no proof that there was none" in text_of(page)
    assert "Known expressions" not in page


def test_a_run_that_broke_off_and_no_model() -> None:
    text = text_of(render_report([{**STREAM, "model": None}, event(0, label=None)]))
    assert "The run did not finish" in text
    assert "no recognition model" in text


def test_a_long_stream_takes_several_rows() -> None:
    trace = make_trace(4500)
    page = render_report([STREAM, event(30), SUMMARY], trace)
    assert len(re.findall(r'id="axes_\d+"', page)) == 3
    assert len(page) < 400_000


def test_an_event_shows_how_it_moved_and_faces_only_where_they_are_given() -> None:
    page = render_report(RECORDS, make_trace(), ReportExtras(pictures={"f0-0": pictures(0)}))
    assert page.count("data:image/png;base64,") == 3
    assert "data:image/jpeg" not in page
    assert "This page shows a face" not in page
    assert "onset → apex: up to" in text_of(page)
    assert len(re.findall(r'aria-label="Motion from onset to apex, up to [\d.]+ percent', page)) == 1
    faces = tuple(bytes([number]) for number in range(len(FACE_NAMES)))
    page = render_report(RECORDS, make_trace(), ReportExtras(pictures={"f0-0": pictures(0, faces)}))
    assert page.count("data:image/jpeg;base64,") == len(FACE_NAMES)
    assert "This page shows a face" in page
    assert 'alt="Face at the apex, motion ×5"' in page


def test_action_units_verdict_and_model_card() -> None:
    units = {"AU12": 0.83, "AU6": 0.34, "AU1": 0.02}
    known = {**event(0), "action_units": units, "sides": {"AU12": "left"}, "verdict": "uncertain"}
    card = "# Model card: x\n\nMore **care**\nin a line.\n\n- one\n  more\n- two <b>\n\n"
    card += "| a | b |\n|--|--|\n| 1 | 2 |\n\n    code\n"
    page = render_report([STREAM, known, SUMMARY], make_trace(), ReportExtras(model_card=card))
    text = text_of(page)
    assert f"AU12 {UNITS['AU12']}, left 0.83 AU6 {UNITS['AU6']} 0.34" in text
    assert "AU1 inner" not in text
    assert page.count(">uncertain<") == 2  # in the list and at the event
    for html in (
        "<h3>Model card: x</h3>",
        "<p>More <strong>care</strong>\nin a line.</p>",
        "<ul><li>one\n  more</li><li>two &lt;b&gt;</li></ul>",
        "<tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr>",
        '<pre tabindex="0"><code>code</code></pre>',
    ):
        assert html in page


def test_the_page_stays_small() -> None:
    """Ten minutes with 200 events stay below 10 MB; a fifth of that is tried."""
    count = 40
    trace = make_trace(300 * count)
    units = {"action_units": dict.fromkeys(UNITS, 0.3), "sides": {}}
    events = [{**event(3 * number), **units} for number in range(count)]
    faces = (bytes(4000),) * len(FACE_NAMES)
    shown = {item["id"]: pictures(number, faces) for number, item in enumerate(events)}
    page = render_report([STREAM, *events, SUMMARY], trace, ReportExtras(pictures=shown))
    assert 10_000 * count < len(page.encode()) < 50_000 * count


def test_trace_takes_the_largest_region_and_leaves_gaps() -> None:
    trace = Trace()
    for item in (row(0, 0.5), row(1, None), FrameRow(2, None, skipped="undecodable"), row(3, 2.0)):
        trace.push(item)
    np.testing.assert_allclose(trace.time_s, [0.0, 0.01, 0.03])
    np.testing.assert_allclose(trace.motion, [0.5, math.nan, 2.0])
    np.testing.assert_allclose(trace.rigid, [0.5, math.nan, 0.5])
    assert not trace.motion.flags.writeable


def test_trace_is_bounded_and_keeps_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "MAX_POINTS", 64)
    trace = Trace()
    for index in range(1001):
        trace.push(row(index, 9.0 if index == 777 else 0.3))
    assert len(trace.time_s) <= 65
    assert trace.motion.max() == pytest.approx(9.0)
    peak_s = trace.time_s[int(np.argmax(trace.motion))]
    assert 7.77 - 0.32 <= peak_s <= 7.77
    assert np.all(np.diff(trace.time_s) > 0)
