"""`glimpse-offline compare`: the paired difference of two evaluations."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from offline.comparison import Comparison, compare
from offline.results import evaluation_files, read_predictions
from realtime.errors import UsageError
from realtime.sinks.files import refuse_inputs, write_together

_TITLES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `compare`."""
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="folder of an evaluation")
    add("second", type=Path, metavar="B", help="folder of another one of the same samples")
    add("--rounds", type=int, default=2000, metavar="N", help="bootstrap rounds over subjects (2000)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the bootstrap (0)")
    add("--json", type=Path, metavar="FILE", help="write the figures to this file, too")


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, write the figures where asked to; returns the exit code."""
    if args.rounds < 100 or args.seed < 0:
        raise UsageError("use --rounds 100 or more and --seed 0 or more")
    if args.json is not None:
        refuse_inputs((args.json,), (*evaluation_files(args.first), *evaluation_files(args.second)))
    first, second = read_predictions(args.first), read_predictions(args.second)
    comparison = compare(first, second, args.seed, args.rounds)
    print(f"A: {first.method} ({first.name})\nB: {second.method} ({second.name})")
    print(_table(comparison))
    if args.json is not None:
        about = {"first": first.method, "second": second.method, **asdict(comparison)}
        write_together({args.json: (json.dumps(about, indent=2) + "\n").encode()})
    return 0


def _table(comparison: Comparison) -> str:
    lines = [f"{'':9} {'A':>6} {'B':>6} {'B − A':>7}   95 % over {comparison.subjects} subjects"]
    for name, figure in comparison.figures.items():
        lines.append(
            f"{_TITLES[name]:9} {figure.first:6.3f} {figure.second:6.3f} {figure.difference:+7.3f}   "
            f"{figure.low:+.3f} .. {figure.high:+.3f}"
        )
    lines.append(
        f"McNemar, exact: only A right {comparison.only_first_right}, only B right "
        f"{comparison.only_second_right} of {comparison.samples} samples, p = {comparison.mcnemar_p:.3g}"
    )
    return "\n".join(lines)
