"""Reading ahead: a thread decodes the next frames while the route works on this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.1


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


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._source = items
        self._queue: queue.Queue[T | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="read-ahead", daemon=True)

    def items(self) -> Generator[T, None, None]:
        self._thread.start()
        try:
            while not isinstance(item := self._queue.get(), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            self._stop.set()
            self._thread.join()

    def _fetch(self) -> None:
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
