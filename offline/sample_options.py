"""What a command works on: its options, and the samples themselves."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from offline.datasets.combined import (
    KINDS,
    Collected,
    Source,
    choose_protocol,
    load_sources,
    parse_source,
)
from offline.datasets.evidence import KeyFrameChoice
from offline.datasets.flow_maps import NAME as FLOW_MAPS
from offline.datasets.left_out import EXCLUDED, write_left_out
from offline.datasets.protocols import OWN
from offline.datasets.protocols import PROTOCOLS as LABEL_PROTOCOLS
from offline.evidence_cache import EvidenceCache
from offline.samples import SampleSet, direct_samples, joined, protocol_classes, rendered_samples
from offline.synthesis.identities import Faces, face_number
from realtime.errors import UsageError

_PER_CROP = 8
_PER_FACE = 32


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """What to train or evaluate on."""

    protocol: str
    synthetic: int = 0
    """Number of directly drawn flow samples."""
    rendered: int = 0
    """Number of samples with rendered key frames."""
    crops: int = 1
    """Synthetic subjects, each with a crop of its own, of the directly drawn samples."""
    faces: int = 1
    """Synthetic subjects, each with a face of its own, of the rendered samples."""
    first_face: int = 0
    """Number of the first face."""
    kind: Faces = "portrait"
    """What the faces are made from."""
    datasets: tuple[Source, ...] = ()
    """Datasets instead of synthetic samples."""
    keyframes: KeyFrameChoice = "annotated"
    """Where the key frames of the datasets' clips come from."""
    spot_apex: bool = False
    """Whether to look for the apex of clips that have none."""
    as_measured: bool = False
    """Of the directly drawn samples: as of `make_flow_set`."""
    cache: Path | None = None
    """Folder that keeps measured evidence; None keeps nothing."""
    review: Path | None = None
    """An expert's review of the datasets' clips."""

    def describe(self, samples: SampleSet) -> dict[str, Any]:
        """JSON-ready account of the samples; of a dataset only the folder's name."""
        return {
            "kind": "+".join(source.kind for source in self.datasets) or "synthetic",
            "protocol": self.protocol,
            "direct_flow_samples": self.synthetic,
            "rendered_samples": self.rendered,
            "rendered_faces": self.kind if self.rendered else None,
            "dataset_folder": ", ".join(source.path.name for source in self.datasets) or None,
            "keyframes": self.keyframes if self.datasets else None,
            "samples": len(samples),
            "subjects": len(set(samples.subjects)),
            "per_class": {name: int((samples.labels == i).sum()) for i, name in enumerate(samples.classes)},
        }


def add_synthetic_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose synthetic samples."""
    add = parser.add_argument
    add("--synthetic", type=int, default=0, metavar="N", help="directly drawn synthetic flow samples")
    add("--rendered", type=int, default=0, metavar="M", help="synthetic samples with rendered key frames")
    add(
        "--identities",
        type=int,
        metavar="K",
        help=f"synthetic subjects (one per {_PER_CROP} drawn and {_PER_FACE} rendered samples)",
    )
    add(
        "--faces",
        choices=get_args(Faces),
        default="portrait",
        help="rendered faces: made from the portrait, painted from nothing, or both in turn (portrait)",
    )


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose samples."""
    add_synthetic_arguments(parser)
    add = parser.add_argument
    add(
        "--dataset",
        action="append",
        default=[],
        metavar="KIND=PATH",
        help="a dataset instead, or several, each with its own --dataset: manifest=FILE.csv, one annotated "
        f"clip per row, or a folder for {', '.join(KINDS[1:])}; NAME:FRAMES=DIR chooses a form of the frames",
    )
    add(
        "--protocol",
        choices=tuple(LABEL_PROTOCOLS),
        help="classes (four for synthetic samples and manifests, casme2-4 for casme2 alone, else megc-3; "
        "own: whatever labels there are)",
    )
    add(
        "--keyframes",
        choices=("annotated", "detected"),
        default="annotated",
        help="key frames of a dataset's clips: as annotated, or as the live route finds them (annotated)",
    )
    add("--spot-apex", action="store_true", help="where no apex is coded, take the one that is found")
    add(
        "--review",
        type=Path,
        metavar="CSV",
        help="an expert's review of a dataset's clips, as glimpse-offline review writes it",
    )
    add(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep measured evidence in DIR; of a --dataset this needs --allow-faces; default: keep nothing",
    )
    add("--allow-faces", action="store_true", help="allow --cache to keep small pictures of people's faces")


def sample_choice(args: argparse.Namespace) -> SampleChoice:
    """What the options ask for. Raises UsageError where they make no sense together."""
    if args.dataset:
        return _dataset_choice(args)
    if args.protocol == OWN:
        raise UsageError("--protocol own goes with --dataset")
    if args.keyframes != "annotated" or args.spot_apex or args.review:
        raise UsageError("--keyframes detected, --spot-apex and --review go with a --dataset of clips")
    return synthetic_choice(args, args.protocol or "four", args.cache)


def synthetic_choice(args: argparse.Namespace, protocol: str, cache: Path | None = None) -> SampleChoice:
    """What `add_synthetic_arguments` asks for. Raises UsageError where that is nothing."""
    if min(args.synthetic, args.rendered) < 0 or max(args.synthetic, args.rendered) < 1:
        raise UsageError("no samples chosen: use --synthetic N, --rendered M or --dataset KIND=PATH")
    if args.identities is not None and args.identities < 1:
        raise UsageError(f"--identities is {args.identities}: use 1 or more")
    crops = args.identities or max(-(-args.synthetic // _PER_CROP), 1)
    faces = args.identities or max(-(-args.rendered // _PER_FACE), 1)
    return SampleChoice(protocol, args.synthetic, args.rendered, crops, faces, kind=args.faces, cache=cache)


def _dataset_choice(args: argparse.Namespace) -> SampleChoice:
    if args.cache is not None and not args.allow_faces:
        raise UsageError("--cache keeps small pictures of faces; add --allow-faces if that may be")
    sources = tuple(parse_source(text) for text in args.dataset)
    if args.synthetic or args.rendered:
        raise UsageError("--dataset goes without synthetic samples")
    about_frames = args.keyframes != "annotated" or args.spot_apex or args.review
    if about_frames and {source.kind for source in sources} == {FLOW_MAPS}:
        raise UsageError(
            "--keyframes detected, --spot-apex and --review go with clips: flow maps have no frames"
        )
    return SampleChoice(
        choose_protocol(sources, args.protocol),
        datasets=sources,
        keyframes=args.keyframes,
        spot_apex=args.spot_apex,
        cache=args.cache,
        review=args.review,
    )


def collect_samples(choice: SampleChoice, seed: int) -> Collected:
    """Draw or read the chosen samples; what a dataset leaves out is counted on stderr.

    Raises DataError for an unusable dataset, OutputError for a cache that cannot be written.
    """
    cache = EvidenceCache(choice.cache)
    if choice.cache is not None:
        print(f"evidence is kept in {choice.cache}, small pictures of the faces included", file=sys.stderr)
    if choice.datasets:
        return load_sources(
            choice.datasets,
            choice.protocol,
            choice.keyframes,
            spot_apex=choice.spot_apex,
            cache=cache,
            review=choice.review,
        )
    classes = protocol_classes(choice.protocol)
    sets = []
    if choice.synthetic:
        sets.append(direct_samples(choice.synthetic, seed, classes, choice.crops, choice.as_measured))
    if choice.rendered:
        indices = range(choice.first_face, choice.first_face + choice.faces)
        people = [face_number(index, choice.kind) for index in indices]
        each = -(-choice.rendered // choice.faces)
        drawn = rendered_samples(people, each, seed, classes, cache)
        sets.append(drawn.subset(range(choice.rendered)))
    return Collected(joined(sets))


def write_excluded(folder: Path, choice: SampleChoice, collected: Collected) -> None:
    """Write the list of what a dataset left out beside the results. Raises OutputError."""
    if choice.datasets:
        write_left_out(folder / EXCLUDED, collected.left_out)
