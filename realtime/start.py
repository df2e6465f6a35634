"""Where the commands begin: loading what they need takes a while, and Ctrl-C must end that in order too."""

from __future__ import annotations

import importlib
import signal
import sys


def start(module: str, program: str) -> int:
    """Load `module` and run its `main`; gives the exit code, 130 where that is interrupted."""
    try:
        code: int = importlib.import_module(module).main()
        return code
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
