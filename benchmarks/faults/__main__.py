"""Break what the commands are given, in every way there is, and see how they end.

    python -m benchmarks.faults [--kind KIND …] [--mutations 500] [--seed 0] [--json FILE]

Kinds: an ending of a film (.mp4, .mkv, .avi, .webm, .ts), each broken `--mutations` times – cut off, bits
flipped, pieces exchanged – and given to `glimpse process`; those of `benchmarks.faults.cases`, about the same
command; and those of `benchmarks.faults.others`, about all others. Every run must end in a result or in one
clear line (exit code 1 or 2): never in a traceback, a signal, a hang, runaway memory, or a damaged earlier
file. Mutations run many to a process, which is replaced when it dies, and every 25th as a command of its own
as well; all else runs as commands. Needs Linux and root, who can mount disks. Exit code: 0 where nothing
ended badly.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.faults.cases import KINDS, Case, Room
from benchmarks.faults.films import CONTAINERS, mutants, pictures, write_film
from benchmarks.faults.others import OTHER_KINDS
from benchmarks.faults.verdict import BAD, EARLIER, RESULT, Ending, Ran, as_records, judge, table
from benchmarks.faults.worker import Worker

LIMIT_S = 120.0
"""A command that takes longer hangs."""
COMMAND_EVERY = 25
CASES = {**KINDS, **OTHER_KINDS}


def mutations(ending: str, count: int, seed: int, folder: Path) -> Iterator[Ending]:
    """A film broken in `count` ways."""
    film, out = folder / f"film{ending}", folder / "out.jsonl"
    write_film(film, pictures())
    data, worker = film.read_bytes(), Worker(folder)
    try:
        for number, (kind, mutant) in enumerate(mutants(data, count, seed)):
            broken = folder / f"broken{ending}"
            broken.write_bytes(mutant)
            out.write_bytes(EARLIER)
            ended = judge(f"{ending} {kind}", str(number), worker.run(broken, out, LIMIT_S), out)
            if ended.how == BAD:
                (folder / f"bad-{number}{ending}").write_bytes(mutant)
            yield ended
            if number % COMMAND_EVERY == 0:
                out.write_bytes(EARLIER)
                words = (broken, "--out", out, "--csv", folder / "out.csv", "--report", folder / "out.html")
                yield _ended(f"{ending} as commands", Case(str(number), words, out))
    finally:
        worker.close()


def cases(kind: str, folder: Path) -> Iterator[Ending]:
    """All of a kind, each as a command."""
    film = folder / "film.mp4"
    shown = pictures()
    write_film(film, shown)
    for case in CASES[kind](Room(folder, film, tuple(shown))):
        yield _ended(kind, case)


def _ended(kind: str, case: Case) -> Ending:
    before = {path: path.read_bytes() for path in case.guarded}
    ran = _run(case)
    ending = judge(kind, case.name, ran, case.out, quiet_codes=case.quiet_codes, shared=case.shared)
    wrong = ""
    if ending.how == RESULT and case.must_fail:
        wrong = "a result, where there can be none"
    if any(not path.exists() or path.read_bytes() != data for path, data in before.items()):
        wrong = "a file was damaged that it must not touch"
    if len({path.read_bytes() if path.exists() else None for path in case.equal}) > 1:
        wrong = "the result is not that of a run without faults"
    if not wrong or ending.how == BAD:
        return ending
    return Ending(kind, case.name, BAD, wrong, ending.seconds, ending.peak_mb, ending.noise)


def _run(case: Case) -> Ran:
    words = [os.fspath(word) for word in case.words]
    command = [sys.executable, "-m", *case.program, *words]
    with tempfile.TemporaryFile() as stderr:
        started_s = time.monotonic()
        child = subprocess.Popen(
            ["bash", "-c", case.shell, "bash", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        code = _wait(child, started_s + LIMIT_S)
        seconds = time.monotonic() - started_s
        stderr.seek(0)
        text = stderr.read().decode("utf-8", "backslashreplace")
    return Ran(code, text, seconds, _PEAK.pop(child.pid, 0.0))


_PEAK: dict[int, float] = {}


def _wait(child: subprocess.Popen[bytes], until_s: float) -> int | None:
    """Wait and see how much memory the largest process of the child's took; None where it ran out of time."""
    while time.monotonic() < until_s:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            _PEAK[pid] = used.ru_maxrss / 1024.0
            return child.returncode
        time.sleep(0.02)
    os.killpg(child.pid, 9)
    child.wait()
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    kinds = [*CONTAINERS, *CASES]
    parser.add_argument("--kind", action="append", choices=kinds, help="only these (repeatable)")
    parser.add_argument("--mutations", type=int, default=500, help="of each container")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave all files here")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    endings: list[Ending] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, kind in enumerate(options.kind or kinds):
            folder = (options.keep or Path(scratch)) / str(number)
            folder.mkdir(parents=True)
            run = (
                cases(kind, folder)
                if kind in CASES
                else mutations(kind, options.mutations, options.seed, folder)
            )
            for ending in run:
                endings.append(ending)
                if ending.how == BAD:
                    print(f"bad: {ending.kind}: {ending.name}: {ending.why}", file=sys.stderr, flush=True)
            print(f"{kind}: {len(endings)} tried so far", file=sys.stderr, flush=True)
            if options.json:
                text = json.dumps(as_records(endings), indent=1) + "\n"
                options.json.write_text(text, encoding="utf-8")
    print(table(endings))
    return int(any(ending.how == BAD for ending in endings))


if __name__ == "__main__":
    sys.exit(main())
