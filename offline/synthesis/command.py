"""`glimpse-offline synthesize`: labelled streams written to a folder."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from offline.synthesis.identities import Faces, face_number, make_identity
from offline.synthesis.recipes import FOUR_CLASSES, MIXTURES
from offline.synthesis.stream import CALM, NO_CONFOUNDERS, Confounders, StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from offline.synthesis.video import write_labelled_video
from realtime.errors import OutputError, UsageError

CONFOUNDERS = {"calm": CALM, "all": Confounders(), "none": NO_CONFOUNDERS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `synthesize`."""
    add = parser.add_argument
    add(
        "--out", type=Path, required=True, metavar="DIR", help="folder for stream-000.mkv, stream-000.json, …"
    )
    add("--count", type=int, default=1, metavar="N", help="number of streams (1)")
    add("--fps", type=float, default=100.0, help="frames per second, 25 to 200 (100)")
    add("--seconds", type=float, default=20.0, help="length of each stream (20)")
    add("--width", type=int, default=640, help="pixels (640)")
    add("--height", type=int, default=480, help="pixels (480)")
    add("--face-width", type=float, default=180.0, metavar="PX", help="width of the face (180)")
    add(
        "--face", type=Path, metavar="IMAGE", help="portrait to start from; default: scikit-image's astronaut"
    )
    add(
        "--faces",
        choices=get_args(Faces),
        default="portrait",
        help="made from the portrait, painted from nothing, or both in turn (portrait)",
    )
    add("--identity", type=int, metavar="I", help="identity of every stream; default: another one for each")
    add("--seed", type=int, default=0, metavar="S", help="seed of the first stream, counted up (0)")
    add("--events", type=int, default=5, metavar="N", help="micro-expressions per stream (5)")
    add("--classes", nargs="+", default=list(FOUR_CLASSES), choices=list(MIXTURES), help="classes to draw")
    add(
        "--amplitude",
        type=float,
        nargs=2,
        default=(0.4, 1.5),
        metavar=("LO", "HI"),
        help="peak displacement in percent of the face's width (0.4 1.5)",
    )
    add("--confounders", choices=list(CONFOUNDERS), default="all", help="what else happens (all)")
    add("--busy", action="store_true", help="let the rest overlap with micro-expressions")
    add("--format", choices=("mkv", "mp4", "avi"), default="mkv", help="mkv is lossless (mkv)")


def run(args: argparse.Namespace) -> int:
    """Write the streams; returns the exit code. Raises UsageError, DataError or OutputError."""
    if args.count < 1:
        raise UsageError(f"--count is {args.count}: use 1 or more")
    if args.identity is not None and args.identity < 0:
        raise UsageError(f"--identity is {args.identity}: use 0 or more")
    if args.face is not None and args.faces != "portrait":
        raise UsageError("--face is a portrait: --faces painted and both go without it")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make folder {args.out}: {error.strerror or error}") from error
    for number in range(args.count):
        written = _write_stream(args, number)
        print(f"{written.video}: {written.truth.frames} frames, {_counted(written.truth)}")
    return 0


def _counted(truth: Truth) -> str:
    """What happens in a stream, `--events` and the others apart."""
    micros = sum(event.kind == "micro_expression" for event in truth.events)
    macros = len(truth.events) - micros
    text = "1 micro-expression" if micros == 1 else f"{micros} micro-expressions"
    if not macros:
        return text
    return f"{text} and {macros} macro-expression" + "s" * (macros > 1)


@dataclass(frozen=True, slots=True)
class _Written:
    video: Path
    truth: Truth


def _write_stream(args: argparse.Namespace, number: int) -> _Written:
    seed = args.seed + number
    if seed < 0:
        raise UsageError(f"--seed is {args.seed}: use 0 or more")
    index = seed if args.identity is None else args.identity
    plan = StreamPlan(
        identity=make_identity(face_number(index, args.faces), args.face),
        seconds=args.seconds,
        fps=args.fps,
        width=args.width,
        height=args.height,
        face_width_px=args.face_width,
        seed=seed,
        events=args.events,
        classes=tuple(args.classes),
        amplitude_percent=tuple(args.amplitude),
        confounders=CONFOUNDERS[args.confounders],
        busy=args.busy,
    )
    stream = SyntheticStream(plan)
    video = args.out / f"stream-{number:03d}.{args.format}"
    write_labelled_video(video, stream.frames(), stream.truth)
    return _Written(video, stream.truth)
