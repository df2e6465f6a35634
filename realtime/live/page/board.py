"""What the live page shows: the newest picture of each camera that somebody looks at, and the last events.

Everything is in memory, in bounded amounts, and goes with the process.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import cv2

from realtime.live.page.feed import Keyed, picture_size
from realtime.sinks.records import Record
from realtime.threads import give_way
from realtime.types import U8
from realtime.view.flow_colour import flow_picture
from realtime.view.overlay import draw_picture
from realtime.view.pictures import event_pictures
from realtime.view.story import Scene

log = logging.getLogger("glimpse")

MOST_EVENTS = 10_000
MOST_PICTURES = 100
"""Events whose pictures are kept."""
PICTURES = ("onset", "apex", "offset", "magnified", "flow")
_WAITING_EVENTS = 16
_QUALITY = 80
_FLOW_PX = (192, 251)
"""As wide and high as faces are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A picture, ready to be sent."""

    number: int
    scene: Scene
    """Its frame is not kept."""
    jpeg: bytes


@dataclass(slots=True, eq=False)
class View:
    """One camera."""

    confidence: float
    """What the spotter of it was told."""
    changes: int = 0
    """How often that was set since the settings."""
    pipe: Connection | None = None
    watchers: int = 0
    waiting: Scene | None = None
    moment: Moment | None = None


class Board:
    """Written by the cameras and the outputs, read by the web server; every method may be called anywhere."""

    def __init__(self, confidences: Mapping[str, float]) -> None:
        """`confidences`: what the spotter of each camera begins with."""
        self._views = {name: View(value) for name, value in confidences.items()}
        self._changed = threading.Condition()
        self._events: deque[tuple[int, Record]] = deque(maxlen=MOST_EVENTS)
        self._pictures: OrderedDict[str, Mapping[str, bytes]] = OrderedDict()
        self._keyed: deque[Keyed] = deque(maxlen=_WAITING_EVENTS)
        self._drawn = self._count = 0
        self._listeners: list[Callable[[], object]] = []
        self._closed = False
        threading.Thread(target=self._draw, name="page drawing", daemon=True).start()

    def close(self) -> None:
        """Draw no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- from the cameras

    def connected(self, camera: str, pipe: Connection) -> None:
        """A camera's process has come, perhaps in place of another; it is told what is wanted of it."""
        with self._changed:
            view = self._views[camera]
            view.pipe = pipe
            _tell(view, "watch", view.watchers > 0)
            if view.changes:
                _tell(view, "confidence", view.confidence)

    def take(self, camera: str, message: Any) -> None:
        """A scene, which takes the place of one that was not drawn yet, or the key frames of an event."""
        with self._changed:
            if isinstance(message, Keyed):
                self._keyed.append(message)
            elif isinstance(message, Scene) and self._views[camera].watchers:
                self._views[camera].waiting = message
            self._changed.notify_all()

    def add_event(self, record: Record) -> None:
        """An event, as the outputs get it."""
        with self._changed:
            self._count += 1
            self._events.append((self._count, record))
        self._tell_listeners()

    # --- for the page

    @property
    def cameras(self) -> tuple[str, ...]:
        """Their names, in the order of the settings."""
        return tuple(self._views)

    def confidence(self, camera: str) -> tuple[float, int]:
        """The least probability of what the spotter reports, and how often that was changed."""
        with self._changed:
            view = self._views[camera]
            return view.confidence, view.changes

    def set_confidence(self, camera: str, value: float) -> int:
        """From now on another, in the running spotter, and in one that is started in its place.

        Gives the number of this change, from 1 on.
        """
        with self._changed:
            view = self._views[camera]
            view.confidence = value
            view.changes = number = view.changes + 1
            _tell(view, "confidence", value)
        self._tell_listeners()
        return number

    def watch(self, camera: str, by: int) -> None:
        """One more, or one less, looks at a camera: +1 or -1."""
        with self._changed:
            view = self._views[camera]
            before, view.watchers = view.watchers, view.watchers + by
            if bool(before) != bool(view.watchers):
                _tell(view, "watch", view.watchers > 0)
            if not view.watchers:
                view.waiting = view.moment = None

    def moment(self, camera: str) -> Moment | None:
        """The newest picture; None where there is none yet."""
        return self._views[camera].moment

    def events(self, after: int = 0, most: int = MOST_EVENTS) -> list[tuple[int, Record]]:
        """The last events by number, from 1 on, oldest first; only those `after` a number, `most` of them."""
        found: list[tuple[int, Record]] = []
        with self._changed:
            for number, record in reversed(self._events):
                if number <= after or len(found) == most:
                    break
                found.append((number, record))
        return found[::-1]

    @property
    def count(self) -> int:
        """Events so far, those that were let go counted."""
        return self._count

    @property
    def let_go(self) -> int:
        """How many of the oldest events are no longer kept."""
        return self._count - len(self._events)

    def pictures(self, event: str) -> Mapping[str, bytes]:
        """JPEG files of an event, of those in `PICTURES` that there are."""
        return self._pictures.get(event, {})

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """`listener` is called, in any thread, whenever there is something new; gives what ends that."""
        with self._changed:
            self._listeners.append(listener)

        def leave() -> None:
            with self._changed:
                self._listeners.remove(listener)

        return leave

    # --- drawing

    def _draw(self) -> None:
        """Thread: draw what waits."""
        give_way()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._keyed or self._waiting())
                if self._closed:
                    return
                keyed = self._keyed.popleft() if self._keyed else None
                scenes = [(view, view.waiting) for view in self._views.values()]
                for view in self._views.values():
                    view.waiting = None
            try:
                if keyed is not None:
                    self._draw_event(keyed)
                for view, scene in scenes:
                    if scene is not None:
                        self._draw_scene(view, scene)
            except Exception as error:  # one picture that fails must not be the last
                why = f"{type(error).__name__}: {error}"
                log.warning("glimpse: the live page: a picture cannot be drawn: %s", why)
            self._tell_listeners()

    def _waiting(self) -> bool:
        return any(view.waiting is not None for view in self._views.values())

    def _draw_scene(self, view: View, scene: Scene) -> None:
        jpeg = _jpeg(draw_picture(scene, picture_size(*scene.size)))
        with self._changed:
            self._drawn += 1
            if view.watchers:
                view.moment = Moment(self._drawn, _without_frame(scene), jpeg)

    def _draw_event(self, keyed: Keyed) -> None:
        found = event_pictures(keyed.faces, keyed.keys, show_faces=True)
        if found is None:
            return
        flow = _jpeg(flow_picture(found.fields[0], _FLOW_PX))
        with self._changed:
            self._pictures[keyed.id] = dict(zip(PICTURES, (*found.faces, flow), strict=True))
            while len(self._pictures) > MOST_PICTURES:
                self._pictures.popitem(last=False)

    def _tell_listeners(self) -> None:
        with self._changed:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


def _tell(view: View, what: str, value: bool | float) -> None:
    """A process that has gone is no matter: its successor is told."""
    if view.pipe is not None:
        with suppress(OSError):
            view.pipe.send((what, value))


def _without_frame(scene: Scene) -> Scene:
    return replace(scene, image=scene.image[:0].copy())


def _jpeg(picture: U8) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
