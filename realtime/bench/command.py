"""`glimpse bench`: parse, measure in fresh processes, show."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realtime import terminal
from realtime.devices import DEVICES
from realtime.errors import OutputError, SourceError, UsageError

WARM_UP_S = 1.0
"""Stream time at the beginning of each run that is shown apart."""
PACED_WARM_UP_S = 3.0
"""The same where a camera sets the pace: what queued up while the route got going is worked off by then."""
_SAMPLE_FPS = 200.0
_SECONDS = 10.0
_OWN = "own sample"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the arguments of `glimpse bench`."""
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="video file or folder of images (default: a stream of its own)",
    )
    add(
        "--fps",
        type=float,
        metavar="N",
        help="as a camera of this rate would deliver (default: as fast as possible)",
    )
    add(
        "--streams", type=int, default=1, metavar="N", help="so many streams at once, each in its own process"
    )
    add("--runs", type=int, default=1, metavar="N", help="measure so many times and take the medians")
    add("--seconds", type=float, metavar="S", help="measure for this time, warm-up excluded (default: 10)")
    add("--frames", type=int, metavar="N", help="measure over so many frames instead, warm-up included")
    add(
        "--model",
        default="default",
        metavar="NAME|DIR",
        help="model bundle (default: default); 'none': no labels",
    )
    add("--device", choices=DEVICES, default="auto", help="where the network runs")
    add("--json", metavar="FILE", help="figures for machines; '-' is standard output")
    add("--plot", metavar="FILE", help="picture of stages and latencies (PNG, SVG or PDF)")
    add("--compare", nargs=2, metavar=("A.json", "B.json"), help="measure nothing: show how B differs from A")
    terminal.add_verbose(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from realtime.bench.record import rounded
    from realtime.bench.table import table

    if options.compare:
        return _compare(*options.compare)
    _check(options)
    record = rounded(_measured(options))
    if options.json != "-":
        print(table(record))
    _write(options, record)
    return 0


def _compare(first: str, second: str) -> int:
    from realtime.bench.comparison import comparison, load_record

    print(comparison(load_record(first), load_record(second)))
    return 0


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    from realtime.bench.environment import environment
    from realtime.bench.fleet import run_together
    from realtime.bench.record import SCHEMA, middle, together, with_slope

    machine = environment()
    with _stream(options) as (path, name):
        job = _job(options, path)
        runs = []
        for number in range(options.runs):
            _say(f"run {number + 1} of {options.runs}")
            runs.append(together([with_slope(one) for one in run_together([job] * options.streams)]))
    return {
        "schema": SCHEMA,
        "source": name,
        "paced_fps": options.fps,
        "model": options.model,
        "device": options.device,
        **middle(runs),
        "environment": machine,
    }


def _job(options: argparse.Namespace, path: str) -> Any:
    from realtime.bench.worker import Job

    seconds = options.seconds
    if seconds is None and options.frames is None:
        seconds = _SECONDS
    warm_up_s = PACED_WARM_UP_S if options.fps else WARM_UP_S
    return Job(
        path, options.fps, options.frames, seconds, warm_up_s, options.model, options.device, started_s=0.0
    )


@contextmanager
def _stream(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The stream's path, and its name to show; a stream of our own is deleted afterwards."""
    if options.source is not None:
        yield options.source, options.source
        return
    from realtime.bench.sample import write_sample

    with tempfile.TemporaryDirectory() as folder:
        print("glimpse: making a stream to measure with", file=sys.stderr)
        path, codec = write_sample(Path(folder), options.fps or _SAMPLE_FPS)
        yield os.fspath(path), f"{_OWN} ({codec})"


def _check(options: argparse.Namespace) -> None:
    """Refuse what makes no sense before anything is measured."""
    from realtime.bench.plot import check_format
    from realtime.sinks.files import refuse_inputs
    from realtime.sources.common import check_fps

    check_fps(options.fps)
    for name, most in (("streams", 64), ("runs", 100), ("frames", 10**9)):
        value = getattr(options, name)
        if value is not None and not 1 <= value <= most:
            raise UsageError(f"--{name} must lie in 1..{most}, not {value}")
    if options.seconds is not None and not (math.isfinite(options.seconds) and options.seconds > 0):
        raise UsageError("--seconds must be above 0")
    if options.source is not None and not os.path.exists(options.source):
        raise SourceError(f"{options.source}: no such file; give a video file or a folder of images")
    if options.plot:
        check_format(options.plot)
    outputs = [path for path in (options.json, options.plot) if path and path != "-"]
    refuse_inputs(map(Path, outputs), [Path(options.source)] if options.source else [])
    for path in (options.json, options.plot):
        if path and path != "-" and not os.path.isdir(os.path.dirname(os.path.realpath(path))):
            raise OutputError(f"{path}: its folder does not exist")


def _write(options: argparse.Namespace, record: dict[str, Any]) -> None:
    from realtime.sinks.files import write_together

    files = {}
    if options.json:
        files[Path(options.json)] = json.dumps(record, ensure_ascii=False, indent=1).encode() + b"\n"
    if options.plot:
        from realtime.bench.plot import picture

        files[Path(options.plot)] = picture(record, options.plot)
    write_together(files)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"glimpse: {text}", file=sys.stderr)
