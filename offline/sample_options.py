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
_PER_IDENTITY = 32


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """What to train or evaluate on."""

    protocol: str
    synthetic: int = 0
    """Number of directly drawn flow samples."""
    rendered: int = 0
    """Number of samples with rendered key frames."""
    identities: int = 1
    """Synthetic faces that the rendered samples, and crops that the direct ones, are spread over."""
    first_identity: int = 0
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
        help=f"synthetic subjects that the samples are spread over (one per {_PER_IDENTITY} samples)",
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
    count = max(args.synthetic, args.rendered)
    if min(args.synthetic, args.rendered) < 0 or count < 1:
        raise UsageError("no samples chosen: use --synthetic N, --rendered M or --dataset flow-maps=DIR")
    identities = -(-count // _PER_IDENTITY) if args.identities is None else args.identities
    if identities < 1:
        raise UsageError(f"--identities is {identities}: use 1 or more")
    return SampleChoice(args.protocol or "four", args.synthetic, args.rendered, identities)


def load_samples(choice: SampleChoice, seed: int) -> SampleSet:
    """Draw or read the chosen samples. Raises DataError for an unusable dataset."""
    if choice.flow_maps is not None:
        return load_flow_maps(choice.flow_maps)
    classes = protocol_classes(choice.protocol)
    sets = []
    if choice.synthetic:
        sets.append(direct_samples(choice.synthetic, seed, classes, choice.identities))
    if choice.rendered:
        people = range(choice.first_identity, choice.first_identity + choice.identities)
        each = -(-choice.rendered // choice.identities)
        drawn = rendered_samples(people, each, seed, classes)
        sets.append(drawn.subset(range(choice.rendered)))
    return joined(sets)
