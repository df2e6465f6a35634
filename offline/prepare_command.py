"""`glimpse-offline prepare`: the annotations of licensed datasets as one labels file."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus
from offline.datasets.left_out import commonest_reason, csv_table, left_out_count, left_out_table
from offline.datasets.manifest import COLUMNS
from offline.datasets.protocols import PROTOCOLS, Labelled, protocol
from offline.datasets.registry import DATASETS, person
from offline.datasets.selection import (
    Selected,
    check_people,
    default_protocol,
    label_corpora,
    select,
    with_apexes,
)
from realtime.errors import DataError, UsageError
from realtime.sinks.files import STDOUT, OutputFile, refuse_inputs

FURTHER_COLUMNS = ("dataset", "clip", "emotion", "action_units", "fps", "apex_source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `prepare`."""
    add = parser.add_argument
    add(
        "--dataset",
        action="extend",
        nargs="+",
        required=True,
        metavar="NAME[:FRAMES][=DIR]",
        help=f"{', '.join(DATASETS)}; several are combined, each with its folder; FRAMES chooses a form "
        "where a dataset has several, e.g. casme2:cropped=DIR",
    )
    add("--root", type=Path, metavar="DIR", help="folder of the dataset, if it is one")
    add("--protocol", choices=list(PROTOCOLS), help="classes (casme2-4 for casme2 alone, else megc-3)")
    add("--out", type=Path, required=True, metavar="CSV", help="labels file to write")
    add(
        "--left-out",
        type=Path,
        metavar="CSV",
        help="list of what is left out (NAME-left-out.csv beside --out)",
    )
    add("--coding", metavar="NAME", help="coding file to read where one dataset has several")
    add("--kind", choices=("micro", "macro", "all"), default="micro", help="expressions to take (micro)")
    add(
        "--spot-apex",
        action="store_true",
        help="where no apex is coded, take the one that the live route finds; default: leave the clip out",
    )


def run(args: argparse.Namespace) -> int:
    """Write the labels file and the list of what is left out, and print counts. Gives the exit code.

    Raises UsageError, DataError or OutputError; then neither file has been changed.
    """
    wanted = _wanted(args)
    name = args.protocol or default_protocol([item.dataset.name for item in wanted])
    left_out_file = args.left_out or args.out.with_name(f"{args.out.stem}-left-out.csv")
    with _outputs(args.out, left_out_file) as (labels_out, left_out_out):
        corpora = [item.dataset.load(item.root, item.frames, args.coding) for item in wanted]
        refuse_inputs((args.out, left_out_file), (corpus.coding for corpus in corpora))
        labelled = label_corpora(corpora, protocol(name), args.kind)
        labelled = with_apexes(labelled, spot=args.spot_apex)
        if not labelled.clips:
            reason = commonest_reason(labelled.left_out)
            raise DataError(f"no clip can be used with {name}; most often: {reason}")
        labels_out.write(labels_table(labelled, args.out.parent))
        left_out_out.write(left_out_table(labelled.left_out))
    print(_summary(corpora, labelled, name))
    print(f"wrote {args.out} and {left_out_file}")
    return 0


def labels_table(labelled: Labelled, folder: Path) -> bytes:
    """The labels file, UTF-8, as `offline.datasets.manifest` reads it from `folder`."""
    rows = [_label_row(clip, label, folder) for clip, label in labelled.clips]
    return csv_table((*COLUMNS, *FURTHER_COLUMNS), rows)


def _wanted(args: argparse.Namespace) -> list[Selected]:
    if args.root is not None and (len(args.dataset) > 1 or "=" in args.dataset[0]):
        raise UsageError("--root goes with one --dataset NAME; several are given as NAME=DIR")
    if args.coding is not None and len(args.dataset) > 1:
        raise UsageError("--coding goes with one dataset")
    wanted = [select(text, args.root) for text in args.dataset]
    check_people([item.dataset.name] for item in wanted)
    return wanted


@contextmanager
def _outputs(labels: Path, left_out: Path) -> Iterator[tuple[OutputFile, OutputFile]]:
    """Both files, opened before the work begins; they take their names when it has gone well."""
    if str(labels) == STDOUT or str(left_out) == STDOUT:
        raise UsageError("the results need files: paths in a labels file are relative to it")
    if labels == left_out:
        raise UsageError(f"--out and --left-out are both {labels}: name two files")
    files: list[OutputFile] = []
    try:
        for path in (labels, left_out):
            files.append(OutputFile(path))
        yield files[0], files[1]
        for file in reversed(files):
            file.commit()
    except BaseException:
        for file in files:
            file.abandon()
        raise


def _label_row(clip: Annotation, label: str, folder: Path) -> tuple[object, ...]:
    return (
        _path(clip.path, folder),
        clip.index.onset,
        clip.index.apex,
        clip.index.offset,
        label,
        person(clip.dataset, clip.subject),
        clip.dataset,
        clip.clip,
        clip.emotion or "",
        "+".join(clip.action_units),
        f"{clip.fps:g}",
        clip.apex_source,
    )


def _path(path: Path, folder: Path) -> str:
    """Relative where the clip lies below the labels file's folder, else absolute."""
    absolute, base = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    below = absolute.is_relative_to(base)
    return (absolute.relative_to(base) if below else absolute).as_posix()


def _summary(corpora: Sequence[Corpus], labelled: Labelled, name: str) -> str:
    lines = [
        f"{corpus.name}: {len(corpus.annotations) + len(corpus.left_out)} clips in {corpus.coding.name}, "
        f"frames in {corpus.frames}"
        for corpus in corpora
    ]
    notes = Counter(note for clip, _ in labelled.clips for note in clip.notes)
    lines += [f"note: {note} ({count} clips)" for note, count in notes.most_common()]
    per_class = ", ".join(f"{label} {count}" for label, count in labelled.per_class().items())
    lines.append(f"{name}: {len(labelled.clips)} clips – {per_class}")
    subjects = Counter(person(clip.dataset, clip.subject) for clip, _ in labelled.clips)
    lines.append(f"{len(subjects)} subjects: " + ", ".join(f"{who} {n}" for who, n in subjects.items()))
    lines.append(left_out_count(labelled.left_out))
    return "\n".join(lines)
