"""Key frames found by the live route in clips whose movement is annotated.

The route sees the annotated stretch with `LEAD_S` before it, in which it learns the noise, and `TAIL_S`
after it, in which a movement may still be decided. It is told nothing of the annotation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from offline.datasets.clips import NO_APEX, Clip
from offline.datasets.corpus import Annotation
from offline.metrics import interval_iou
from realtime.errors import DataError
from realtime.sources import open_source
from realtime.types import FacialEvent, KeyFrames

if TYPE_CHECKING:
    from realtime.pipeline import Pipeline

LEAD_S = 3.0
"""Stream time before the onset that the route gets to learn the noise from."""
TAIL_S = 1.0
"""Stream time after the offset in which a movement may still be decided."""


def movements_around(
    path: Path, fps: float | None, onset: int, offset: int, pipeline: Pipeline
) -> list[KeyFrames]:
    """All movements that the route finds around the frames `onset` to `offset` of a clip.

    `fps` as in `open_source`. `pipeline` is reset before and after; its recogniser, if any, is not
    needed. Raises SourceError where the frames cannot be read.
    """
    found: list[FacialEvent] = []
    pipeline.reset()
    with open_source(path, fps=fps) as source:
        rate = source.info.fps
        for frame in source:
            if frame.index > offset + round(TAIL_S * rate):
                break
            if frame.index >= onset - round(LEAD_S * rate):
                found += pipeline.push(frame)
    found += pipeline.flush()
    pipeline.reset()
    return [event.key_frames for event in found]


def detected_key_frames(clip: Clip, pipeline: Pipeline) -> tuple[KeyFrames | None, float]:
    """The movement that overlaps the annotated one most, and their intersection over union in frames.

    (None, 0.0) where nothing that is found overlaps it. Raises SourceError.
    """
    best, most = None, 0.0
    for keys in movements_around(clip.path, clip.fps, clip.onset, clip.offset, pipeline):
        overlap = interval_iou((clip.onset, clip.offset), (keys.onset_frame, keys.offset_frame))
        if overlap > most:
            best, most = keys, overlap
    return best, most


def spotted_apex(path: Path, fps: float | None, onset: int, offset: int, pipeline: Pipeline) -> int:
    """Apex of the strongest movement that the live route finds between the frames `onset` and `offset`.

    Raises:
        SourceError: the frames cannot be read.
        DataError: the route finds no movement whose apex lies between onset and offset. Clips that
            begin at the onset always end so: a movement cannot be told without the frames before it.
    """
    found = movements_around(path, fps, onset, offset, pipeline)
    inside = [keys for keys in found if onset < keys.apex_frame < offset]
    if not inside:
        raise DataError("no apex is coded, and the spotter finds none between onset and offset")
    return max(inside, key=lambda keys: keys.strength).apex_frame


def apex_by_spotter(clip: Annotation, pipeline: Pipeline) -> Annotation:
    """The clip with its `spotted_apex`; raises what that does."""
    onset, offset = clip.index.onset, clip.index.offset
    apex = spotted_apex(clip.path, clip.fps, onset, offset, pipeline)
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
            raise DataError(NO_APEX)
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
