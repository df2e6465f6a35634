"""Many streams through the route in one process, which is replaced when it dies or hangs.

The parent's side is `Worker`; run as a module this is the child: a job per line on standard input, a record
per line on standard output, all else on standard error.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.faults.verdict import Ran

COMMAND = ("-m", "benchmarks.faults.worker")
MOST_BYTES = 12 * 2**30
"""Address space of the child: what runs away ends there, not in the machine's last memory."""


class Worker:
    """A child process that takes one stream after the other."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for what the child prints."""
        self._log = folder / "worker.log"
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, stream: Path, out: Path, limit_s: float) -> Ran:
        """One stream into one file."""
        child = self._child = self._child or self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        os.truncate(self._log, 0)
        started_s = time.monotonic()
        child.stdin.write(json.dumps([os.fspath(stream), os.fspath(out)]).encode() + b"\n")
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], limit_s)
        answer = child.stdout.readline() if ready else b""
        seconds = time.monotonic() - started_s
        stderr = self._log.read_text(encoding="utf-8", errors="replace")
        if answer:
            record: dict[str, Any] = json.loads(answer)
            return Ran(record["code"], stderr, seconds, record["peak_mb"])
        self.close()
        return Ran(child.returncode if ready else None, stderr, seconds)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            assert self._child.stdin is not None
            assert self._child.stdout is not None
            self._child.stdin.close()
            self._child.stdout.close()
            try:
                self._child.wait(timeout=5.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:  # appended to, so that it can be emptied for every stream
            child = subprocess.Popen(
                [sys.executable, *COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert child.stdout is not None
        child.stdout.readline()
        return child


def main() -> int:
    """The child: until its input ends."""
    from realtime.errors import GlimpseError
    from realtime.pipeline import Pipeline
    from realtime.process import process
    from realtime.sinks import JsonLinesSink
    from realtime.sources import open_source

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(record: dict[str, Any]) -> None:
        answers.write(json.dumps(record).encode() + b"\n")
        answers.flush()

    with Pipeline() as pipeline:
        answer({})
        for line in sys.stdin.buffer:
            stream, out = json.loads(line)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
            pipeline.reset()
            code = 0
            try:
                with open_source(stream) as source:
                    process(source, pipeline, JsonLinesSink(out))
            except GlimpseError as error:
                code = error.exit_code
                print("glimpse:", " ".join(str(error).split()), file=sys.stderr)
            except Exception:
                code = 1
                traceback.print_exc()
            sys.stderr.flush()
            answer({"code": code, "peak_mb": _peak_mb()})
    return 0


def _peak_mb() -> float:
    from realtime.bench.memory import peak_mb

    return peak_mb() or 0.0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
