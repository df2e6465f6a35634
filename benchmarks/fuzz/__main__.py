"""Fuzzes the readers: `python -m benchmarks.fuzz TARGET … --seconds 600`, or `all`.

Each must end in a result or in a `GlimpseError` of one short line without a secret: no other exception, no
hang, no memory without bounds. Needs atheris: `pip install -c constraints.txt -e '.[fuzz]'`, on Linux with
Python 3.11 or later. Inputs that found something, and the corpus, stay in `--out`. The exit code is 1 where
there were findings.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks.fuzz.targets import TARGETS

_RESTARTS_S = 5.0
"""A process that ends with more than this to go has met a hang, a crash or too much memory."""


def main() -> int:
    """Fuzz one target after the other; print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument(
        "targets", nargs="+", choices=(*TARGETS, "all"), metavar="TARGET", help=", ".join(TARGETS)
    )
    parser.add_argument("--seconds", type=float, default=600.0, metavar="N", help="for each target (600)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the first process (1)")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), metavar="DIR", help="(runs/fuzz)")
    args = parser.parse_args()
    if find_spec("atheris") is None:
        parser.error("atheris is not installed: pip install -c constraints.txt -e '.[fuzz]'")
    found = 0
    for name in TARGETS if "all" in args.targets else args.targets:
        found += _fuzz(name, args.out / name, args.seconds, args.seed)
    return int(found > 0)


def _fuzz(name: str, folder: Path, seconds: float, seed: int) -> int:
    """Fuzz one target, print its row, give the number of findings."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    executions = refused = 0
    findings: dict[str, str] = {}
    while (left := seconds - (time.monotonic() - begun)) > _RESTARTS_S:
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz.driver",
            name,
            str(folder),
            f"{left:.0f}",
            str(seed),
        ]
        with (folder / "log").open("ab") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        executions, refused, seed = executions + state["executions"], refused + state["refused"], seed + 1
        findings |= state["findings"]
        if code:
            findings[f"process {seed - 1} ended with {code}"] = (
                f"see {folder / 'log'} and {folder}/crash-*, timeout-*, oom-*"
            )
    took = time.monotonic() - begun
    print(
        f"{name:10} {took:6.0f} s {executions:9} executions {refused:9} refused {len(findings):3} findings",
        flush=True,
    )
    for kind, text in findings.items():
        print(f"    {kind}: {text}", flush=True)
    return len(findings)


if __name__ == "__main__":
    sys.exit(main())
