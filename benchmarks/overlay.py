"""What the window costs the route: time per frame with it and without it, by turns.

python -m benchmarks.overlay [--fps 60] [--seconds 20] [--rounds 6]

Frames come from memory at a steady rate, as a camera's do. Needs a display, or Xvfb, which it then starts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream
from realtime import Frame, Pipeline, load_recognizer
from realtime.sinks.window import WindowSink
from realtime.types import RunSummary, Unreadable

TURN_S = 2.0
"""The window looks for this long, then not, and so on: what else the machine does meets both alike, s."""
SETTLE_S = 0.2


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    plan = StreamPlan(make_identity(41), seconds=options.seconds, fps=options.fps, seed=41, events=6)
    frames = list(SyntheticSource(SyntheticStream(plan)))
    times: dict[bool, list[float]] = {False: [], True: []}
    with _display():
        for number in range(options.rounds):
            _run(frames, options.fps, number % 2, times)
    for shown, name in ((False, "without"), (True, "with   ")):
        p50, p99 = np.percentile(times[shown], [50, 99])
        print(f"{name} the window: p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(times[shown])} frames")
    ratio = np.percentile(times[True], 99) / np.percentile(times[False], 99)
    print(f"p99 with over without: {ratio:.3f}")
    return 0


def _run(frames: list[Frame | Unreadable], fps: float, first: int, times: dict[bool, list[float]]) -> None:
    """Add the milliseconds that the route held each frame, with a window that looks and without.

    `first`: 1 where the window looks in the first turn: in every other round, so that both meet all frames.
    """
    window = WindowSink("benchmark")
    with Pipeline(recognizer=load_recognizer()) as pipeline:
        window.start()
        start_s = time.perf_counter()
        for number, frame in enumerate(frames):
            time.sleep(max(start_s + number / fps - time.perf_counter(), 0.0))
            turn, within_s = divmod(number / fps, TURN_S)
            shown = (turn + first) % 2 == 1
            began_s = time.perf_counter()
            decided = pipeline.push(frame)
            if shown:
                window.watch(frame, pipeline, decided)
            if turn > 0 and within_s > SETTLE_S:
                times[shown].append(1000.0 * (time.perf_counter() - began_s))
        window.close(RunSummary(len(frames), 0, 0))


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
