"""How far a leave-one-subject-out run is, and how long it will still take."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from tqdm import tqdm

LINE_EVERY_S = 60.0
"""Where there is no terminal, a line at most this often."""
_TICK_S = 1.0
_FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} folds, {elapsed} gone{postfix}"


def seconds_left(left: int, durations: Sequence[float], at_once: int, since_last_s: float) -> float | None:
    """Estimate of the time until the last of `left` folds is done; None while nothing is known.

    A fold takes the mean of `durations` (s), `at_once` of them run side by side, and the last one came in
    `since_last_s` ago. Folds that an earlier run left behind are in none of these numbers.
    """
    if not durations:
        return None
    mean_s = sum(durations) / len(durations)
    return max(left * mean_s / max(at_once, 1) - since_last_s, 0.0)


class FoldProgress:
    """A bar on a terminal, a line a minute elsewhere. A context manager."""

    def __init__(
        self, total: int, kept: Sequence[float], at_once: Callable[[], int], terminal: bool | None = None
    ) -> None:
        """Args:
        total: folds of the whole run.
        kept: seconds that those took which an earlier run left behind: the estimate until the first new
            fold is done.
        at_once: how many folds run side by side at the moment.
        terminal: whether to draw a bar; by default where standard error is a terminal.
        """
        self._durations, self._kept, self._at_once = list[float](), tuple(kept), at_once
        self._left = total - len(kept)
        drawn = sys.stderr.isatty() if terminal is None else terminal
        self._bar = tqdm(total=total, initial=len(kept), disable=not drawn, bar_format=_FORMAT, unit="fold")
        self._total = total
        self._last_s = self._line_s = time.monotonic()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> FoldProgress:
        if not self._bar.disable:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._bar.close()

    def update(self, seconds: float) -> None:
        """A fold that took `seconds` is done."""
        self._durations.append(seconds)
        self._left -= 1
        self._last_s = time.monotonic()
        self._bar.set_postfix_str(self._time_left(), refresh=False)
        self._bar.update()
        if self._bar.disable and self._last_s - self._line_s >= LINE_EVERY_S:
            self._line_s = self._last_s
            done = self._total - self._left
            print(f"glimpse-offline: {done} of {self._total} folds, {self._time_left()}", file=sys.stderr)

    def _tick(self) -> None:
        """Count the time left down between folds, which may take minutes."""
        while not self._stop.wait(_TICK_S):
            self._bar.set_postfix_str(self._time_left())

    def _time_left(self) -> str:
        known = self._durations or self._kept
        left_s = seconds_left(self._left, known, self._at_once(), time.monotonic() - self._last_s)
        return "time left not known yet" if left_s is None else f"about {_clock(left_s)} left"


def _clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds."""
    text: str = tqdm.format_interval(seconds)
    return text
