"""How the cameras' processes reach the page: one connection each, which only they have the key to.

From a camera: its name, then scenes and the key frames of events. To it: whether anybody looks, and what was
set. Both ends are processes of one run, under one user.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from realtime.errors import OutputError
from realtime.view.passing import receive

_BACKLOG = 256


class Channel:
    """The page's end, for all cameras and all processes that a camera has one after the other."""

    def __init__(
        self, on_connect: Callable[[str, Connection], object], on_message: Callable[[str, Any], object]
    ):
        """Both are called in threads of this channel, with the camera's name. Raises `OutputError`."""
        self._on_connect, self._on_message = on_connect, on_message
        key = secrets.token_bytes(32)
        try:
            self._listener = Listener(backlog=_BACKLOG, authkey=key)
        except OSError as error:
            raise OutputError(f"--web: no channel to the cameras: {error.strerror or error}") from error
        self.link: Mapping[str, str] = {"address": str(self._listener.address), "key": key.hex()}
        """What a camera's process has to know."""
        self._closed = False
        threading.Thread(target=self._accept, name="page channel", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            with suppress(OSError, EOFError, AuthenticationError):
                pipe = self._listener.accept()
                threading.Thread(target=self._listen, args=(pipe,), daemon=True).start()

    def _listen(self, pipe: Connection) -> None:
        with suppress(OSError, EOFError), pipe:
            camera = str(pipe.recv())
            self._on_connect(camera, pipe)
            while True:
                self._on_message(camera, receive(pipe))


def connect(link: Mapping[str, str], camera: str) -> Connection:
    """A camera's end. Raises `OutputError` where there is no page."""
    try:
        pipe = Client(link["address"], authkey=bytes.fromhex(link["key"]))
        pipe.send(camera)
    except (OSError, EOFError, AuthenticationError) as error:
        raise OutputError(f"the live page cannot be reached: {error}") from error
    return pipe
