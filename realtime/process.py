"""A stream through the pipeline into its outputs: the one loop over frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from realtime.pipeline import Pipeline
from realtime.sinks import EventSink, Viewer
from realtime.types import FacialEvent, FrameSource, ModelInfo, RunSummary


def events(source: FrameSource, pipeline: Pipeline) -> Iterator[FacialEvent]:
    """Every event of a stream, as soon as it is decided; the last ones when the stream ends."""
    for frame in source:
        yield from pipeline.push(frame)
    yield from pipeline.flush()


def process(
    source: FrameSource,
    pipeline: Pipeline,
    sink: EventSink,
    *,
    model: ModelInfo | None = None,
    timing: bool = False,
    progress: Callable[[int], object] | None = None,
) -> RunSummary:
    """Run a whole stream into `sink`, which sees the pictures as well where it is a `Viewer`.

    `progress` is told the number of frames done, one at a time. With `timing` the summary carries
    the time that the run took; without it the output is the same byte for byte on every run. After
    an error the sink is ended with `abort`, and the error goes on with what was kept in its notes.
    """
    started = time.perf_counter()
    viewer = sink if isinstance(sink, Viewer) else None
    try:
        sink.open(source.info, model)
        for frame in source:
            decided = pipeline.push(frame)
            if viewer is not None:
                viewer.watch(frame, pipeline, decided)
            for row in pipeline.observations:
                sink.write_frame(row)
            write_decided(sink, pipeline, decided)
            if progress is not None:
                progress(1)
        decided = pipeline.flush()
        if viewer is not None:
            viewer.watch(None, pipeline, decided)
        write_decided(sink, pipeline, decided)
        summary = RunSummary(
            **pipeline.counts,
            skipped=pipeline.skipped,
            unobservable=pipeline.unobservable,
            wall_s=time.perf_counter() - started if timing else None,
            notes=tuple(n for n in getattr(source, "notes", ()) if n not in source.info.notes),
        )
        sink.close(summary)
    except BaseException as error:
        kept = sink.abort()
        if kept and isinstance(error, KeyboardInterrupt):
            error.args = (kept,)
        elif kept and error.args and isinstance(error.args[0], str):
            error.args = (f"{error.args[0]} ({kept})", *error.args[1:])
        raise
    return summary


def write_decided(sink: EventSink, pipeline: Pipeline, decided: Sequence[FacialEvent]) -> None:
    """Pass on what a push or a flush decided.

    Notices come before the events of the same frame: a provisional event before its decision.
    """
    for notice in pipeline.notices:
        sink.write_notice(notice)
    for event in decided:
        sink.write_event(event)
