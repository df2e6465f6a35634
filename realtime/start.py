"""Where the commands begin: loading what they need takes a while, and Ctrl-C must end that in order too."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.05


def start(module: str, program: str) -> int:
    """Load `module` and run its `main`; gives the exit code, 130 where that is interrupted."""
    try:
        with _interrupts_beside_imports():
            code: int = importlib.import_module(module).main()
        return code
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


@contextmanager
def _interrupts_beside_imports() -> Iterator[None]:
    """Ctrl-C takes effect when no module is being loaded.

    Within an import, libraries make other errors of it, and the interpreter prints what it cannot raise.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not hasattr(signal, "setitimer"):
        yield  # Ctrl-C is not for us, or this system has no such clock
        return
    base = sys._getframe()

    def handle(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame, base):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGALRM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, action in before.items():
            signal.signal(number, action)


def _is_importing(frame: FrameType | None, base: FrameType) -> bool:
    """Whether one of the calls from `frame` down to `base` loads a module."""
    while frame is not None and frame is not base:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
