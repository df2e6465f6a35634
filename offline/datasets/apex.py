"""An apex for expressions whose dataset codes none: where the live route finds it."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from offline.datasets.corpus import Annotation
from realtime.errors import DataError
from realtime.sources import open_source
from realtime.types import FacialEvent, Frame

if TYPE_CHECKING:
    from realtime.pipeline import Pipeline

LEAD_S = 3.0
"""Stream time before the onset that the route gets to learn the noise from."""
TAIL_S = 1.0
"""Stream time after the offset in which a movement may still be decided."""


def apex_by_spotter(clip: Annotation, pipeline: Pipeline) -> Annotation:
    """The clip with the apex of the strongest movement that the live route finds inside it.

    `pipeline` is reset before and after; its recogniser, if any, is not needed.

    Raises:
        SourceError: the frames cannot be read.
        DataError: the route finds no movement whose apex lies between onset and offset. Clips that
            begin at the onset always end so: a movement cannot be told without the frames before it.
    """
    onset, offset = clip.index.onset, clip.index.offset
    inside = [e.key_frames for e in _events(clip, pipeline) if onset < e.key_frames.apex_frame < offset]
    if not inside:
        raise DataError("no apex is coded, and the spotter finds none between onset and offset")
    apex = max(inside, key=lambda keys: keys.strength).apex_frame
    number = clip.number.onset + round(
        (apex - onset) * (clip.number.offset - clip.number.onset) / (offset - onset)
    )
    return replace(
        clip,
        index=replace(clip.index, apex=apex),
        number=replace(clip.number, apex=number),
        apex_source="spotted",
    )


class ApexFinder:
    """Completes clips that lack an apex, or refuses them; starts the live route when it is first needed."""

    def __init__(self, *, spot: bool) -> None:
        """`spot`: whether to look for the apex of clips that have none."""
        self._spot = spot
        self._pipeline: Pipeline | None = None

    def complete(self, clip: Annotation) -> Annotation:
        """The clip itself where it has an apex, else with the spotted one.

        Raises DataError where it has none and none is found, SourceError as `apex_by_spotter`.
        """
        if clip.index.apex is not None:
            return clip
        if not self._spot:
            raise DataError("no apex is coded")
        if self._pipeline is None:
            from realtime.pipeline import Pipeline

            self._pipeline = Pipeline()
        return apex_by_spotter(clip, self._pipeline)

    def __enter__(self) -> ApexFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pipeline is not None:
            self._pipeline.close()


def _events(clip: Annotation, pipeline: Pipeline) -> list[FacialEvent]:
    first = clip.index.onset - round(LEAD_S * clip.fps)
    last = clip.index.offset + round(TAIL_S * clip.fps)
    found: list[FacialEvent] = []
    pipeline.reset()
    with open_source(clip.path, fps=clip.fps) as source:
        for frame in source:
            if frame.index > last:
                break
            if frame.index >= first and isinstance(frame, Frame):
                found += pipeline.push(frame)
    found += pipeline.flush()
    pipeline.reset()
    return found
