"""Which datasets a command works on, and their clips under a label protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.datasets.corpus import Annotation, Corpus, leave_out
from offline.datasets.protocols import Labelled, LabelProtocol, apply_protocol
from offline.datasets.registry import DATASETS, Dataset, dataset, people_of
from offline.datasets.spotted import ApexFinder
from realtime.errors import DataError, SourceError, UsageError


@dataclass(frozen=True, slots=True)
class Selected:
    """A dataset of the registry and where it lies."""

    dataset: Dataset
    frames: str | None
    """Form of the frames; None for the preferred one."""
    root: Path


def select(text: str, root: Path | None = None) -> Selected:
    """Read "NAME=DIR" or "NAME:FRAMES=DIR"; without "=DIR", `root` is the folder. Raises UsageError."""
    name, _, folder = text.partition("=")
    name, _, frames = name.partition(":")
    if not folder and root is None:
        raise UsageError(f"--dataset {text}: which folder? Use {name}=DIR")
    found = dataset(name)
    if frames and frames not in found.frames:
        forms = ", ".join(found.frames)
        raise UsageError(f"--dataset {text}: {found.name} has no frames of the form '{frames}': use {forms}")
    return Selected(found, frames or None, Path(folder) if folder else root or Path())


def check_people(sources: Iterable[Iterable[str]]) -> None:
    """Refuse sources that show the same people; each names the datasets that it holds.

    Only datasets of the registry are known by name. Raises UsageError.
    """
    known = ({people_of(name) for name in names if name in DATASETS} for names in sources)
    counts = Counter(people for source in known for people in source)
    twice = [people for people, count in counts.items() if count > 1]
    if twice:
        raise UsageError(f"two of the datasets hold the same expressions ({twice[0]}): choose one of them")


def default_protocol(names: Sequence[str]) -> str:
    """The protocol for these datasets where none is asked for."""
    return "casme2-4" if list(names) == ["casme2"] else "megc-3"


def label_corpora(corpora: Sequence[Corpus], labels: LabelProtocol, kind: str = "micro") -> Labelled:
    """All clips of a kind ("micro", "macro" or "all") that have a class; every other one is left out."""
    annotations = [item for corpus in corpora for item in corpus.annotations]
    labelled = apply_protocol((item for item in annotations if kind in ("all", item.kind)), labels)
    left_out = [item for corpus in corpora for item in corpus.left_out]
    left_out += [
        leave_out(item, f"it is a {item.kind}-expression")
        for item in annotations
        if kind not in ("all", item.kind)
    ]
    return Labelled(labelled.classes, labelled.clips, (*left_out, *labelled.left_out))


def with_apexes(labelled: Labelled, *, spot: bool) -> Labelled:
    """The clips that have an apex or, with `spot`, in which the live route finds one."""
    left_out = list(labelled.left_out)
    complete: list[tuple[Annotation, str]] = []
    with ApexFinder(spot=spot) as finder:
        for clip, label in labelled.clips:
            try:
                complete.append((finder.complete(clip), label))
            except (DataError, SourceError) as error:
                left_out.append(leave_out(clip, str(error)))
    return Labelled(labelled.classes, tuple(complete), tuple(left_out))
