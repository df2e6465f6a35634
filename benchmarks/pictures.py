"""Makes the pictures in the README: one synthetic stream in the window, and an event of its report.

python -m benchmarks.pictures

The report's picture is taken by Chromium; where there is none, that picture is left as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream
from realtime import Frame, Pipeline, load_recognizer
from realtime.process import process
from realtime.sinks import PictureSink, SinkGroup
from realtime.sinks.base import Watched
from realtime.sinks.page import ReportExtras
from realtime.sinks.report import ReportSink
from realtime.types import U8, FacialEvent, TruthInterval, Unreadable
from realtime.view.overlay import draw, layout_of
from realtime.view.story import Gauges, Story

PLAN = {"seconds": 12.0, "fps": 100.0, "seed": 41, "events": 4, "amplitude_percent": (0.9, 1.4),
        "width": 480, "height": 360}  # fmt: skip
FOLDER = Path("docs")
SHOWN_S = 8.62
"""Stream time of the window's picture."""
SHOWN_EVENT = 1
PAGE_PX = (1160, 672)


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
    truth = [TruthInterval(e.onset_s, e.apex_s, e.offset_s, e.label) for e in stream.truth.events]
    moment = Moment(SHOWN_S)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Pipeline(recognizer=load_recognizer()) as pipeline:
        page = Path(scratch) / "report.html"
        report = ReportSink(page, ReportExtras(truth=truth))
        process(SyntheticSource(stream), pipeline, SinkGroup([moment, report]))
        _photograph(page, Path(scratch))
    if moment.picture is not None:
        _save("window.png", moment.picture)
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
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}"]
    size = f"--window-size={PAGE_PX[0]},{PAGE_PX[1]}"
    subprocess.run([browser, *words, size, around.as_uri()], check=True, capture_output=True, timeout=120)
    _save("report.png", np.asarray(cv2.imread(str(shot)), dtype=np.uint8))


def _save(name: str, picture: U8) -> None:
    path = FOLDER / name
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
