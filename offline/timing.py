"""What the time of a computation went into.

Whoever wants to know opens `timed_parts`; the code that works marks its parts with `part`, and need not
know whether anybody looks:

    with timed_parts() as seconds:
        with part("network"):
            ...
    print(seconds["network"])
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REST = "other"
"""Time that was spent outside every part."""


class _Clock:
    """Charges every moment to one part: the innermost that is open."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open = [REST]
        self._since = time.perf_counter()

    def enter(self, name: str) -> None:
        self._charge()
        self._open.append(name)

    def leave(self) -> None:
        self._charge()
        self._open.pop()

    def _charge(self) -> None:
        now = time.perf_counter()
        name = self._open[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


_running: ContextVar[_Clock | None] = ContextVar("glimpse_clock", default=None)


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Time the block; gives a mapping of its parts to seconds, complete after the block.

    The values add up to the time of the block: a part within another is charged by itself alone, and
    what lies in no part is `REST`.
    """
    clock = _Clock()
    outer = _running.set(clock)
    try:
        yield clock.seconds
    finally:
        clock.leave()
        _running.reset(outer)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Charge the block to `name`; costs nothing where nobody times."""
    clock = _running.get()
    if clock is None:
        yield
        return
    clock.enter(name)
    try:
        yield
    finally:
        clock.leave()
