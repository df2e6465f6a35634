"""Processes of the house's own: they run this very package, whatever lies in the current folder.

Python looks for modules in the current folder first where it is started with `-m`, `-c` or by
multiprocessing: a file `numpy.py` among somebody's films would run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SAFELY = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "import runpy; runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
)

_SAFE = "PYTHONSAFEPATH"
"""The same for whatever is started otherwise; from Python 3.11 on."""


def command(module: str) -> list[str]:
    """What runs a module of this package as a program."""
    return [sys.executable, "-c", _SAFELY.format(module)]


def environment() -> dict[str, str]:
    """Its environment: it finds this very package, and takes one thread."""
    here, before = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    path = os.pathsep.join([here, before] if before else [here])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


@contextmanager
def safe_path() -> Iterator[None]:
    """What is started within, by multiprocessing, does not look into the current folder either."""
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SAFE)
        if before is not None:
            os.environ[_SAFE] = before
