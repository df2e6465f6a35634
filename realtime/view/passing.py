"""Scenes from one process to another."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from realtime.view.story import Scene


def send_scene(pipe: Connection, scene: Scene) -> None:
    """Send a scene; its image goes as it lies in memory, so that nobody waits for it to be copied."""
    pipe.send(replace(scene, image=scene.image[:0]))
    pipe.send((scene.image.shape, scene.image.dtype.str))
    pipe.send_bytes(np.ascontiguousarray(scene.image).reshape(-1).data)


def receive(pipe: Connection) -> Any:
    """The next message, a scene or anything else. Raises EOFError where the other side has gone."""
    message = pipe.recv()
    if not isinstance(message, Scene):
        return message
    shape, kind = pipe.recv()
    return replace(message, image=np.frombuffer(pipe.recv_bytes(), kind).reshape(shape))
