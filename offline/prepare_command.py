"""`glimpse-offline prepare`: the annotations of licensed datasets as one labels file."""

from __future__ import annotations

import argparse
import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.apex import ApexFinder
from offline.datasets.corpus import Annotation, Corpus, LeftOut, leave_out
from offline.datasets.manifest import COLUMNS
from offline.datasets.protocols import PROTOCOLS, Labelled, LabelProtocol, apply_protocol, protocol
from offline.datasets.registry import DATASETS, Dataset, dataset
from realtime.errors import DataError, SourceError, UsageError
from realtime.sinks.files import STDOUT, OutputFile

_REASONS = 8
"""Reasons that are printed; the file has them all."""
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
    name = args.protocol or _default_protocol(wanted)
    left_out_file = args.left_out or args.out.with_name(f"{args.out.stem}-left-out.csv")
    with _outputs(args.out, left_out_file) as (labels_out, left_out_out):
        corpora = [item.dataset.load(item.root, item.frames, args.coding) for item in wanted]
        labelled = _labelled(corpora, protocol(name), args.kind, args.spot_apex)
        if not labelled.clips:
            raise DataError(f"no clip can be used with {name}; most often: {_commonest(labelled.left_out)}")
        labels_out.write(labels_table(labelled, args.out.parent))
        left_out_out.write(_left_out_table(labelled.left_out))
    print(_summary(corpora, labelled, name))
    print(f"wrote {args.out} and {left_out_file}")
    return 0


def labels_table(labelled: Labelled, folder: Path) -> bytes:
    """The labels file, UTF-8, as `offline.datasets.manifest` reads it from `folder`."""
    rows = [_label_row(clip, label, folder) for clip, label in labelled.clips]
    return _table((*COLUMNS, *FURTHER_COLUMNS), rows)


def subject_name(clip: Annotation) -> str:
    """The subject with its dataset before it, so that people of two datasets are never taken for one."""
    return f"{dataset(clip.dataset).people}-{clip.subject}"


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


def _labelled(corpora: Sequence[Corpus], labels: LabelProtocol, kind: str, spot_apex: bool) -> Labelled:
    """All clips of the kind that have a class and an apex; what every step leaves out."""
    annotations = [item for corpus in corpora for item in corpus.annotations]
    labelled = apply_protocol((item for item in annotations if kind in ("all", item.kind)), labels)
    left_out = [item for corpus in corpora for item in corpus.left_out]
    left_out += [
        leave_out(item, f"it is a {item.kind}-expression")
        for item in annotations
        if kind not in ("all", item.kind)
    ]
    left_out += labelled.left_out
    complete: list[tuple[Annotation, str]] = []
    with ApexFinder(spot=spot_apex) as finder:
        for clip, label in labelled.clips:
            try:
                complete.append((finder.complete(clip), label))
            except (DataError, SourceError) as error:
                left_out.append(leave_out(clip, str(error)))
    return Labelled(labelled.classes, tuple(complete), tuple(left_out))


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
        subject_name(clip),
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


def _left_out_table(left_out: Iterable[LeftOut]) -> bytes:
    return _table(LEFT_OUT_COLUMNS, [(x.dataset, x.subject, x.clip, x.where, x.reason) for x in left_out])


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


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
    subjects = Counter(subject_name(clip) for clip, _ in labelled.clips)
    lines.append(f"{len(subjects)} subjects: " + ", ".join(f"{who} {n}" for who, n in subjects.items()))
    lines.append(f"left out: {len(labelled.left_out)}")
    reasons = Counter(f"{item.dataset}: {item.reason}" for item in labelled.left_out)
    lines += [f"  {count} × {reason}" for reason, count in reasons.most_common(_REASONS)]
    if len(reasons) > _REASONS:
        lines.append(f"  and {sum(n for _, n in reasons.most_common()[_REASONS:])} for other reasons")
    return "\n".join(lines)


def _commonest(left_out: Iterable[LeftOut]) -> str:
    return Counter(item.reason for item in left_out).most_common(1)[0][0]
