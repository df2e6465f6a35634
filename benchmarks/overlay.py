"""What the window costs the route: time per frame with it and without it, in turns.

python -m benchmarks.overlay [--fps 60] [--seconds 20] [--rounds 3]

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
from realtime.sinks import SinkGroup
from realtime.sinks.window import WindowSink
from realtime.types import RunSummary, StreamInfo, Unreadable

WARM_UP_S = 2.0


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    plan = StreamPlan(make_identity(41), seconds=options.seconds, fps=options.fps, seed=41, events=6)
    frames = list(SyntheticSource(SyntheticStream(plan)))
    times: dict[bool, list[float]] = {False: [], True: []}
    with _display():
        for number in range(2 * options.rounds):
            shown = number % 2 == 1
            times[shown] += _run(frames, options.fps, shown)
    for shown, name in ((False, "without"), (True, "with   ")):
        p50, p99 = np.percentile(times[shown], [50, 99])
        print(f"{name} the window: p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(times[shown])} frames")
    ratio = np.percentile(times[True], 99) / np.percentile(times[False], 99)
    print(f"p99 with over without: {ratio:.3f}")
    return 0


def _run(frames: list[Frame | Unreadable], fps: float, shown: bool) -> list[float]:
    """Milliseconds that the route held each frame, the outputs' part included."""
    window = WindowSink("benchmark") if shown else None
    outputs = SinkGroup([window] if window else [])
    times = []
    with Pipeline(recognizer=load_recognizer()) as pipeline:
        outputs.open(StreamInfo("benchmark", 640, 480, fps), None)
        start_s = time.perf_counter()
        for number, frame in enumerate(frames):
            time.sleep(max(start_s + number / fps - time.perf_counter(), 0.0))
            began_s = time.perf_counter()
            outputs.watch(frame, pipeline, pipeline.push(frame))
            if number > WARM_UP_S * fps:
                times.append(1000.0 * (time.perf_counter() - began_s))
        outputs.close(RunSummary(len(frames), 0, 0))
    return times


@contextlib.contextmanager
def _display() -> Iterator[None]:
    if os.environ.get("DISPLAY"):
        yield
        return
    words = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        os.environ["DISPLAY"] = f":{server.stdout.readline().decode().strip()}"
        yield
        server.terminate()


if __name__ == "__main__":
    sys.exit(main())
