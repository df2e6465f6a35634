"""Fresh processes that measure: one per stream, started together."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from realtime import child
from realtime.bench.worker import Job
from realtime.errors import GlimpseError


class MeasuringFailed(GlimpseError):
    """A process that measures came to an end without figures."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def run_together(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """What each job measured. They load one after the other, so as not to disturb, and start together."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        waiting = [_started(job, processes) for job in jobs]
        for process in waiting:
            _tell(process, b"go\n")
        return [_figures(process) for process in waiting]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _started(job: Job, processes: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    job = replace(job, started_s=time.time())
    process = subprocess.Popen(
        child.command("realtime.bench.worker"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child.environment(),
    )
    processes.append(process)
    _tell(process, job.as_line())
    line = _line(process)
    if line != b"ready\n":
        _raise(line)
    return process


def _tell(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # one that has died says so by what it does not answer
        process.stdin.write(line)
        process.stdin.flush()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _figures(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = _line(process)
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        _raise(line)
    if "error" in record:
        _raise(line)
    return record


def _raise(line: bytes) -> None:
    with suppress(ValueError):
        told = json.loads(line)
        raise MeasuringFailed(told["error"], told["exit_code"])
    raise MeasuringFailed(
        "a process that measures died; see glimpse process for what is wrong with the stream"
    )
