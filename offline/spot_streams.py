"""Streams with truth, and the live route over them: synthetic ones, files, and published long videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from offline.datasets.corpus import Annotation
from offline.datasets.protocols import protocol
from offline.datasets.selection import Selected
from offline.spot_alarms import Measured, MeasuredFrames
from offline.spot_curve import Bank
from offline.synthesis.recipes import MEGC_CLASSES
from offline.synthesis.stream import StreamPlan, SyntheticStream
from offline.synthesis.truth import TrueEvent, Truth
from realtime.config import PipelineConfig
from realtime.errors import DataError
from realtime.pipeline import Pipeline
from realtime.recognition import Recognizer
from realtime.sources import open_source
from realtime.types import (
    FacialEvent,
    Frame,
    FrameSource,
    KeyFrames,
    Notice,
    Provisional,
    StreamInfo,
    Unobservable,
    readonly,
)


class SyntheticSource:
    """A synthetic stream as a source: what a camera would give, without a file between."""

    def __init__(self, stream: SyntheticStream) -> None:
        plan = stream.plan
        self._stream = stream
        self.info = StreamInfo(
            f"synthetic:{plan.identity.name}:{plan.seed}", plan.width, plan.height, plan.fps, plan.frames
        )

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self._stream.frames()):
            yield Frame(index, index / self.info.fps, readonly(image))

    def __enter__(self) -> SyntheticSource:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What one stream gave."""

    name: str
    truth: Truth
    spotted: tuple[FacialEvent, ...]
    notices: tuple[Notice, ...] = ()
    unobservable: Mapping[str, float] = field(default_factory=dict)
    """Share of the time, by cause."""
    measured: Measured | None = None
    """What was measured frame by frame, to tell what a false alarm was."""
    by_threshold: Mapping[float, tuple[KeyFrames, ...]] = field(default_factory=dict)
    """Movements that the spotter gives at other thresholds."""
    last_s: float | None = None
    """Time of the last frame; None where the truth's number of frames says how long the stream is."""

    @property
    def seconds(self) -> float:
        """Length of the stream, the last frame's own time included."""
        last_s = (self.truth.frames - 1) / self.truth.fps if self.last_s is None else self.last_s
        return last_s + 1.0 / self.truth.fps

    @property
    def provisional(self) -> tuple[Provisional, ...]:
        """Movements that were told when they had just peaked."""
        return tuple(notice for notice in self.notices if isinstance(notice, Provisional))

    @property
    def stretches(self) -> tuple[Unobservable, ...]:
        """Where nothing could have been seen."""
        return tuple(notice for notice in self.notices if isinstance(notice, Unobservable))


@dataclass(frozen=True, slots=True)
class Case:
    """A stream with truth: a plan to render, a video with its truth beside it, or one of a dataset."""

    name: str
    plan: StreamPlan | None = None
    video: Path | None = None
    annotations: tuple[Annotation, ...] = ()
    """What is coded in `video`, where it is of a dataset."""

    def open(self) -> tuple[FrameSource, Truth]:
        """The stream and its truth. Raises what its reader raises."""
        if self.plan is not None:
            stream = SyntheticStream(self.plan)
            return SyntheticSource(stream), stream.truth
        assert self.video is not None
        if self.annotations:
            source = open_source(self.video, fps=self.annotations[0].fps)
            return source, _truth(source.info, self.annotations)
        return open_source(self.video), Truth.load(self.video.with_suffix(".json"))


def dataset_cases(selected: Selected) -> list[Case]:
    """One case per annotated video of a dataset. Raises DataError where none of its clips can be used."""
    corpus = selected.dataset.load(selected.root, selected.frames)
    videos: defaultdict[Path, list[Annotation]] = defaultdict(list)
    for annotation in corpus.annotations:
        videos[annotation.path].append(annotation)
    return [Case(path.name, video=path, annotations=tuple(videos[path])) for path in sorted(videos)]


def run_case(
    case: Case,
    recognizer: Recognizer | None,
    config: PipelineConfig | None = None,
    thresholds: Sequence[float] = (),
) -> StreamResult:
    """Drive the live route over one stream; further `thresholds` see the same motion."""
    source, truth = case.open()
    return run_source(case.name, source, truth, recognizer, config, thresholds)


def run_source(
    name: str,
    source: FrameSource,
    truth: Truth,
    recognizer: Recognizer | None = None,
    config: PipelineConfig | None = None,
    thresholds: Sequence[float] = (),
) -> StreamResult:
    """Drive the live route over an open source, which is closed at the end."""
    config = replace(config or PipelineConfig(), provisional=True)
    spotted: list[FacialEvent] = []
    notices: list[Notice] = []
    frames, bank = MeasuredFrames(), Bank(config, thresholds)
    count, last_s = 0, 0.0
    with source, Pipeline(config, recognizer) as pipeline:
        for frame in source:
            spotted += pipeline.push(frame)
            notices += pipeline.notices
            frames.push(pipeline.observation)
            last_s = frame.time_s if isinstance(frame, Frame) else last_s
            bank.push(pipeline.observations)
            count += 1
        spotted += pipeline.flush()
        notices += pipeline.notices
        return StreamResult(
            name,
            replace(truth, frames=count),
            tuple(spotted),
            tuple(notices),
            pipeline.unobservable,
            frames.done(),
            bank.done(),
            last_s,
        )


def _truth(info: StreamInfo, annotations: Sequence[Annotation]) -> Truth:
    return Truth(
        fps=info.fps,
        frames=info.frame_count or 1,
        width=info.width,
        height=info.height,
        seed=0,
        identity=annotations[0].subject,
        events=tuple(sorted((_event(a) for a in annotations), key=lambda event: event.onset_s)),
        confounders=(),
    )


def _event(annotation: Annotation) -> TrueEvent:
    index, fps = annotation.index, annotation.fps
    apex = (index.onset + index.offset) // 2 if index.apex is None else index.apex
    return TrueEvent(
        kind="micro_expression" if annotation.kind == "micro" else "macro_expression",
        label=_label(annotation),
        onset_s=index.onset / fps,
        apex_s=apex / fps,
        offset_s=index.offset / fps,
        onset_frame=index.onset,
        apex_frame=apex,
        offset_frame=index.offset,
        action_units=annotation.action_units,
        side="both",
        amplitude_percent=0.0,
    )


def _label(annotation: Annotation) -> str | None:
    """The class of the MEGC protocol, or the emotion as coded, or None."""
    try:
        label = protocol("megc-3").label(annotation)
    except DataError:
        return annotation.emotion
    return label if label in MEGC_CLASSES else annotation.emotion
