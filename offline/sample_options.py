"""Which samples a command works on: its options, and the samples themselves."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.datasets.flow_maps import load_flow_maps
from offline.samples import SampleSet, direct_samples, joined, protocol_classes, rendered_samples
from realtime.errors import UsageError

_FLOW_MAPS = "flow-maps"
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
    flow_maps: Path | None = None
    """Folder of ready flow maps, instead of synthetic samples."""

    def describe(self, samples: SampleSet) -> dict[str, Any]:
        """JSON-ready account of the samples; of a dataset only the folder's name."""
        return {
            "kind": "synthetic" if self.flow_maps is None else "flow-maps",
            "protocol": self.protocol,
            "direct_flow_samples": self.synthetic,
            "rendered_samples": self.rendered,
            "dataset_folder": self.flow_maps.name if self.flow_maps else None,
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
    add("--dataset", metavar="KIND=DIR", help="a dataset instead: flow-maps=DIR")
    add("--protocol", choices=("four", "megc-3"), help="classes (four; flow maps are always megc-3)")


def sample_choice(args: argparse.Namespace) -> SampleChoice:
    """What the options ask for. Raises UsageError where they make no sense together."""
    if args.dataset is not None:
        if args.synthetic or args.rendered or args.protocol == "four":
            raise UsageError("flow maps have the three megc-3 classes and go without synthetic samples")
        kind, _, folder = args.dataset.partition("=")
        if kind != _FLOW_MAPS or not folder:
            raise UsageError(f"--dataset is {args.dataset!r}: use {_FLOW_MAPS}=DIR")
        return SampleChoice("megc-3", flow_maps=Path(folder))
    if min(args.synthetic, args.rendered) < 0 or max(args.synthetic, args.rendered) < 1:
        raise UsageError("no samples chosen: use --synthetic N, --rendered M or --dataset flow-maps=DIR")
    if args.identities is not None and args.identities < 1:
        raise UsageError(f"--identities is {args.identities}: use 1 or more")
    crops = args.identities or max(-(-args.synthetic // _PER_CROP), 1)
    faces = args.identities or max(-(-args.rendered // _PER_FACE), 1)
    return SampleChoice(args.protocol or "four", args.synthetic, args.rendered, crops, faces)


def load_samples(choice: SampleChoice, seed: int) -> SampleSet:
    """Draw or read the chosen samples. Raises DataError for an unusable dataset."""
    if choice.flow_maps is not None:
        return load_flow_maps(choice.flow_maps)
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
