"""From the command line of `glimpse process` to its outputs: refused while nothing is written, then made."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import UsageError
from realtime.terminal import say

if TYPE_CHECKING:
    from realtime.recognition import Recognizer
    from realtime.sinks import EventSink
    from realtime.sinks.window import WindowSink

_SUFFIXES = {"--out": ".jsonl", "--csv": ".csv", "--report": ".html", "--video": ".mp4"}
"""Flag of an output → ending of its files, where there are several."""


def check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that would overwrite each other or an input, before anything is written."""
    targets = [(flag, getattr(options, flag.removeprefix("--"))) for flag in _SUFFIXES]
    named = [(flag, path) for flag, path in targets if path]
    several = len(options.files) > 1
    stems = [Path(name).stem for name in options.files]
    for flag, path in named:
        if several and path != "-":
            if os.path.exists(path) and not os.path.isdir(path):
                raise UsageError(f"{flag} {path}: with several FILEs this must be a folder")
            if len(set(stems)) < len(stems):
                raise UsageError(f"{flag} {path}: two of the FILEs have the same name; process them apart")
    if several and options.truth:
        raise UsageError("--truth goes with one FILE")
    taken = [
        Path(_target(p, n, s, several)).resolve()
        for n in options.files
        for p, s in _with_suffix(named)
        if p != "-"
    ]
    if len(set(taken)) < len(taken):
        raise UsageError("two outputs name the same file")
    _refuse_inputs(options, taken)
    _check_pictures(options)
    if options.truth and not options.report:
        raise UsageError("--truth is drawn into the report; name one with --report")
    if sum(path == "-" for _, path in named) > 1:
        raise UsageError("only one output can go to standard output")


def _refuse_inputs(options: argparse.Namespace, taken: Sequence[Path]) -> None:
    """Refuse outputs that would overwrite an input, also while they are being made."""
    from realtime.sinks.files import refuse_inputs
    from realtime.sources.images import SUFFIXES

    inputs = [Path(name) for name in filter(None, (*options.files, options.config, options.truth))]
    refuse_inputs(taken, inputs)
    images = {path.parent: path for path in taken if path.suffix.lower() in SUFFIXES and path.exists()}
    for path in inputs:
        if path.resolve() in images:
            raise UsageError(f"{images[path.resolve()]}: is both an image of {path} and output")


def _check_pictures(options: argparse.Namespace) -> None:
    """Refuse pictures of a person that were not clearly asked for, or that anybody could read."""
    if options.allow_faces and not options.report:
        raise UsageError("--allow-faces is about the report; name one with --report")
    if options.allow_faces and options.report == "-":
        raise UsageError("a report with faces goes into a file that only you can read: --report PATH")
    if options.video and not options.allow_clips:
        raise UsageError("--video writes a film of the face; add --allow-clips if all agree to that")
    if options.video == "-":
        raise UsageError("a film goes into a file that only you can read: --video PATH")
    if options.show and len(options.files) > 1:
        raise UsageError("--show goes with one FILE")


def make_folders(options: argparse.Namespace) -> None:
    """Several files go into folders, which are made where they are missing."""
    from realtime.sinks.files import output_errors

    for path in (options.out, options.csv, options.report, options.video):
        if len(options.files) > 1 and path and path != "-":
            with output_errors(path):
                os.makedirs(path, exist_ok=True)


def make_outputs(
    name: str, options: argparse.Namespace, config: Any, recognizer: Recognizer | None
) -> Iterator[EventSink]:
    """The outputs of one stream, in the order in which they are opened."""
    from realtime.sinks import CsvSink, JsonLinesSink

    several = len(options.files) > 1
    if options.csv:
        yield CsvSink(_target(options.csv, name, ".csv", several))
    if options.report:
        yield _report(_target(options.report, name, ".html", several), options, config, recognizer)
    if options.video:
        from realtime.sinks.film import FilmSink

        path = _target(options.video, name, ".mp4", several)
        say(f"{path}: will show a face; only you can read it")
        yield FilmSink(path)
    # last, because it is the one that writes when it is opened: the others are known to be writable then
    yield JsonLinesSink(_target(options.out, name, ".jsonl", several))


def _report(path: str, options: argparse.Namespace, config: Any, recognizer: Recognizer | None) -> EventSink:
    """The report, with what is known besides what will be found."""
    from realtime.bundle import read_card  # the report brings matplotlib, which nothing else needs
    from realtime.sinks.page import ReportExtras
    from realtime.sinks.report import ReportSink
    from realtime.truth import read_truth

    if options.allow_faces:
        say(f"{path}: will show faces; only you can read it")
    extras = ReportExtras(
        truth=read_truth(options.truth) if options.truth else None,
        settings={"model": options.model, **asdict(config)},
        model_card=read_card(recognizer.bundle) if recognizer else "",
    )
    return ReportSink(path, extras, show_faces=options.allow_faces)


def make_window(name: str, options: argparse.Namespace) -> WindowSink:
    """The window of a run; clips are saved beside the events."""
    from realtime.sinks.window import WindowSink

    folder = Path(options.out).parent if options.out != "-" else Path()
    return WindowSink(Path(name).name, clips=folder if options.allow_clips else None)


def _target(path: str, name: str, suffix: str, several: bool) -> str:
    """Where the result of one file goes."""
    if path == "-" or not (several or os.path.isdir(path)):
        return path
    return str(Path(path) / (Path(name).stem + suffix))


def _with_suffix(named: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(path, _SUFFIXES[flag]) for flag, path in named]
