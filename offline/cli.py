"""`glimpse-offline`: synthesis, training and evaluation. Parses, builds and runs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from realtime import __version__, terminal

COMMANDS = {
    "prepare": ("offline.prepare_command", "read a dataset's annotations into a labels file"),
    "synthesize": ("offline.synthesis.command", "make labelled synthetic streams"),
    "train": ("offline.train_command", "train a model"),
    "evaluate": ("offline.evaluate_command", "leave-one-subject-out evaluation, or score a ready bundle"),
    "ablate": ("offline.ablate_command", "measure what each block of features is worth"),
    "compare": ("offline.compare_command", "paired difference of two evaluations of the same samples"),
    "plant": (
        "offline.plant_command",
        "plant known movements into your own footage and see how many are found",
    ),
    "figures": ("offline.figures_command", "draw the figures of an evaluation anew"),
    "report": ("offline.report_command", "an evaluation as one HTML page"),
    "spot": ("offline.spot_command", "measure spotting on streams with truth"),
    "review": ("offline.review_command", "check key frames and labels by eye, and compare two raters"),
}


def build_parser() -> terminal.Parser:
    parser = terminal.Parser(prog="glimpse-offline", description="Make, train and evaluate glimpse's models.")
    parser.add_argument("--version", action="version", version=f"glimpse {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, parser_class=terminal.Parser)
    for name, (module_name, text) in COMMANDS.items():
        module = importlib.import_module(module_name)
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        module.add_arguments(command)
        terminal.add_verbose(command)
        command.set_defaults(command=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `glimpse-offline`; gives the exit code."""
    return terminal.run(build_parser(), argv)
