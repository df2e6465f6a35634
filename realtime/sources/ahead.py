"""Reading ahead: a thread decodes the next frames while the route works on this one."""

from __future__ import annotations

import atexit
import queue
import threading
import weakref
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

from realtime.threads import give_way

T = TypeVar("T")
_POLL_S = 0.1
_PATIENCE_S = 5.0


class _End:
    """The last thing in the queue, with the error that ended the reading, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[T], depth: int) -> Generator[T, None, None]:
    """The same items in the same order, at most `depth` of them fetched before they are asked for.

    An error of `items` is raised where it would have been without the thread. Closing the iterator stops
    the thread; `items` is run, and closed, in the thread alone.
    """
    return _Ahead(items, depth).items()


_RUNNING: weakref.WeakSet[_Ahead[Any]] = weakref.WeakSet()


def _stop_all() -> None:
    """At the interpreter's end: a thread that came back from OpenCV after it would abort the process."""
    for ahead in list(_RUNNING):
        ahead.stop(_PATIENCE_S)


atexit.register(_stop_all)


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._source = items
        self._queue: queue.Queue[T | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="read-ahead", daemon=True)

    def items(self) -> Generator[T, None, None]:
        self._thread.start()
        _RUNNING.add(self)
        try:
            while not isinstance(item := self._queue.get(), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            self.stop()

    def stop(self, patience_s: float | None = None) -> None:
        """Fetch no more, and wait until the item that is being fetched is there, if that takes no longer."""
        self._stop.set()
        if threading.current_thread() is not self._thread:  # as where the last user was let go of in there
            self._thread.join(patience_s)

    def _fetch(self) -> None:
        give_way()
        error: BaseException | None = None
        try:
            for item in self._source:
                if not self._put(item):
                    break
        except BaseException as caught:
            error = caught
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        """Wait for room; False when nobody reads any more."""
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
