"""Flags that change what is said of a stream; `glimpse process` and `glimpse live` share them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.config import PipelineConfig


def add_route_options(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags."""
    parser.add_argument(
        "--uncertain-below", type=float, metavar="P",
        help="call a label uncertain where the largest probability is below P (default: as the bundle says)",
    )  # fmt: skip
    parser.add_argument(
        "--explain", action="store_true", help="say which regions and features each label rested on"
    )
    parser.add_argument(
        "--provisional", action="store_true",
        help="also write movements when they have just peaked, before they are decided",
    )  # fmt: skip


def with_options(config: PipelineConfig, options: argparse.Namespace) -> PipelineConfig:
    """The settings with what the command line says in their place."""
    recognition = config.recognition
    if options.uncertain_below is not None:
        recognition = replace(recognition, uncertain_below=options.uncertain_below)
    if options.explain:
        recognition = replace(recognition, explain=True)
    return replace(config, recognition=recognition, provisional=config.provisional or options.provisional)
