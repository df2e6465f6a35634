"""How a command may end: with a result, or with one clear line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULT, LINE, BAD = "result", "one line", "bad"
PROGRAMS = ("glimpse: ", "glimpse-offline: ", "glimpse-export: ")
MOST_MB = 2500.0
"""A run on small pictures that takes more memory has run away with it."""
EARLIER = b'{"type":"earlier"}\n'
"""What stands in an output file before the run."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What is known when a command is over."""

    code: int | None
    """Exit code, negative for a signal; None where it ran out of time."""
    stderr: str
    seconds: float
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """One fault that was tried, and how the command ended."""

    kind: str
    name: str
    how: str
    """RESULT, LINE or BAD."""
    why: str
    """What is wrong, or the line."""
    seconds: float
    peak_mb: float
    noise: bool
    """Whether a library printed something of its own."""


def judge(
    kind: str,
    name: str,
    ran: Ran,
    out: Path | None = None,
    *,
    quiet_codes: Sequence[int] = (),
    shared: bool = False,
) -> Ending:
    """Hold a run against the contract.

    `out`: an output that held `EARLIER` before, and must now be whole and new, or as it was. `quiet_codes`:
    exit codes at which nothing need be said. `shared`: another run writes `out` too, and may have done so.
    """
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(PROGRAMS)]
    noise = [line for line in lines if not line.startswith(PROGRAMS)]
    how, why = _how(ran, own, quiet_codes)
    if how != BAD and ran.peak_mb > MOST_MB:
        how, why = BAD, f"took {ran.peak_mb:.0f} MB"
    if how != BAD and out is not None:
        wrong = _wrong(out, replaced=ran.code == 0)
        if wrong and shared:
            wrong = _wrong(out, replaced=True)
        how, why = (BAD, wrong) if wrong else (how, why)
    return Ending(kind, name, how, why, ran.seconds, ran.peak_mb, bool(noise))


def _how(ran: Ran, own: Sequence[str], quiet_codes: Sequence[int]) -> tuple[str, str]:
    if ran.code is None:
        return BAD, "ran out of time"
    if "Traceback" in ran.stderr or "Error:" in ran.stderr or "Warning:" in ran.stderr:
        return BAD, "traceback or warning: " + ran.stderr.strip().splitlines()[-1]
    if ran.code < 0 or ran.code in (134, 135, 136, 139):
        return BAD, f"died of signal {-ran.code if ran.code < 0 else ran.code - 128}"
    if ran.code == 0:
        return RESULT, ""
    if ran.code in quiet_codes:
        return LINE, own[-1] if own else ""
    if ran.code not in (1, 2) or not own:
        return BAD, f"exit code {ran.code} and {len(own)} lines"
    return LINE, own[-1]


def _wrong(out: Path, *, replaced: bool) -> str:
    """What is wrong with an output file, if anything."""
    data = out.read_bytes() if out.exists() else b""
    if not replaced:
        return "" if data == EARLIER else "an earlier file was damaged"
    try:
        records = [json.loads(line, parse_constant=_refuse) for line in data.splitlines()]
    except ValueError as error:
        return f"the result cannot be read: {error}"
    if not data.endswith(b"\n") or not records or records[-1].get("type") != "summary":
        return "the result is not whole"
    return ""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} in the result")


def table(endings: Iterable[Ending]) -> str:
    """One line per kind, for people."""
    kinds: dict[str, list[Ending]] = {}
    for ending in endings:
        kinds.setdefault(ending.kind, []).append(ending)
    heads = ("tried", "result", "one line", "bad", "noise", "worst s", "most MB")
    lines = ["kind".ljust(26) + "".join(head.rjust(10) for head in heads)]
    for kind, ended in kinds.items():
        hows = Counter(ending.how for ending in ended)
        slowest, most = (max(getattr(e, key) for e in ended) for key in ("seconds", "peak_mb"))
        noisy = sum(ending.noise for ending in ended)
        lines.append(
            f"{kind:<26}{len(ended):>10}{hows[RESULT]:>10}{hows[LINE]:>10}{hows[BAD]:>10}{noisy:>10}"
            f"{slowest:>10.1f}{most:>10.0f}"
        )
    return "\n".join(lines)


def as_records(endings: Iterable[Ending]) -> list[dict[str, Any]]:
    """For machines: every ending."""
    return [{name: getattr(ending, name) for name in Ending.__dataclass_fields__} for ending in endings]
