"""Recall of micro-expressions planted into rendered people, by size and by what the person does meanwhile.

    python -m benchmarks.spotting.living [--part tuning|final] [--hosts 3] [--rounds 3] [--jobs 2] [--out DIR]

The hosts are those of `offline.synthesis.hosts`: calm ones, ones who do everything one thing after the other,
and living ones who talk, nod, blink and smile at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.spotting import options
from benchmarks.spotting.scenarios import PARTS
from offline.planting.outcome import recall_picture, summarize, table
from offline.planting.plan import PlantingPlan
from offline.planting.trial import Trial, run_trial
from offline.synthesis.hosts import HOST_KINDS, HostKind, render_host
from realtime import terminal
from realtime.config import PipelineConfig, load_config
from realtime.sinks.files import output_errors, write_together

_FIRST = 50_000
"""Hosts begin this far above the other streams of a part."""


def build_parser() -> terminal.Parser:
    parser = options.build_parser("python -m benchmarks.spotting.living", __doc__)
    add = parser.add_argument
    add("--kind", nargs="+", choices=list(HOST_KINDS), default=list(HOST_KINDS), help="some of the hosts")
    add("--hosts", type=int, default=3, metavar="N", help="people of each kind, 20 s of each (3)")
    add("--rounds", type=int, default=3, metavar="N", help="times that each is planted anew (3)")
    add("--out", type=Path, metavar="DIR", help="folder for results.json, recall.png and recall.svg")
    parser.set_defaults(command=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Plant into every host, print the table. Returns the exit code."""
    from joblib import Parallel, delayed

    options.check_counts(args, "hosts", "rounds")
    config = load_config(args.config) if args.config else None
    first = PARTS[args.part] + _FIRST
    trials = Parallel(n_jobs=args.jobs)(
        delayed(trial)(kind, first + 1000 * HOST_KINDS.index(kind) + number, args.rounds, config)
        for kind in args.kind
        for number in range(args.hosts)
    )
    figures = summarize(trials)
    print(table(figures))
    if args.out is not None:
        with output_errors(str(args.out)):
            args.out.mkdir(parents=True, exist_ok=True)
        pictures = {args.out / f"recall.{form}": recall_picture(figures, form) for form in ("png", "svg")}
        text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
        write_together({**pictures, args.out / "results.json": text.encode()})
    return 0


def trial(kind: HostKind, seed: int, rounds: int, config: PipelineConfig | None = None) -> Trial:
    """One host, untouched and planted `rounds` times."""
    host = render_host(kind, seed)
    return run_trial(host.info.source, lambda: host, PlantingPlan(seed=10 * seed), rounds, config)


def main(argv: Sequence[str] | None = None) -> int:
    return terminal.run(build_parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
