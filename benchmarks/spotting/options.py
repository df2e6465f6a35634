"""What the benchmarks of spotting are asked with, one as the other."""

from __future__ import annotations

import argparse

from benchmarks.spotting.scenarios import PARTS
from realtime import terminal
from realtime.errors import UsageError


def build_parser(prog: str, description: str | None) -> terminal.Parser:
    """A parser that knows --part, --config, --jobs and how much to log."""
    parser = terminal.Parser(prog=prog, description=description)
    add = parser.add_argument
    add(
        "--part",
        choices=list(PARTS),
        default="tuning",
        help="whose seeds; choose nothing on 'final' (tuning)",
    )
    add("--config", metavar="YAML", help="settings of the route")
    add("--jobs", type=int, default=1, metavar="N", help="how many at once (1)")
    terminal.add_verbose(parser)
    return parser


def check_counts(args: argparse.Namespace, *names: str) -> None:
    """Raises UsageError where one of these, or --jobs, is no count; --jobs may be negative."""
    for name in (*names, "jobs"):
        value = getattr(args, name)
        if value == 0 or value < (-64 if name == "jobs" else 1):
            raise UsageError(f"--{name} is {value}: use 1 or more")
