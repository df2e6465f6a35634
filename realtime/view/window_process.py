"""The process of a window: draws the scenes that it is sent and sends back the keys that are pressed.

A process of its own, because windows want the main thread, may end the program where there is no display, and
must take no time from the route.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection

import cv2

from realtime.faces.mesh import quiet_stderr
from realtime.view.passing import receive
from realtime.view.screen import Screen

_KEYS = {ord("q"): "quit", 27: "quit", ord(" "): "pause", ord("s"): "save", ord("h"): "help"}
_WAIT_MS = 15
_NICE = 10


def run(pipe: Connection, title: str) -> None:
    """Show a window until the other side hangs up or the user quits.

    Takes scenes, lines of text to show, and None for the end; sends "open" once the window stands, then
    "quit", "pause" and "save", or "failed" where there can be no window.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the route says when to stop
    try:
        with quiet_stderr():  # Qt has much to say when it starts, and more when it cannot
            # the plain window: the other kind lays tools over keys
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.waitKey(1)
        pipe.send("open")
        _step_back()
        _serve(pipe, Screen(), title)
    except cv2.error:
        pipe.send("failed")
    except (EOFError, OSError):  # the other side has gone
        return


def _step_back() -> None:
    """Run when the route does not: the window may be late, the route may not."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(_NICE)


def _serve(pipe: Connection, screen: Screen, title: str) -> None:
    size: tuple[int, int] | None = None
    action = None
    while action != "quit":
        changed = action is not None
        while pipe.poll(0):
            message = receive(pipe)
            if message is None:
                return
            screen.take(message)
            changed = True
        canvas = screen.picture() if changed else None
        if canvas is not None:
            if size is None:
                size = (canvas.shape[1], canvas.shape[0])
                cv2.resizeWindow(title, *size)
            cv2.imshow(title, canvas)
        action = _KEYS.get(cv2.waitKey(_WAIT_MS) & 0xFF)
        if size is not None and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            action = "quit"
        if action is not None:
            screen.press(action)
            pipe.send(action)
