"""Movements told before they are decided: a way out that has just peaked."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.types import KeyFrames


@dataclass(frozen=True, slots=True)
class Tentative:
    """A way out that may become a movement."""

    onset_s: float
    """First estimate."""
    onset_frame: int
    """Names the movement for as long as it is not decided."""
    apex_s: float
    """First estimate."""
    strength: float
    """Motion at the peak over the noise of the stream (dimensionless)."""
    decided_s: float
    withdrawn: bool = False
    """Whether this takes back what was told under the same `onset_frame`."""


class TentativeLog:
    """Keeps what was told and is open: each is settled once, by a movement over it or by time."""

    def __init__(self, patience_s: float) -> None:
        """`patience_s`: how long after its apex a movement can still be decided, s."""
        self._patience_s = patience_s
        self.reset()

    def reset(self) -> None:
        self._open: list[Tentative] = []
        self._told: list[Tentative] = []

    def announce(self, tentative: Tentative) -> None:
        """Tell of a way out, unless one of the same onset is open."""
        if all(known.onset_frame != tentative.onset_frame for known in self._open):
            self._open.append(tentative)
            self._told.append(tentative)

    def name(self, movement: KeyFrames) -> int:
        """The onset frame that a movement was announced with; its own where it was not. Settles it."""
        during = [t for t in self._open if movement.onset_s <= t.apex_s <= movement.offset_s]
        if not during:
            return movement.onset_frame
        nearest = min(during, key=lambda t: abs(t.apex_s - movement.apex_s))
        self._open.remove(nearest)
        return nearest.onset_frame

    def settle(self, now_s: float, *, over: bool = False) -> None:
        """Take back what has waited for too long; with `over`, all that is open."""
        for tentative in self._open.copy():
            if over or now_s - tentative.apex_s > self._patience_s:
                self._open.remove(tentative)
                self._told.append(_withdrawn(tentative, now_s))

    def take(self) -> tuple[Tentative, ...]:
        """What is to be told now, once."""
        told, self._told = tuple(self._told), []
        return told


def _withdrawn(tentative: Tentative, now_s: float) -> Tentative:
    return Tentative(
        tentative.onset_s, tentative.onset_frame, tentative.apex_s, tentative.strength, now_s, withdrawn=True
    )
