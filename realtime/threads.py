"""Threads that work beside the route and let it go first, and routes beside one another."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

_NICENESS = 5
"""About a third of the route's share where both want the same core."""


def give_way() -> None:
    """Let the calling thread, and those that it starts, wait for the route where cores are scarce.

    They get a smaller share, and do not interrupt it when they have something to do (SCHED_BATCH). On Linux,
    where both belong to a thread; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        own = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(own, os.SCHED_BATCH, os.sched_param(0))


def share_cores() -> None:
    """Let OpenCV work, and decode films, on one thread in this process: other routes run beside it.

    Several threads for one picture cost more in all: eight films of 30 frames/s take a twentieth more. Who
    has set OPENCV_FFMPEG_THREADS keeps it, as for one large film. Network feeds decode on one thread anyway.
    """
    import cv2

    cv2.setNumThreads(1)
    os.environ.setdefault("OPENCV_FFMPEG_THREADS", "1")  # read whenever a film is opened
