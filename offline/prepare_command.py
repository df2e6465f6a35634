"""`glimpse-offline prepare`: the annotations of licensed datasets as one labels file."""

from __future__ import annotations

import argparse
import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus, LeftOut, leave_out
from offline.datasets.manifest import COLUMNS
from offline.datasets.protocols import PROTOCOLS, Labelled, apply_protocol, protocol
from offline.datasets.registry import DATASETS, Dataset, dataset
from realtime.errors import DataError, GlimpseError, UsageError
from realtime.sinks.files import STDOUT, OutputFile

FURTHER_COLUMNS = ("dataset", "clip", "emotion", "action_units", "fps", "apex_source")
LEFT_OUT_COLUMNS = ("dataset", "subject", "clip", "where", "reason")


@dataclass(frozen=True, slots=True)
class _Wanted:
    dataset: Dataset
    frames: str | None
    root: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `prepare`."""
    add = parser.add_argument
    add(
        "--dataset",
        nargs="+",
        required=True,
        metavar="NAME[:FRAMES][=DIR]",
        help=f"{', '.join(DATASETS)}; several are combined, each with its folder; FRAMES chooses a form "
        "where a dataset has several, e.g. casme2:cropped=DIR",
    )
    add("--root", type=Path, metavar="DIR", help="folder of the dataset, if it is one")
    add("--protocol", choices=list(PROTOCOLS), help="classes (casme2-4 for casme2 alone, else megc-3)")
    add("--out", type=Path, required=True, metavar="CSV", help="labels file to write")
    add("--left-out", type=Path, metavar="CSV", help="list of what is left out (NAME-left-out.csv beside --out)")
    add("--coding", metavar="NAME", help="coding file to read where one dataset has several")
    add("--kind", choices=("micro", "macro", "all"), default="micro", help="expressions to take (micro)")
    add(
        "--spot-apex",
        action="store_true",
        help="where no apex is coded, take the one that the live route finds; default: leave the clip out",
    )


def run(args: argparse.Namespace) -> int:
    """Write the labels file and the list of what is left out, and print counts. Gives the exit code.

    Raises UsageError, DataError or OutputError; then no file has been changed.
    """
    wanted = _wanted(args)
    left_out_file = args.left_out or args.out.with_name(f"{args.out.stem}-left-out.csv")
    _check_outputs(args.out, left_out_file)
    corpora = [item.dataset.load(item.root, item.frames, args.coding) for item in wanted]
    left_out = [item for corpus in corpora for item in corpus.left_out]
    annotations, other_kind = _of_kind(corpora, args.kind)
    name = args.protocol or _default_protocol(wanted)
    labelled = apply_protocol(annotations, protocol(name))
    clips, without_apex = _with_apex(labelled.clips, args.spot_apex)
    left_out += [*other_kind, *labelled.left_out, *without_apex]
    if not clips:
        raise DataError(f"no clip has a class of protocol {name}; most often: {_commonest(left_out)}")
    _write(args.out, _labels(clips, args.out.parent), left_out_file, _left_out_table(left_out))
    print(_summary(corpora, Labelled(labelled.classes, clips, tuple(left_out)), name))
    print(f"wrote {args.out} and {left_out_file}")
    return 0


def _wanted(args: argparse.Namespace) -> list[_Wanted]:
    if args.root is not None and (len(args.dataset) > 1 or "=" in args.dataset[0]):
        raise UsageError("--root goes with one --dataset NAME; several are given as NAME=DIR")
    if args.coding is not None and len(args.dataset) > 1:
        raise UsageError("--coding goes with one dataset")
    wanted = [_parse(text, args.root) for text in args.dataset]
    twice = [name for name, count in Counter(item.dataset.people for item in wanted).items() if count > 1]
    if twice:
        raise UsageError(f"two of the datasets hold the same expressions ({twice[0]}): choose one of them")
    return wanted


def _parse(text: str, root: Path | None) -> _Wanted:
    name, _, folder = text.partition("=")
    name, _, frames = name.partition(":")
    if not folder and root is None:
        raise UsageError(f"--dataset {text}: which folder? Use {name}=DIR, or --root DIR")
    found = dataset(name)
    if frames and frames not in found.frames:
        forms = ", ".join(found.frames)
        raise UsageError(f"--dataset {text}: {found.name} has no frames of the form '{frames}': use {forms}")
    return _Wanted(found, frames or None, Path(folder) if folder else root or Path())


def _default_protocol(wanted: Sequence[_Wanted]) -> str:
    return "casme2-4" if [item.dataset.name for item in wanted] == ["casme2"] else "megc-3"


def _of_kind(corpora: Iterable[Corpus], kind: str) -> tuple[list[Annotation], list[LeftOut]]:
    every = [item for corpus in corpora for item in corpus.annotations]
    chosen = [item for item in every if kind in ("all", item.kind)]
    return chosen, [leave_out(item, f"it is a {item.kind}-expression") for item in every if item not in chosen]


def _with_apex(
    clips: Sequence[tuple[Annotation, str]], spot: bool
) -> tuple[tuple[tuple[Annotation, str], ...], list[LeftOut]]:
    """Clips that have an apex or get one; the others as left out."""
    complete: list[tuple[Annotation, str]] = []
    left_out: list[LeftOut] = []
    finder = _spotted if spot and any(clip.index.apex is None for clip, _ in clips) else None
    for clip, label in clips:
        if clip.index.apex is not None:
            complete.append((clip, label))
        elif finder is None:
            left_out.append(leave_out(clip, "no apex is coded"))
        else:
            pass
    return tuple(complete), left_out
