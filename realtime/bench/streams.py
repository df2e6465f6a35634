"""The streams of a measurement: a file over and over, and one that is watched on its way into the route."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from realtime.types import Frame, FrameSource, StreamInfo, Unreadable


class Repeated:
    """A recorded stream, again and again, as one stream whose time goes on.

    The next pass is opened, and its first frame decoded, by another thread in good time, so that starting
    over costs the route nothing.
    """

    def __init__(
        self,
        opener: Callable[[], FrameSource],
        *,
        fps: float | None,
        frames: int | None,
        enough: threading.Event,
    ) -> None:
        """`fps`: frame n gets time n / fps, not its own. `frames`: end after so many. `enough`: end now."""
        self._open, self._frames, self._enough = opener, frames, enough
        self._source = opener()
        self._info = self._source.info if fps is None else replace(self._source.info, fps=fps)
        self._retimed = fps is not None
        self.passes = 1

    @property
    def info(self) -> StreamInfo:
        return self._info

    def __enter__(self) -> Repeated:
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(None, None, None)

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        step_s = 1.0 / self._info.fps
        index, start_s, last_s = 0, 0.0, 0.0
        with ThreadPoolExecutor(1) as opener:
            items = iter(self._source)
            while True:
                following = opener.submit(self._begin)
                for item in items:
                    if self._enough.is_set() or index == self._frames:
                        following.result()[0].__exit__(None, None, None)
                        return
                    if isinstance(item, Frame):
                        last_s = index * step_s if self._retimed else start_s + item.time_s
                        yield Frame(index, last_s, item.image)
                    else:
                        yield replace(item, index=index)
                    index += 1
                self._source.__exit__(None, None, None)
                self._source, items = following.result()
                start_s = last_s + step_s
                self.passes += 1

    def _begin(self) -> tuple[FrameSource, Iterator[Frame | Unreadable]]:
        source = self._open()
        items = iter(source)
        return source, _after(next(items), items)


def _after(first: Frame | Unreadable, rest: Iterator[Frame | Unreadable]) -> Iterator[Frame | Unreadable]:
    yield first
    yield from rest
