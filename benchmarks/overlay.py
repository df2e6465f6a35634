"""What the window, or the live page, costs the route: time per frame with it and without it, by turns.

python -m benchmarks.overlay [--page] [--fps 60] [--seconds 20] [--rounds 6]

Frames come from memory at a steady rate, as a camera's do. The window needs a display, or Xvfb, which it then
starts. The page runs in a process of its own, as in `glimpse live`, and is looked at over its WebSocket.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream
from realtime import Frame, Pipeline, load_recognizer
from realtime.live.fleet import Fleet
from realtime.live.page.board import Board
from realtime.live.page.channel import Channel
from realtime.live.page.feed import PageFeed
from realtime.live.page.routes import make_live_app
from realtime.sinks.window import WindowSink
from realtime.spotting import SpotterConfig
from realtime.types import RunSummary, Unreadable
from realtime.web.access import Access
from realtime.web.server import Server

CAMERA = "benchmark"
TURN_S = 2.0
"""The view looks for this long, then not, and so on: what else the machine does meets both alike, s."""
SETTLE_S = 0.2


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--page", action="store_true", help="the live page in place of the window")
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    plan = StreamPlan(make_identity(41), seconds=options.seconds, fps=options.fps, seed=41, events=6)
    frames = list(SyntheticSource(SyntheticStream(plan)))
    times: dict[bool, list[float]] = {False: [], True: []}
    view, what = (_Page, "page") if options.page else (_Window, "window")
    with contextlib.nullcontext() if options.page else _display():
        for number in range(options.rounds):
            _run(frames, options.fps, view(), number % 2, times)
    for shown, name in ((False, "without"), (True, "with   ")):
        p50, p99 = np.percentile(times[shown], [50, 99])
        print(f"{name} the {what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(times[shown])} frames")
    ratio = np.percentile(times[True], 99) / np.percentile(times[False], 99)
    print(f"p99 with over without: {ratio:.3f}")
    return 0


class _Window:
    """The window, which looks at what it is shown."""

    def __init__(self) -> None:
        self._sink = WindowSink(CAMERA)
        self._sink.start()
        self.watch = self._sink.watch

    def look(self, looks: bool) -> None:
        """It is shown frames, or not."""

    def close(self) -> None:
        self._sink.close(RunSummary(0, 0, 0))


class _Page:
    """The page's process, a camera's end of it, and who looks."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve_page, args=(theirs,), daemon=True)
        self._process.start()
        feed = PageFeed(CAMERA, str, lambda index: None, lambda value: None)
        feed.start(self._pipe.recv())
        self.watch = feed.watch

    def look(self, looks: bool) -> None:
        """Somebody looks from now on, or nobody."""
        self._pipe.send(looks)

    def close(self) -> None:
        self._pipe.send(None)
        print(f"({self._pipe.recv()} pictures were looked at)", file=sys.stderr)
        self._process.join()


def _serve_page(pipe: Connection) -> None:
    """Process: the page, and a client that takes every picture at once."""
    board, fleet = Board({CAMERA: SpotterConfig().confidence}), Fleet([CAMERA])
    channel = Channel(board.connected, board.take)
    server = Server(make_live_app(board, fleet), Access.of("127.0.0.1"), 0, "--web")
    url = f"ws://127.0.0.1:{server.port}/api/live"
    pictures = 0
    with connect(url, origin=Origin(server.url.rstrip("/"))) as socket:

        def take() -> None:
            nonlocal pictures
            for message in socket:
                if isinstance(message, bytes):
                    pictures += 1
                    with contextlib.suppress(ConnectionClosed):
                        socket.send('{"ready": true}')

        taking = threading.Thread(target=take)
        taking.start()
        pipe.send(dict(channel.link))
        while (looks := pipe.recv()) is not None:
            socket.send(json.dumps({"camera": CAMERA if looks else None}))
    taking.join()
    pipe.send(pictures)
    server.close()


def _run(
    frames: list[Frame | Unreadable],
    fps: float,
    view: _Window | _Page,
    first: int,
    times: dict[bool, list[float]],
) -> None:
    """Add the milliseconds that the route held each frame, with a view that looks and without.

    `first`: 1 where the view looks in the first turn: in every other round, so that both meet all frames.
    """
    looked = False
    with Pipeline(recognizer=load_recognizer()) as pipeline:
        start_s = time.perf_counter()
        for number, frame in enumerate(frames):
            time.sleep(max(start_s + number / fps - time.perf_counter(), 0.0))
            turn, within_s = divmod(number / fps, TURN_S)
            shown = (turn + first) % 2 == 1
            if shown != looked:
                view.look(shown)
                looked = shown
            began_s = time.perf_counter()
            decided = pipeline.push(frame)
            if shown:
                view.watch(frame, pipeline, decided)
            if turn > 0 and within_s > SETTLE_S:
                times[shown].append(1000.0 * (time.perf_counter() - began_s))
        view.close()


@contextlib.contextmanager
def _display() -> Iterator[None]:
    if os.environ.get("DISPLAY"):
        yield
        return
    words = ["nice", "-n", "19", "Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        os.environ["DISPLAY"] = f":{server.stdout.readline().decode().strip()}"
        yield
        server.terminate()


if __name__ == "__main__":
    sys.exit(main())
