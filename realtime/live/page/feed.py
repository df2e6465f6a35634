"""The camera's end of the live page, in the camera's own process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from realtime.live.page.channel import connect
from realtime.sinks.base import PictureSink, Watched
from realtime.types import AlignedFace, FacialEvent, Frame, KeyFrames, Unreadable
from realtime.view.overlay import reduced
from realtime.view.passing import send_scene
from realtime.view.story import Gauges, Pace, Scene, Story

EVERY_S = 1.0 / 12.0
"""Least time between two pictures."""
_MOST_PX = (960, 720)
_LEAST_PX = 360
_KEPT_EVENTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """The face at an event's key frames, on its way to the page."""

    id: str
    keys: KeyFrames
    faces: tuple[AlignedFace, ...]
    """At onset, apex and offset."""


def picture_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in which the page shows frames of a size."""
    scale = min(_MOST_PX[0] / width, _MOST_PX[1] / height, max(1.0, _LEAST_PX / height))
    return max(round(width * scale), 8), max(round(height * scale), 8)


class PageFeed(PictureSink):
    """Hands the newest scene over, twelve times a second at most and only while somebody looks.

    The route never waits: a thread sends, and what was not sent when the next comes is dropped. Pictures
    are drawn in the page's process.
    """

    def __init__(
        self,
        camera: str,
        full_id: Callable[[str], str],
        latency_ms: Callable[[int], float | None],
        set_confidence: Callable[[float], object],
    ) -> None:
        """`full_id`: an event's id as the records have it. `latency_ms`: how late the route is with a frame.
        `set_confidence`: told, between two frames, what was set on the page."""
        self._camera, self._full_id = camera, full_id
        self._latency_ms, self._set_confidence = latency_ms, set_confidence
        self._story, self._pace = Story(), Pace()
        self._news = threading.Condition()
        self._scene: Scene | None = None
        self._events: deque[Keyed] = deque(maxlen=_KEPT_EVENTS)
        self._shown_s = 0.0
        self._watched = False
        self._asked: float | None = None

    def start(self, link: Mapping[str, str]) -> None:
        """Connect to the page. Raises `OutputError`."""
        pipe = connect(link, self._camera)
        for action in (self._send, self._hear):
            threading.Thread(target=action, args=(pipe,), daemon=True).start()

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Take the frame into the curves, and hand it over if somebody looks and a picture is due."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self._set_confidence(asked)
        for event in decided:
            self._keep(event, route.footage.get(event.id, ()))
        if not isinstance(frame, Frame):
            self._story.tell(decided)
            return
        self._story.push(frame, route, decided)
        now_s = time.monotonic()
        self._pace.push(now_s)
        if not self._watched or now_s - self._shown_s < EVERY_S:
            return
        self._shown_s = now_s
        gauges = Gauges("", self._pace.fps, self._latency_ms(frame.index), route.skipped.get("dropped", 0))
        with self._news:
            self._scene = self._story.scene(frame, route, gauges)
            self._news.notify()

    def _keep(self, event: FacialEvent, footage: Sequence[AlignedFace]) -> None:
        keys = event.key_frames
        at = {face.index: face for face in footage}
        indices = (keys.onset_frame, keys.apex_frame, keys.offset_frame)
        if all(index in at for index in indices):
            faces = tuple(at[index] for index in indices)
            with self._news:
                self._events.append(Keyed(self._full_id(event.id), replace(keys, regions={}), faces))
                self._news.notify()

    def _send(self, pipe: Connection) -> None:
        """Thread: send what was handed over, for as long as somebody takes it."""
        with suppress(OSError):
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._scene is not None or self._events)
                    scene, self._scene = self._scene, None
                    events = list(self._events)
                    self._events.clear()
                for keyed in events:
                    pipe.send(keyed)
                if scene is not None:
                    send_scene(pipe, reduced(scene, picture_size(*scene.size)))

    def _hear(self, pipe: Connection) -> None:
        """Thread: do as the page asks."""
        with suppress(OSError, EOFError):
            while True:
                what, value = pipe.recv()
                if what == "watch":
                    self._watched = value
                elif what == "confidence":
                    self._asked = value
        self._watched = False
