"""`glimpse-offline plant`: known micro-expressions in a user's own footage, and how many are found."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from offline.planting.outcome import recall_picture, summarize, table
from offline.planting.plan import DEFAULT_AMPLITUDES_PX, REFERENCE_WIDTH_PX, PlantingPlan, draw_events
from offline.planting.source import PlantedSource
from offline.planting.track import track_face
from offline.planting.trial import Trial, run_trial
from offline.results import RESULTS, open_folder
from offline.synthesis.video import CODECS, write_labelled_video
from realtime.child import safe_path
from realtime.config import PipelineConfig, load_config
from realtime.errors import UsageError
from realtime.sinks.files import refuse_inputs, write_together
from realtime.sources import open_source
from realtime.types import Frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `glimpse-offline plant`."""
    add = parser.add_argument
    add(
        "--source", nargs="+", required=True, metavar="VIDEO", help="recordings of one face, or image folders"
    )
    add("--fps", type=float, metavar="N", help="frame rate of a folder of images")
    add(
        "--amplitude", type=float, nargs="+", default=None, metavar="A",
        help="largest displacements to plant (0.4 0.6 0.8 1.2 1.6 2.4 px)",
    )  # fmt: skip
    add(
        "--unit", choices=("px", "percent"), default="px",
        help="of --amplitude: px on a face of 200 px, or percent of the face's width (px)",
    )  # fmt: skip
    add("--side", choices=("both", "left", "right"), help="the side that moves; default: left to chance")
    add(
        "--rounds", type=int, default=3, metavar="N", help="passes over each recording, each planted anew (3)"
    )
    add("--seed", type=int, default=0, metavar="S", help="seed of the first pass, counted up (0)")
    add("--config", metavar="YAML", help="settings of the route")
    add("--jobs", type=int, default=1, metavar="N", help="recordings at once (1)")
    add("--out", type=Path, metavar="DIR", help="folder for results.json, recall.png and recall.svg")
    add(
        "--video", type=Path, metavar="OUT",
        help="write the planted video, with its truth beside it, and stop; needs --allow-clips",
    )  # fmt: skip
    add("--allow-clips", action="store_true", help="allow --video: a film of the face")


def run(args: argparse.Namespace) -> int:
    """Plant, run the live route, print recall by amplitude. Returns the exit code."""
    plan = _plan(args)
    for name, value in (("--rounds", args.rounds), ("--jobs", args.jobs)):
        if value == 0 or (name == "--rounds" and value < 1):
            raise UsageError(f"{name} is {value}: use 1 or more")
    if args.video is not None:
        return _write_video(args, plan)
    if args.out is not None:
        open_folder(args.out)
    from joblib import Parallel, delayed

    config = load_config(args.config) if args.config else None
    with safe_path():
        trials = Parallel(n_jobs=args.jobs)(
            delayed(_run)(spec, args.fps, replace(plan, seed=plan.seed + 1000 * number), args.rounds, config)
            for number, spec in enumerate(args.source)
        )
    figures = summarize(trials)
    print(table(figures))
    if not any(trial.outcomes for trial in trials):
        print("glimpse-offline: nothing was planted: a face must be seen for 1.5 s or more", file=sys.stderr)
    if args.out is not None:
        pictures = {args.out / f"recall.{form}": recall_picture(figures, form) for form in ("png", "svg")}
        text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
        write_together({**pictures, args.out / RESULTS: text.encode()})
    return 0


def _plan(args: argparse.Namespace) -> PlantingPlan:
    if args.amplitude is None:
        amplitudes = DEFAULT_AMPLITUDES_PX
    else:
        factor = 1.0 if args.unit == "px" else REFERENCE_WIDTH_PX / 100.0
        amplitudes = tuple(round(factor * value, 9) for value in args.amplitude)
    return PlantingPlan(amplitudes_px=amplitudes, side=args.side, seed=args.seed)


def _run(
    spec: str, fps: float | None, plan: PlantingPlan, rounds: int, config: PipelineConfig | None
) -> Trial:
    return run_trial(Path(spec).name, partial(open_source, Path(spec), fps=fps), plan, rounds, config)


def _write_video(args: argparse.Namespace, plan: PlantingPlan) -> int:
    if not args.allow_clips:
        raise UsageError("--video writes a film of the face; add --allow-clips if all agree to that")
    if len(args.source) > 1:
        raise UsageError("--video takes one --source: call it once for each recording")
    if args.video.suffix.lower() not in CODECS:
        raise UsageError(f"--video {args.video}: use one of the endings {', '.join(CODECS)}")
    spec = args.source[0]
    written = (args.video, args.video.with_suffix(".json"))
    refuse_inputs(written, (Path(spec), Path(spec).with_suffix(".json")))
    with open_source(Path(spec), fps=args.fps) as source:
        track = track_face(source)
    with PlantedSource(open_source(Path(spec), fps=args.fps), track, draw_events(track, plan)) as source:
        images = (frame.image for frame in source if isinstance(frame, Frame))
        frames = write_labelled_video(args.video, images, source.truth, private=True)
    print(
        f"glimpse-offline: {args.video}: shows a face; only you can read it",
        file=sys.stderr,
    )
    print(f"{args.video}: {frames} frames, {len(source.truth.events)} events")
    return 0
