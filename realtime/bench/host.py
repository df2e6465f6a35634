"""What a machine that others share takes from a measurement."""

from __future__ import annotations

import os
from pathlib import Path

_STAT = Path("/proc/stat")
_STEAL = 8
"""Place of the stolen time in the line of all cores (proc_stat(5)), its name being 0."""


def stolen_s() -> float | None:
    """How long the host of this virtual machine has let others have a core so far, s, mean of all cores;
    None where this system does not tell."""
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[_STEAL]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
