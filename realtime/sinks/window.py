"""A window that shows a run while it goes on."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from realtime import child
from realtime.errors import GlimpseError, OutputError
from realtime.sinks.base import PictureSink, Watched
from realtime.types import (
    AlignedFace,
    FacialEvent,
    Frame,
    FrameSource,
    ModelInfo,
    RunSummary,
    StreamInfo,
    Unreadable,
)
from realtime.view import window_process
from realtime.view.clip import write_clip
from realtime.view.overlay import layout_of, reduced
from realtime.view.passing import send_scene
from realtime.view.story import Gauges, Pace, Scene, Story

INSTEAD = "write a page with --report, or a film with --video"
_EVERY_S = 0.04
_START_S = 30.0
_END_S = 2.0


def check_display(instead: str = INSTEAD) -> None:
    """Raise `OutputError` where there is certainly no display."""
    unix = sys.platform not in ("win32", "darwin")
    if unix and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError(f"--show needs a display, and there is none here; {instead}")


class WindowSink(PictureSink):
    """Shows the newest frame, at most 25 times a second; frames in between only go into the strip.

    The route hands a scene over and goes on: a thread sends it to the window's own process. Keys: q quit,
    space pause, s save the last event's clip, h help.
    """

    def __init__(
        self,
        title: str,
        *,
        clips: Path | None = None,
        latency_ms: Callable[[int], float | None] = lambda index: None,
        on_quit: Callable[[], object] = lambda: None,
        instead: str = INSTEAD,
    ) -> None:
        """`clips`: folder for clips; None where saving them is not allowed. `latency_ms`: how late the route
        is with a frame. `on_quit`: told when the user is done. `instead`: the way out without a display."""
        self._title, self._clips, self._instead = title, clips, instead
        self._latency_ms, self._on_quit = latency_ms, on_quit
        self._story = Story()
        self._pace = Pace()
        self._shown_s = 0.0
        self._waiting: Scene | None = None
        self._note = ""
        self._news = threading.Condition()
        self._last: tuple[FacialEvent, tuple[AlignedFace, ...]] | None = None
        self._running = threading.Event()
        self._running.set()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._status = "running"
        self._scene: Scene | None = None
        self.closed = False
        """Whether the user is done."""

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Open the window where `start` has not done so yet."""
        if self._process is None:
            self.start()

    def start(self) -> None:
        """Open the window, which takes about a second. Raises `OutputError` where there is no display."""
        check_display(self._instead)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=window_process.run, args=(theirs, f"glimpse: {self._title}"), daemon=True
        )
        with child.safe_path():
            self._process.start()
        theirs.close()
        if not self._stands():
            self._process.kill()
            raise OutputError(f"--show cannot open a window here; {self._instead}")
        self._start_threads()

    def _start_threads(self) -> None:
        for action in (self._send, self._listen):
            threading.Thread(target=action, daemon=True).start()

    def _stands(self) -> bool:
        try:
            return self._pipe.poll(_START_S) and self._pipe.recv() == "open"
        except (EOFError, OSError):
            return False

    def watch(self, frame: Frame | Unreadable | None, route: Watched, decided: Sequence[FacialEvent]) -> None:
        """Take the frame into the strip, and hand it over if a picture is due."""
        for event in decided:
            self._last = (event, route.footage.get(event.id, ()))
        if not isinstance(frame, Frame):
            self._story.tell(decided)
            return
        self._story.push(frame, route, decided)
        now_s = time.monotonic()
        self._pace.push(now_s)
        if self.closed or now_s - self._shown_s < _EVERY_S:
            return
        self._shown_s = now_s
        self._scene = self._story.scene(frame, route, self._gauges(frame.index, route))
        self._hand_over(self._scene)

    def show_status(self, status: str) -> None:
        """A word for the state of the stream, shown at once: there may be no frame for long."""
        self._status = status
        if self._scene is not None:
            gauges = replace(self._scene.gauges, status=status)
            self._scene = replace(self._scene, gauges=gauges)
            self._hand_over(self._scene)

    def close(self, summary: RunSummary) -> None:
        """Close the window."""
        self._end()

    def abort(self) -> str | None:
        """Close the window."""
        self._end()
        return None

    def steer(self, source: FrameSource) -> FrameSource:
        """The source, held while the window is paused and ended when its user quits."""
        return _Steered(source, self)

    def wait(self) -> None:
        """Return when the window is not paused."""
        self._running.wait()

    def _gauges(self, index: int, route: Watched) -> Gauges:
        return Gauges(self._status, self._pace.fps, self._latency_ms(index), route.skipped.get("dropped", 0))

    def _hand_over(self, scene: Scene) -> None:
        """The newest scene, which takes the place of one that was not sent yet."""
        with self._news:
            self._waiting = scene
            self._news.notify()

    def _send(self) -> None:
        """Thread: send what was handed over, then, when all is over, nothing."""
        with suppress(OSError):
            while not self.closed:
                with self._news:
                    self._news.wait_for(lambda: self._waiting or self._note or self.closed)
                    scene, note, self._waiting, self._note = self._waiting, self._note, None, ""
                if note:
                    self._pipe.send(note)
                if scene is not None:
                    send_scene(self._pipe, reduced(scene, layout_of(*scene.size).picture))
            self._pipe.send(None)

    def _listen(self) -> None:
        """Thread: do as the keys say; a window that has gone has quit."""
        with suppress(EOFError, OSError):
            while (action := self._pipe.recv()) != "quit":
                if action == "pause":
                    self._running.clear() if self._running.is_set() else self._running.set()
                if action == "save":
                    self._tell(self._save())
        if not self.closed:
            self._end()
            self._on_quit()

    def _tell(self, note: str) -> None:
        with self._news:
            self._note = note
            self._news.notify()

    def _save(self) -> str:
        """Save the last event's clip; gives a line that says what came of it."""
        if self._clips is None:
            return "clips are films of the face: start with --allow-clips to save them"
        if self._last is None or not self._last[1]:
            return "there is no event yet whose clip could be saved"
        event, footage = self._last
        path = self._clips / f"{Path(self._title).stem or 'stream'}-{event.id}.mp4"
        try:
            write_clip(path, footage, event.key_frames)
        except GlimpseError as error:
            return str(error)
        print(f"glimpse: {path}: shows a face; only you can read it", file=sys.stderr)
        return f"saved {path}"

    def _end(self) -> None:
        self.closed = True
        self._running.set()
        with self._news:
            self._news.notify()
        if self._process is not None:
            self._process.join(_END_S)
            self._process.kill()  # where it got no time to end by itself
            self._process.join()


class _Steered:
    """A source as its window wants it; see `WindowSink.steer`."""

    def __init__(self, source: FrameSource, window: WindowSink) -> None:
        self._source, self._window = source, window

    @property
    def info(self) -> StreamInfo:
        return self._source.info

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(getattr(self._source, "notes", ()))

    def __iter__(self) -> Iterator[Frame | Unreadable]:
        for frame in self._source:
            self._window.wait()
            if self._window.closed:
                return
            yield frame

    def __enter__(self) -> _Steered:
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)
