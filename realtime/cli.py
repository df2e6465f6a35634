"""`glimpse`: parses, builds and runs. The loop over frames is in `process`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime import __version__, terminal
from realtime.bench import command as bench_command
from realtime.devices import DEVICES
from realtime.errors import GlimpseError
from realtime.live import command as live_command
from realtime.process_outputs import check_outputs, make_folders, make_outputs, make_window
from realtime.route_options import add_route_options, with_options

if TYPE_CHECKING:
    from realtime.recognition import Recognizer
    from realtime.types import FrameSource, StreamInfo

log = logging.getLogger("glimpse")


def build_parser() -> terminal.Parser:
    parser = terminal.Parser(
        prog="glimpse",
        description="Finds facial micro-expressions in a stream: onset, apex, offset and the class they fit.",
    )
    parser.add_argument("--version", action="version", version=f"glimpse {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, parser_class=terminal.Parser)
    process = commands.add_parser("process", help="analyse recorded streams")
    _add_process_arguments(process)
    process.set_defaults(command=_process)
    live = commands.add_parser("live", help="analyse cameras and network streams while they run")
    live_command.add_arguments(live)
    live.set_defaults(command=live_command.run)
    bench = commands.add_parser("bench", help="measure how fast the route is on this machine")
    bench_command.add_arguments(bench)
    bench.set_defaults(command=bench_command.run)
    return parser


def _add_process_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="video file or folder of numbered images")
    parser.add_argument(
        "--out", default="-", metavar="PATH",
        help="JSON Lines of events; '-' is standard output (default); a folder where there are several FILEs",
    )  # fmt: skip
    parser.add_argument("--csv", metavar="PATH", help="table with one row per frame, or a folder for several")
    parser.add_argument("--report", metavar="PATH", help="HTML report, or a folder for several")
    parser.add_argument(
        "--allow-faces", action="store_true",
        help="put the key frames of each event into the report: pictures of the person",
    )  # fmt: skip
    parser.add_argument(
        "--video", metavar="PATH",
        help="film with what was found drawn into it (.mp4, .mkv, .avi, .webm), or a folder for several;"
        " needs --allow-clips",
    )  # fmt: skip
    parser.add_argument("--show", action="store_true", help="a window with the run; h in it shows the keys")
    parser.add_argument(
        "--allow-clips", action="store_true",
        help="allow films of the face: --video, and saving an event's clip from the window",
    )  # fmt: skip
    parser.add_argument(
        "--truth",
        metavar="JSON",
        help="truth of a synthesised stream, drawn into the report under the events",
    )
    parser.add_argument(
        "--model",
        default="default",
        metavar="NAME|DIR",
        help="model bundle (default: default); 'none': no labels",
    )
    parser.add_argument("--config", metavar="YAML", help="settings of the route")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs")
    parser.add_argument("--fps", type=float, metavar="N", help="frame rate of a folder of images")
    parser.add_argument("--max-faces", type=int, metavar="N", help="most faces at once (default: 1)")
    add_route_options(parser)
    parser.add_argument("--timing", action="store_true", help="write the time that the run took (wall_s)")
    terminal.add_verbose(parser)


def _process(options: argparse.Namespace) -> int:
    """Every file in turn; one that fails is reported and does not stop the others."""
    from realtime.api import load_recognizer
    from realtime.config import PipelineConfig, load_config

    check_outputs(options)
    config = with_options(load_config(options.config) if options.config else PipelineConfig(), options)
    if options.max_faces is not None:
        config = config.with_max_faces(options.max_faces)
    recognizer = None
    if options.model != "none":
        recognizer = load_recognizer(options.model, device=options.device, config=config.recognition)
    if recognizer is not None:
        log.info("model %s on %s", recognizer.bundle.name, recognizer.provider)
    make_folders(options)
    failed = 0
    for name in options.files:
        try:
            _process_one(name, options, config, recognizer)
        except GlimpseError as error:
            if len(options.files) == 1 or isinstance(error.__cause__, BrokenPipeError):
                raise
            terminal.say(error)
            failed = max(failed, error.exit_code)
    return failed


def _process_one(name: str, options: argparse.Namespace, config: Any, recognizer: Recognizer | None) -> None:
    from realtime.pipeline import Pipeline
    from realtime.process import process
    from realtime.sinks import SinkGroup
    from realtime.sources import open_source
    from realtime.sources.common import MIN_USEFUL_FPS
    from realtime.types import ModelInfo

    model = ModelInfo(recognizer.bundle.name, recognizer.bundle.id) if recognizer else None
    with open_source(name, fps=options.fps) as source, Pipeline(config, recognizer) as pipeline:
        if source.info.fps < MIN_USEFUL_FPS:
            terminal.say(
                f"{name}: {source.info.fps:g} frames per second are too few for micro-expressions;"
                f" {MIN_USEFUL_FPS:g} is the least, 100 or more is good"
            )
        for note in source.info.notes:
            terminal.say(f"{name}: {note}")
        outputs = list(make_outputs(name, options, config, recognizer))
        frames: FrameSource = source
        if options.show:
            window = make_window(name, options)
            frames = window.steer(source)
            outputs.insert(0, window)
        with _progress(source.info) as progress:
            summary = process(
                frames, pipeline, SinkGroup(outputs), model=model, timing=options.timing, progress=progress
            )
        for note in summary.notes:
            terminal.say(f"{name}: {note}")
        log.info(
            "%s: %d frames, %d with a face, %d events",
            name,
            summary.frames,
            summary.face_frames,
            summary.events,
        )


@contextlib.contextmanager
def _progress(info: StreamInfo) -> Iterator[Callable[[int], object] | None]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=info.frame_count, unit="frame", desc=Path(info.source).name, leave=False) as bar:
        yield bar.update


def main(argv: Sequence[str] | None = None) -> int:
    """Run `glimpse`; gives the exit code."""
    return terminal.run(build_parser(), argv)
