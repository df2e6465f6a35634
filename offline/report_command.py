"""`glimpse-offline report`: an evaluation as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from realtime.sinks.files import OutputFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `report`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of an evaluation")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in DIR)")


def run(args: argparse.Namespace) -> int:
    """Write the page; returns the exit code."""
    from offline.report_page import render_evaluation  # matplotlib is slow to import

    page = render_evaluation(args.folder)
    path = args.out or args.folder / "report.html"
    file = OutputFile(path)
    try:
        file.write(page.encode())
        file.commit()
    finally:
        file.abandon()
    print(f"wrote {path}")
    return 0
