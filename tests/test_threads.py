"""How threads are shared out between the route, what works beside it, and other routes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from realtime.bench.sample import write_sample

DECODER_THREADS = """
import sys
import cv2
from realtime.threads import share_cores
if sys.argv[2] == "shared":
    share_cores()
capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)
print(cv2.getNumThreads(), int(capture.get(cv2.CAP_PROP_N_THREADS)), capture.read()[0])
"""
NICENESS = """
import os, threading
from realtime.threads import give_way
def beside():
    give_way()
    own = threading.get_native_id()
    print(os.getpriority(os.PRIO_PROCESS, own) - before, os.sched_getscheduler(own) == os.SCHED_BATCH)
before = os.getpriority(os.PRIO_PROCESS, 0)
print(min(5, 19 - before))
thread = threading.Thread(target=beside)
thread.start()
thread.join()
print(os.getpriority(os.PRIO_PROCESS, 0) - before)
"""


def said(code: str, *arguments: str) -> list[str]:
    """What a process of its own prints: threads and priorities outlast a test."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_routes_side_by_side_decode_on_one_thread_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.bench.sample.PERIOD_S", 0.2)
    monkeypatch.delenv("OPENCV_FFMPEG_THREADS", raising=False)
    film, _ = write_sample(tmp_path, 25.0)
    assert said(DECODER_THREADS, str(film), "shared") == ["1", "1", "True"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_works_beside_the_route_lets_it_go_first() -> None:
    most, niceness, batch, own = said(NICENESS)
    assert (niceness, batch, own) == (most, "True", "0")
