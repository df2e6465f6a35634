"""What an expert's review makes of a dataset's clips: rejected ones go, key frames and labels change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offline.datasets.clips import Clip
from offline.datasets.corpus import KeyNumbers, LeftOut
from offline.datasets.registry import person
from offline.review.table import Review, read_reviews
from realtime.errors import DataError

_NAMED = 3
"""Ids that a message names."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Clips after a review."""

    clips: tuple[Clip, ...]
    left_out: tuple[LeftOut, ...]
    """What was rejected."""
    account: Mapping[str, Any]
    """JSON-ready counts for the results."""


def clip_ids(clips: Sequence[Clip]) -> list[str]:
    """A name for each clip of one dataset: `dataset/subject/clip`.

    Where several rows of a table are about one file, the coded onset is added.
    """
    plain = [clip_id(clip.dataset, clip.subject, clip.name) for clip in clips]
    counts = Counter(plain)
    longer = [
        name if counts[name] == 1 else f"{name}@{clip.onset}" for name, clip in zip(plain, clips, strict=True)
    ]
    seen = Counter[str]()
    ids = []
    for name in longer:
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return ids


def clip_id(dataset: str, subject: str, clip: str) -> str:
    """Name of a clip, on one line."""
    return " ".join(f"{dataset}/{subject}/{clip}".split())


def clip_keys(clip: Clip) -> KeyNumbers:
    """Key frames of a clip."""
    return KeyNumbers(clip.onset, clip.apex, clip.offset)


def apply_review(
    path: Path,
    sources: Iterable[Sequence[Clip]],
    left_out: Collection[LeftOut],
    classes: Collection[str],
) -> Applied:
    """The clips of all sources, one after the other, as the review in `path` leaves them.

    Args:
        path: a review file.
        sources: clips of each dataset.
        left_out: what the datasets and the protocol left out already: reviews of these are not used.
        classes: labels that there are; empty: any.

    Raises DataError naming the clips that the file reviews but that are not there, those that were
    annotated anew since, and labels that are not among the classes.
    """
    reviews = read_reviews(path)
    clips: dict[str, Clip] = {}
    for source in sources:
        for name, clip in zip(clip_ids(source), source, strict=True):
            if name in clips:
                raise DataError(f"two clips are both called {name}: name them apart to use --review")
            clips[name] = clip
    unused = {clip_id(x.dataset, person(x.dataset, x.subject), x.clip) for x in left_out}
    datasets = {clip.dataset for clip in clips.values()} | {item.dataset for item in left_out}
    elsewhere = [name for name, review in reviews.items() if review.source not in datasets]
    _check_known(path, [n for n in reviews if n not in clips and n not in unused and n not in elsewhere])
    if reviews and len(elsewhere) == len(reviews):
        other = sorted({reviews[name].source for name in elsewhere})
        raise DataError(f"{path}: reviews {_some(other)}, none of it among {_some(sorted(datasets))}")
    mine = {name: review for name, review in reviews.items() if name in clips}
    for name, review in mine.items():
        _check_label(path, review, clips[name], classes)
    _check_fresh(path, [name for name, review in mine.items() if review.coded != clip_keys(clips[name])])
    rejected = [name for name, review in mine.items() if review.decision == "reject"]
    kept = tuple(_reviewed(clip, mine.get(name)) for name, clip in clips.items() if name not in rejected)
    return Applied(
        kept,
        tuple(_rejection(clips[name], mine[name]) for name in rejected),
        _account(path, mine, len(clips), len(elsewhere)),
    )


def _reviewed(clip: Clip, review: Review | None) -> Clip:
    if review is None or review.decision != "accept":
        return clip
    keys = review.keys
    label = review.label if review.relabelled else clip.label
    return replace(clip, onset=keys.onset, apex=keys.apex, offset=keys.offset, label=label)


def _rejection(clip: Clip, review: Review) -> LeftOut:
    return LeftOut(
        clip.dataset, clip.subject, clip.name, clip.where, f"rejected in the review by {review.rater}"
    )


def _account(path: Path, reviews: Mapping[str, Review], clips: int, elsewhere: int) -> dict[str, Any]:
    decisions = Counter(review.decision for review in reviews.values())
    accepted = [review for review in reviews.values() if review.decision == "accept"]
    return {
        "file": path.name,
        "raters": sorted({review.rater for review in reviews.values()}),
        "accepted": decisions["accept"],
        "key_frames_changed": sum(review.moved for review in accepted),
        "relabelled": sum(review.relabelled for review in accepted),
        "rejected": decisions["reject"],
        "undecided": decisions[""],
        "not_reviewed": clips - len(reviews),
        "of_other_datasets": elsewhere,
    }


def review_line(account: Mapping[str, Any]) -> str:
    """The counts of a review in one line."""
    return (
        f"review {account['file']}: {account['accepted']} accepted "
        f"({account['key_frames_changed']} with other key frames, "
        f"{account['relabelled']} with another label), {account['rejected']} rejected, "
        f"{account['undecided'] + account['not_reviewed']} as annotated"
    )


def _check_known(path: Path, names: Sequence[str]) -> None:
    if names:
        raise DataError(
            f"{path}: {len(names)} of its clips are not in the data ({_some(names)}): "
            "use the data that were reviewed, or take these rows out"
        )


def _check_fresh(path: Path, names: Sequence[str]) -> None:
    if names:
        raise DataError(
            f"{path}: {len(names)} of its clips were annotated anew since they were reviewed "
            f"({_some(names)}): review them again, or take these rows out"
        )


def _check_label(path: Path, review: Review, clip: Clip, classes: Collection[str]) -> None:
    if review.decision != "accept" or not review.relabelled:
        return
    if review.coded_label != clip.label:
        raise DataError(
            f"{path}: {review.id} was relabelled from '{review.coded_label}', but is '{clip.label}' here: "
            "use the --protocol that it was reviewed with, or review it again"
        )
    if classes and review.label not in classes:
        raise DataError(f"{path}: label '{review.label}' of {review.id} is none of {', '.join(classes)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
