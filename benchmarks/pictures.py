"""Makes the pictures in README and docs: one synthetic stream in the window, in its report, on the live page.

python -m benchmarks.pictures

Pages are photographed by Chromium (the live page through chromedriver); where there is none, their pictures
are left as they are.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream
from realtime import Frame, Pipeline, load_recognizer
from realtime.live.camera_sink import CameraSink
from realtime.live.fleet import Fleet
from realtime.live.page.board import Board
from realtime.live.page.channel import Channel
from realtime.live.page.feed import PageFeed
from realtime.live.page.routes import make_live_app
from realtime.process import process
from realtime.sinks import PictureSink, SinkGroup
from realtime.sinks.base import Watched
from realtime.sinks.page import ReportExtras
from realtime.sinks.records import Record
from realtime.sinks.report import ReportSink
from realtime.sinks.rolling import EVENT_TYPES
from realtime.sources.stream_status import StreamStatus
from realtime.spotting import SpotterConfig
from realtime.types import U8, FacialEvent, TruthInterval, Unreadable
from realtime.view.overlay import draw, layout_of
from realtime.view.story import Gauges, Story
from realtime.web.access import Access
from realtime.web.server import Server

FPS = 100.0
PLAN = {"seconds": 12.0, "fps": FPS, "seed": 41, "events": 4, "amplitude_percent": (0.9, 1.4),
        "width": 480, "height": 360}  # fmt: skip
FOLDER = Path("docs")
BROWSER = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
SHOWN_S = 8.62
"""Stream time of the window's picture."""
SHOWN_EVENT = 1
PAGE_PX = (1160, 672)
LIVE_PX = (1240, 1330)
LIVE_SCALE = 0.8
LIVE_FPS = 50.0
SETTLE_S = 3.0
"""For the last pictures to come, s."""


class Moment(PictureSink):
    """What the window would show at one time of the stream."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._story = Story()
        self.picture: U8 | None = None

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Draw the first frame that is late enough."""
        if not isinstance(frame, Frame):
            return
        self._story.push(frame, route, decided)
        if self.picture is None and frame.time_s >= self._time_s:
            scene = self._story.scene(frame, route, Gauges())
            self.picture = draw(scene, layout_of(*scene.size))


def main() -> int:
    """Render, process, draw; gives the exit code."""
    stream = SyntheticStream(StreamPlan(make_identity(41), **PLAN))  # type: ignore[arg-type]
    truth = [TruthInterval(e.onset_s, e.apex_s, e.offset_s, e.label, e.kind) for e in stream.truth.events]
    moment = Moment(SHOWN_S)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Pipeline(recognizer=load_recognizer()) as pipeline:
        page = Path(scratch) / "report.html"
        report = ReportSink(page, ReportExtras(truth=truth))
        process(SyntheticSource(stream), pipeline, SinkGroup([moment, report]))
        _photograph(page, Path(scratch))
    if moment.picture is not None:
        _save("window.png", moment.picture)
    _photograph_live(stream)
    return 0


def _photograph(page: Path, scratch: Path) -> None:
    """Take the picture of the report's one event: a headless browser scrolls only what is in a frame."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("no Chromium here: docs/report.png is left as it is", file=sys.stderr)
        return
    shot, around = scratch / "report.png", scratch / "around.html"
    style = f"position:absolute;left:0;top:0;border:0;width:{PAGE_PX[0]}px;height:{PAGE_PX[1]}px"
    source = f"{page.name}#event-{SHOWN_EVENT}"
    around.write_text(f'<!doctype html><iframe src="{source}" scrolling="no" style="{style}"></iframe>')
    words = [*BROWSER, f"--user-data-dir={scratch / 'profile'}", f"--screenshot={shot}"]
    size = f"--window-size={PAGE_PX[0]},{PAGE_PX[1]}"
    subprocess.run([browser, *words, size, around.as_uri()], check=True, capture_output=True, timeout=120)
    _save("report.png", np.asarray(cv2.imread(str(shot)), dtype=np.uint8))


def _photograph_live(stream: SyntheticStream) -> None:
    """Take the picture of the live page while the stream comes at its own pace."""
    driver = shutil.which("chromedriver")
    if driver is None:
        print("no chromedriver here: docs/live-page.png is left as it is", file=sys.stderr)
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for word in BROWSER:
        options.add_argument(word)
    options.add_argument(f"--window-size={LIVE_PX[0]},{LIVE_PX[1]}")
    options.add_argument(f"--force-device-scale-factor={LIVE_SCALE}")
    fleet, board = Fleet(["door"]), Board({"door": SpotterConfig().confidence})
    channel = Channel(board.connected, board.take)
    server = Server(make_live_app(board, fleet), Access.of("127.0.0.1"), 0, "the picture")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.get(server.url)
        _show_live(list(SyntheticSource(stream))[:: round(FPS / LIVE_FPS)], board, fleet, channel)
        time.sleep(SETTLE_S)
        _save_small("live-page.png", browser.get_screenshot_as_png())
    finally:
        browser.quit()
        server.close()
        channel.close()
        board.close()


def _show_live(frames: list[Frame | Unreadable], board: Board, fleet: Fleet, channel: Channel) -> None:
    """Do what a camera's process does, up to the moment of the picture."""

    def take(record: Record) -> None:
        fleet.note("door", record)
        if record["type"] in EVENT_TYPES:
            board.add_event(record)

    sink = CameraSink("door", take)
    due_s = [0.0]
    feed = PageFeed("door", sink.full_id, lambda index: 1000.0 * (time.monotonic() - due_s[0]), print)
    feed.start(channel.link)
    with Pipeline(recognizer=load_recognizer()) as pipeline:
        sink.tell(StreamStatus("running"))
        start_s = time.monotonic()
        for number, frame in enumerate(frames):
            due_s[0] = start_s + number / LIVE_FPS
            time.sleep(max(due_s[0] - time.monotonic(), 0.0))
            decided = pipeline.push(frame)
            feed.watch(frame, pipeline, decided)
            for row in pipeline.observations:
                sink.write_frame(row)
            for event in decided:
                sink.write_event(event)
            if number % int(LIVE_FPS) == 0:
                take({"type": "gauges", **sink.gauges.as_record()})
            if number / LIVE_FPS >= SHOWN_S:
                return


def _save_small(name: str, png: bytes) -> None:
    """In 256 colours, which is enough for a page and a third of the size."""
    path = FOLDER / name
    with Image.open(io.BytesIO(png)) as image:
        rgb = image.convert("RGB")
        palette = rgb.quantize(256, method=Image.Quantize.FASTOCTREE)
        rgb.quantize(256, palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"wrote {path}")


def _save(name: str, picture: U8) -> None:
    path = FOLDER / name
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
