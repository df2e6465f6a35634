"""What every command line of the project shares: one `except`, one line per error, quiet exits."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from realtime.errors import GlimpseError, UsageError

Command = Callable[[argparse.Namespace], int]

_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_LONGEST_LINE = 2000
"""Characters of an error; more is cut off."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are `UsageError`s of one line."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As of the base class, but what a command does not know is refused with that command's name."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Give the parser `-v`."""
    parser.add_argument("-v", "--verbose", action="store_true", help="say more; show tracebacks")


def run(parser: Parser, argv: Sequence[str] | None = None) -> int:
    """Parse, run the chosen command, and turn every known error into one line and an exit code.

    Exit codes: 0 done, 1 something failed, 2 wrong usage, 130 interrupted, 141 output closed.
    """
    if sys.stderr is None:  # closed by the shell: complaints must not end up in the results
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w")
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = any(a in ("-v", "--verbose") for a in arguments)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(message)s")
    for chatty in ("matplotlib", "PIL", "jax", "absl", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        options = parser.parse_args(arguments)
        command: Command = options.command
        code = command(options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except GlimpseError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            return _closed_output()
        if verbose:
            traceback.print_exc()
        print(f"{parser.prog}: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return _closed_output()
    except OSError as error:  # of a print, mostly: what fails elsewhere is named there
        if verbose:
            traceback.print_exc()
        where = error.filename or ("standard output" if error.errno in _OF_OUTPUT else "")
        text = f"{where}: {error.strerror or error}".removeprefix(": ")
        print(f"{parser.prog}: {one_line(text)}", file=sys.stderr)
        _mute_stdout()
        return 1
    except KeyboardInterrupt as error:
        kept = f"; {error.args[0]}" if error.args else ""
        print(f"{parser.prog}: interrupted{kept}", file=sys.stderr)
        return 128 + signal.SIGINT


def _closed_output() -> int:
    _mute_stdout()
    return 141


def _mute_stdout() -> None:
    # Python flushes it once more at exit; give it somewhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str | Exception) -> None:
    """A line of `glimpse`'s own on standard error."""
    print(f"glimpse: {one_line(text)}", file=sys.stderr)


def one_line(error: Exception | str) -> str:
    """The error as a line that can do nothing to a terminal, however odd the names and cells in it are."""
    text = " ".join(str(error).split()) or type(error).__name__
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _LONGEST_LINE + 1])
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}…"
