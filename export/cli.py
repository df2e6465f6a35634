"""`glimpse-export`: a trained model becomes a bundle. Parses, builds and runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offline.torch_edge import require_torch
from realtime import __version__, terminal
from realtime.errors import DataError


def build_parser() -> terminal.Parser:
    """The parser of `glimpse-export`."""
    parser = terminal.Parser(prog="glimpse-export", description="Turn a trained model into a model bundle.")
    parser.add_argument("--version", action="version", version=f"glimpse {__version__}")
    parser.add_argument("trained", type=Path, metavar="TRAINED_DIR", help="folder of glimpse-offline train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="bundle folder")
    parser.add_argument("--name", required=True, help="name of the bundle")
    parser.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        metavar="JSON",
        help="results of glimpse-offline evaluate to state in the card (repeatable)",
    )
    parser.add_argument(
        "--command",
        dest="commands",
        action="append",
        default=[],
        metavar="LINE",
        help="command that remakes the bundle (repeatable)",
    )
    terminal.add_verbose(parser)
    parser.set_defaults(command=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Export, say what was written; returns the exit code."""
    require_torch()
    from export.bundle_writer import export_bundle

    notes = {"evaluations": [_evaluation(path) for path in args.evaluation], "commands": args.commands}
    description = export_bundle(args.trained, args.out, args.name, notes)
    size = sum(entry["size"] for entry in description["files"].values())
    print(f"wrote {args.out}: bundle {description['name']} {description['id']}, {size / 1e6:.2f} MB")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `glimpse-export`; gives the exit code."""
    return terminal.run(build_parser(), argv)


def _evaluation(path: Path) -> dict[str, Any]:
    """The figures of a results file, without its samples and curves."""
    wanted = (
        "data",
        "classes",
        "total_samples",
        "overall_accuracy",
        "uf1",
        "uar",
        "interval_95",
        "per_class_recall",
        "expected_calibration_error",
    )
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        stated = {key: results[key] for key in (*wanted, "confusion_matrix")}
        # of which bundle; figures of leave-one-subject-out belong to the recipe, not to a bundle
        stated["bundle_id"] = results["bundle"]["id"] if "bundle" in results else None
        if not {"kind", "subjects"} <= set(results["data"]):
            raise KeyError("data")
        return stated
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no results file: make one with glimpse-offline evaluate --out") from error
