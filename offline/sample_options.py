"""Which samples a command works on: its options, and the samples themselves."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.datasets.flow_maps import load_flow_maps
from offline.datasets.manifest import load_manifest, read_manifest
from offline.samples import SampleSet, direct_samples, joined, protocol_classes, rendered_samples
from realtime.errors import UsageError

DATASETS = ("manifest", "flow-maps")
OWN = "own"
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
    dataset: str = ""
    """Kind of dataset, one of `DATASETS`, instead of synthetic samples."""
    path: Path | None = None
    """Its folder or file."""

    def describe(self, samples: SampleSet) -> dict[str, Any]:
        """JSON-ready account of the samples; of a dataset only the folder's name."""
        return {
            "kind": self.dataset or "synthetic",
            "protocol": self.protocol,
            "direct_flow_samples": self.synthetic,
            "rendered_samples": self.rendered,
            "dataset_folder": self.path.name if self.path else None,
            "samples": len(samples),
            "subjects": len(set(samples.subjects)),
            "per_class": {name: int((samples.labels == i).sum()) for i, name in enumerate(samples.classes)},
        }


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose samples."""
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
        "--dataset",
        metavar="KIND=PATH",
        help="a dataset instead: manifest=FILE.csv, one annotated clip per row, or flow-maps=DIR",
    )
    add(
        "--protocol",
        choices=("four", "megc-3", OWN),
        help="classes (four; flow maps are always megc-3; own: whatever labels the manifest has)",
    )


def sample_choice(args: argparse.Namespace) -> SampleChoice:
    """What the options ask for. Raises UsageError where they make no sense together."""
    if args.dataset is not None:
        return _dataset_choice(args)
    if args.protocol == OWN:
        raise UsageError("--protocol own goes with --dataset manifest=FILE.csv")
    if min(args.synthetic, args.rendered) < 0 or max(args.synthetic, args.rendered) < 1:
        raise UsageError("no samples chosen: use --synthetic N, --rendered M or --dataset KIND=PATH")
    if args.identities is not None and args.identities < 1:
        raise UsageError(f"--identities is {args.identities}: use 1 or more")
    crops = args.identities or max(-(-args.synthetic // _PER_CROP), 1)
    faces = args.identities or max(-(-args.rendered // _PER_FACE), 1)
    return SampleChoice(args.protocol or "four", args.synthetic, args.rendered, crops, faces)


def _dataset_choice(args: argparse.Namespace) -> SampleChoice:
    kind, _, path = args.dataset.partition("=")
    if kind not in DATASETS or not path:
        raise UsageError(f"--dataset is {args.dataset!r}: use manifest=FILE.csv or flow-maps=DIR")
    if args.synthetic or args.rendered:
        raise UsageError("--dataset goes without synthetic samples")
    if kind == "flow-maps" and args.protocol not in (None, "megc-3"):
        raise UsageError("flow maps have the three megc-3 classes; leave --protocol out")
    protocol = "megc-3" if kind == "flow-maps" else args.protocol or "four"
    return SampleChoice(protocol, dataset=kind, path=Path(path))


def load_samples(choice: SampleChoice, seed: int) -> SampleSet:
    """Draw or read the chosen samples. Raises DataError for an unusable dataset."""
    if choice.path is not None and choice.dataset == "flow-maps":
        return load_flow_maps(choice.path)
    if choice.path is not None:
        return load_manifest(choice.path, _manifest_classes(choice.path, choice.protocol))
    classes = protocol_classes(choice.protocol)
    sets = []
    if choice.synthetic:
        sets.append(direct_samples(choice.synthetic, seed, classes, choice.crops))
    if choice.rendered:
        people = range(choice.first_face, choice.first_face + choice.faces)
        each = -(-choice.rendered // choice.faces)
        drawn = rendered_samples(people, each, seed, classes)
        sets.append(drawn.subset(range(choice.rendered)))
    return joined(sets)


def _manifest_classes(path: Path, protocol: str) -> tuple[str, ...]:
    if protocol != OWN:
        return protocol_classes(protocol)
    return tuple(sorted({clip.label for clip in read_manifest(path)}))
