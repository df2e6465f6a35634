"""`glimpse-offline report`: an evaluation as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from offline.results import evaluation_files
from realtime.sinks.files import refuse_inputs, write_together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `report`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of an evaluation")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in DIR)")


def run(args: argparse.Namespace) -> int:
    """Write the page; returns the exit code."""
    from offline.report_page import render_evaluation  # matplotlib is slow to import

    path = args.out or args.folder / "report.html"
    refuse_inputs((path,), evaluation_files(args.folder))
    write_together({path: render_evaluation(args.folder).encode()})
    print(f"wrote {path}")
    return 0
