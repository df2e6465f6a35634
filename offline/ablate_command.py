"""`glimpse-offline ablate`: what each block of features is worth on faces that the model never saw."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline.datasets.combined import KINDS, choose_protocol, parse_source
from offline.metrics import score_recognition
from offline.results import open_folder
from offline.sample_options import SampleChoice, add_synthetic_arguments, collect_samples, synthetic_choice
from offline.samples import PROTOCOLS, SampleSet
from offline.train_command import settings_from, unseen_views
from offline.versions import library_versions
from realtime.errors import UsageError
from realtime.sinks.files import write_together

if TYPE_CHECKING:
    from offline.ablation import Variant

ABLATION = "ablation.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ablate`."""
    add_synthetic_arguments(parser)
    add = parser.add_argument
    add("--protocol", choices=tuple(PROTOCOLS), default="four", help="classes to train on (four)")
    add(
        "--dataset",
        action="append",
        default=[],
        metavar="KIND=PATH",
        help=f"real samples to predict as well, none of them trained on: {', '.join(KINDS)}",
    )
    add("--config", type=Path, metavar="YAML", help="training settings; which blocks are on is varied")
    add("--seed", type=int, metavar="S", help="seed of the samples and the training (0)")
    add("--test", type=int, default=400, metavar="N", help="unseen synthetic samples of each kind (400)")
    add("--out", type=Path, default=Path("ablation"), metavar="DIR", help=f"folder for {ABLATION} (ablation)")


def run(args: argparse.Namespace) -> int:
    """Train and score every variant, print the table as it grows, write the figures; gives the exit code."""
    from offline.torch_edge import require_torch

    require_torch()
    from offline.ablation import ablate, blocks_of, figures

    if args.test < 20:
        raise UsageError(f"--test is {args.test}: use 20 or more")
    settings = settings_from(args.config, args.seed)
    choice = replace(synthetic_choice(args, args.protocol), as_measured=settings.as_measured)
    open_folder(args.out)  # refused now, not after an hour of work
    unseen = {**unseen_views(choice, args.test, settings.seed), **_real(args.dataset, settings.seed)}
    samples = collect_samples(choice, settings.seed).samples
    print(f"training on {len(samples)} samples; as set: {', '.join(blocks_of(settings))}")
    print(f"{'UF1':<20}" + "".join(f"{name:>14}" for name in unseen), flush=True)
    variants = {}
    for variant in ablate(samples, settings, unseen):
        variants[variant.name] = variant
        print(_row(variant, unseen), flush=True)
    found = figures(variants)
    print(_table(found, tuple(unseen)))
    about = {
        **choice.describe(samples),
        "settings": asdict(settings),
        "as_set": list(blocks_of(settings)),
        "sets": {name: _size(part) for name, part in unseen.items()},
        "variants": found,
        "versions": library_versions(),
    }
    write_together({args.out / ABLATION: (json.dumps(about, indent=2) + "\n").encode()})
    print(f"wrote {args.out / ABLATION}")
    return 0


def _real(texts: list[str], seed: int) -> dict[str, SampleSet]:
    """Samples of the datasets, by the names of their kinds."""
    sources = tuple(parse_source(text) for text in texts)
    if not sources:
        return {}
    choice = SampleChoice(choose_protocol(sources, None), datasets=sources)
    return {"+".join(source.kind for source in sources): collect_samples(choice, seed).samples}


def _size(samples: SampleSet) -> dict[str, int]:
    return {"samples": len(samples), "subjects": len(set(samples.subjects))}


def _row(variant: Variant, unseen: Mapping[str, SampleSet]) -> str:
    """Shown as soon as a variant is there: the whole takes long."""
    cells = []
    for view in unseen:
        found = variant.predictions.get(view)
        score = None if found is None else score_recognition(found.true, found.predicted, found.classes).uf1
        cells.append(f"{'–' if score is None else f'{score:.3f}':>14}")
    return f"{variant.name:<20}" + "".join(cells)


def _table(found: Mapping[str, Mapping[str, Any]], views: tuple[str, ...]) -> str:
    """UF1 minus that of all blocks, with its interval."""
    lines = [f"{'UF1, minus all':<20}" + "".join(f"{view:>26}" for view in views)]
    for name, scores in found.items():
        cells = []
        for view in views:
            figure = scores[view]["uf1"] if view in scores else None
            text = "–"
            if figure is not None:
                low, high = figure["interval_95"]
                text = f"{figure['minus_all']:+.3f} ({low:+.3f} .. {high:+.3f})"
            cells.append(f"{text:>26}")
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)
