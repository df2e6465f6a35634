"""`glimpse-offline figures`: draw the figures of an evaluation anew."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `figures`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of an evaluation")


def run(args: argparse.Namespace) -> int:
    """Draw; returns the exit code."""
    draw_and_tell(args.folder)
    return 0


def draw_and_tell(folder: Path) -> None:
    """Draw every figure of the evaluation in `folder`, and print which. Raises DataError, OutputError."""
    from offline.figures import draw_figures  # matplotlib is slow to import

    drawn = draw_figures(folder)
    print(f"drew {', '.join(path.stem for path in drawn)} in {drawn[0].parent}")
