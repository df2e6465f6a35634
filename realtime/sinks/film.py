"""The annotated film of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from realtime.sinks.base import PictureSink, Watched
from realtime.types import FacialEvent, Frame, ModelInfo, RunSummary, StreamInfo, Unreadable
from realtime.view.film import Film
from realtime.view.overlay import Layout, draw, layout_of
from realtime.view.story import Gauges, Story


class FilmSink(PictureSink):
    """Writes every frame with what was known when it came: a film of the face, for its owner's eyes alone."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """`path`: the film; its ending says of which kind, see `realtime.view.film.CODECS`."""
        self._path = path
        self._story = Story()
        self._film: Film | None = None
        self._layout: Layout | None = None

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Start the film. Raises `OutputError`."""
        self._layout = layout_of(info.width, info.height)
        self._film = Film(self._path, info.fps, self._layout.canvas)

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Draw the frame."""
        if not isinstance(frame, Frame) or self._film is None or self._layout is None:
            self._story.tell(decided)
            return
        self._story.push(frame, route, decided)
        gauges = Gauges(dropped=route.skipped.get("dropped", 0))
        self._film.write(draw(self._story.scene(frame, route, gauges), self._layout), frame.time_s)

    def close(self, summary: RunSummary) -> None:
        """Finish the film. Raises `OutputError`."""
        if self._film is not None:
            self._film.close()

    def abort(self) -> str | None:
        """Keep what there is beside the name."""
        return self._film.abandon() if self._film is not None else None
