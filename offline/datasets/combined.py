"""Several datasets as one set of samples: own clips, published datasets and ready flow maps together."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import flow_maps, manifest
from offline.datasets.clips import Clip
from offline.datasets.corpus import Annotation, LeftOut
from offline.datasets.evidence import KeyFrameChoice, measure_clips
from offline.datasets.left_out import commonest_reason, left_out_count
from offline.datasets.protocols import LabelProtocol, protocol
from offline.datasets.registry import DATASETS, known_name, person
from offline.datasets.selection import check_people, default_protocol, label_corpora, select
from offline.evidence_cache import EvidenceCache
from offline.review.applied import Applied, apply_review, review_line
from offline.samples import SampleSet, joined
from realtime.errors import DataError, UsageError

KINDS = (manifest.NAME, flow_maps.NAME, *DATASETS)
MATCH = 0.5
"""Overlap from which on a detected movement counts as the annotated one (MEGC's criterion)."""


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset and where it lies."""

    kind: str
    """One of `KINDS`."""
    path: Path
    frames: str | None = None
    """Form of the frames, for a dataset of the registry."""


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """Samples, and an account of what is not among them."""

    samples: SampleSet
    left_out: tuple[LeftOut, ...] = ()
    key_frames: dict[str, Any] | None = None
    """Of detected key frames: clips, those found at all and those found with an overlap of `MATCH`."""
    review: Mapping[str, Any] | None = None
    """Of an expert's review: how many clips it accepted, changed and rejected."""

    def account(self) -> dict[str, Any]:
        """JSON-ready counts for the results."""
        review = None if self.review is None else dict(self.review)
        return {"left_out": len(self.left_out), "detected_key_frames": self.key_frames, "review": review}


def parse_source(text: str) -> Source:
    """Read "manifest=FILE.csv", "flow-maps=DIR", "NAME=DIR" or "NAME:FRAMES=DIR". Raises UsageError."""
    kind, _, path = text.partition("=")
    if known_name(kind.partition(":")[0]) not in KINDS:
        raise UsageError(f"unknown dataset '{kind}': use KIND=PATH with a kind of {', '.join(KINDS)}")
    if kind in (manifest.NAME, flow_maps.NAME):
        if not path:
            raise UsageError(f"--dataset {text}: which {'file' if kind == manifest.NAME else 'folder'}?")
        return Source(kind, Path(path))
    selected = select(text)
    return Source(selected.dataset.name, selected.root, selected.frames)


def choose_protocol(sources: Sequence[Source], wanted: str | None) -> str:
    """The protocol of these sources, or the one that is asked for.

    Raises UsageError where flow maps, which have the three classes of MEGC 2019, are asked for others,
    and where two sources hold the same expressions.
    """
    kinds = [source.kind for source in sources]
    check_people([kind] for kind in kinds)
    if flow_maps.NAME in kinds:
        if wanted not in (None, "megc-3"):
            raise UsageError("flow maps have the three megc-3 classes; leave --protocol out")
        return "megc-3"
    if wanted is not None:
        return wanted
    return "four" if set(kinds) == {manifest.NAME} else default_protocol(kinds)


def load_sources(
    sources: Sequence[Source],
    protocol_name: str,
    keyframes: KeyFrameChoice = "annotated",
    *,
    spot_apex: bool = False,
    cache: EvidenceCache | None = None,
    review: Path | None = None,
) -> Collected:
    """Evidence of all samples of the sources; what is left out is listed, and counted on stderr.

    Where several are combined, every subject's name begins with its dataset's. `spot_apex` looks for
    the apex of clips that have none, where key frames are not detected anyway. `review`: an expert's
    review of the clips, applied before anything is measured.

    Raises DataError where a source or the review cannot be used, or nothing in it can; UsageError where
    two of them hold the same expressions; OutputError for the cache.
    """
    labels = protocol(protocol_name)
    maps = [flow_maps.load_flow_maps(source.path) for source in sources if source.kind == flow_maps.NAME]
    listed = [labelled_clips(source, labels) for source in sources if source.kind != flow_maps.NAME]
    check_people(
        [*({clip.dataset for clip in clips} for clips, _ in listed), *(set(item.datasets) for item in maps)]
    )
    left_out = tuple(item for _, rest in listed for item in rest)
    reviewed = _reviewed(review, [found for found, _ in listed], left_out, labels)
    clips = reviewed.clips
    classes = labels.classes or tuple(sorted({clip.label for clip in clips}))
    measured = measure_clips(clips, classes, keyframes, cache, spot_apex=spot_apex)
    left_out = (*left_out, *reviewed.left_out, *measured.left_out)
    parts = [item for item in (measured.samples, *maps) if item is not None]
    if not parts:
        raise DataError(
            f"none of the {len(left_out)} clips can be used with protocol {protocol_name}; most often: "
            f"{commonest_reason(left_out)}"
        )
    samples = joined(parts)
    if len(sources) > 1:
        samples = _with_people(samples)
    found = _found(measured.overlaps) if keyframes == "detected" else None
    _tell(samples, left_out, found)
    if review is not None:
        print(review_line(reviewed.account), file=sys.stderr)
    return Collected(samples, left_out, found, reviewed.account if review is not None else None)


def _reviewed(
    review: Path | None,
    sources: Sequence[Sequence[Clip]],
    left_out: Sequence[LeftOut],
    labels: LabelProtocol,
) -> Applied:
    if review is None:
        return Applied(tuple(clip for found in sources for clip in found), (), {})
    return apply_review(review, sources, left_out, labels.classes)


def labelled_clips(source: Source, labels: LabelProtocol) -> tuple[list[Clip], list[LeftOut]]:
    """Labelled clips of one source that has any, and what its coding file and the protocol leave out."""
    if source.kind == manifest.NAME:
        return list(manifest.read_manifest(source.path)), []
    corpus = DATASETS[source.kind].load(source.path, source.frames)
    labelled = label_corpora([corpus], labels)
    return [_clip(item, label) for item, label in labelled.clips], list(labelled.left_out)


def _clip(item: Annotation, label: str) -> Clip:
    return Clip(
        path=item.path,
        onset=item.index.onset,
        apex=item.index.apex,
        offset=item.index.offset,
        label=label,
        subject=person(item.dataset, item.subject),
        where=item.where,
        fps=item.fps,
        dataset=item.dataset,
        name=item.clip,
    )


def _with_people(samples: SampleSet) -> SampleSet:
    pairs = zip(samples.datasets, samples.subjects, strict=True)
    return replace(samples, subjects=tuple(person(dataset, subject) for dataset, subject in pairs))


def _found(overlaps: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {
        "clips": len(overlaps),
        "found": int((overlaps > 0.0).sum()),
        "found_at_iou_0.5": int((overlaps >= MATCH).sum()),
    }


def _tell(samples: SampleSet, left_out: Sequence[LeftOut], found: dict[str, Any] | None) -> None:
    for line in _lines(samples, left_out, found):
        print(line, file=sys.stderr)


def _lines(samples: SampleSet, left_out: Sequence[LeftOut], found: dict[str, Any] | None) -> Iterator[str]:
    used, unused = Counter(samples.datasets), Counter(item.dataset for item in left_out)
    for name in sorted({*used, *unused}):
        yield f"{name}: {used[name]} of {used[name] + unused[name]} clips are used"
    if left_out:
        yield left_out_count(left_out)
    if found is not None:
        yield (
            f"key frames: found in {found['found']} of {found['clips']} clips, with an overlap of "
            f"{MATCH:g} or more in {found['found_at_iou_0.5']}; where none are found, the face stands still"
        )
