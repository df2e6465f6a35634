"""How well the live route spots: the SAME pipeline over streams whose truth is known.

Figures follow the MEGC spotting protocol: a spotted interval is right where its intersection over
union with a true one is at least 0.5; F1 comes from the pooled counts; recognition is scored on the
true positives, and STRS is the product of the two F1 (Li et al., MEGC 2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.metrics import apex_errors, pooled_spotting, score_recognition, score_spotting
from offline.synthesis.stream import StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from realtime.pipeline import Pipeline
from realtime.process import events
from realtime.recognition import Recognizer
from realtime.sources import open_source
from realtime.types import EventKind, FacialEvent, Frame, FrameSource, StreamInfo, readonly

KINDS: tuple[EventKind, ...] = ("micro_expression", "macro_expression")
VIDEO_ENDINGS = (".mkv", ".mp4", ".avi")


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


@dataclass(frozen=True, slots=True)
class Case:
    """A stream with truth: a plan to render, or a video file with its truth beside it."""

    name: str
    plan: StreamPlan | None = None
    video: Path | None = None

    def open(self) -> tuple[FrameSource, Truth]:
        if self.plan is not None:
            stream = SyntheticStream(self.plan)
            return SyntheticSource(stream), stream.truth
        assert self.video is not None
        return open_source(self.video), Truth.load(self.video.with_suffix(".json"))


def run_case(case: Case, recognizer: Recognizer | None) -> StreamResult:
    """Drive the live route over one stream."""
    source, truth = case.open()
    with source, Pipeline(recognizer=recognizer) as pipeline:
        return StreamResult(case.name, truth, tuple(events(source, pipeline)))


def evaluate(results: Sequence[StreamResult], classes: Sequence[str]) -> dict[str, Any]:
    """All figures of a set of streams, JSON-ready. Times in ms of stream time."""
    figures: dict[str, Any] = {kind: _spotting(results, kind) for kind in KINDS}
    figures["both"] = _spotting(results, None)
    seconds = sum(r.truth.frames / r.truth.fps for r in results)
    causes = Counter(cause for r in results for cause in _false_alarms(r))
    figures["seconds"] = seconds
    figures["false_alarms_per_minute"] = sum(causes.values()) / seconds * 60.0 if seconds else None
    figures["false_alarm_causes"] = dict(sorted(causes.items()))
    figures["recognition"] = recognition = _recognition(results, classes)
    if recognition:
        figures["strs"] = figures["micro_expression"]["f1"] * recognition["uf1"]
    return figures


def _split(result: StreamResult, kind: EventKind | None) -> tuple[list[Any], list[FacialEvent]]:
    true = [event for event in result.truth.events if kind in (None, event.kind)]
    spotted = [event for event in result.spotted if kind in (None, event.kind)]
    return true, spotted


def _score(true: Sequence[Any], spotted: Sequence[FacialEvent]) -> Any:
    return score_spotting(
        [(t.onset_s, t.offset_s) for t in true],
        [(s.key_frames.onset_s, s.key_frames.offset_s) for s in spotted],
    )


def _spotting(results: Sequence[StreamResult], kind: EventKind | None) -> dict[str, Any]:
    scores, after_apex, after_offset = [], [], []
    errors: list[float] = []
    for result in results:
        true, spotted = _split(result, kind)
        score = _score(true, spotted)
        scores.append(score)
        errors.extend(
            apex_errors([t.apex_s for t in true], [s.key_frames.apex_s for s in spotted], score) * 1e3
        )
        for i, j in score.matches:
            decided_s = spotted[j].key_frames.decided_s
            after_apex.append((decided_s - true[i].apex_s) * 1e3)
            after_offset.append((decided_s - true[i].offset_s) * 1e3)
    pooled = pooled_spotting(scores)
    return {
        "true_positives": pooled.true_positives,
        "false_positives": pooled.false_positives,
        "false_negatives": pooled.false_negatives,
        "precision": pooled.precision,
        "recall": pooled.recall,
        "f1": pooled.f1,
        "apex_error_ms": _quantiles(np.abs(errors)),
        "decided_after_apex_ms": _quantiles(after_apex),
        "decided_after_offset_ms": _quantiles(after_offset),
    }


def _quantiles(values: Any) -> dict[str, float] | None:
    """Median and 95th percentile; None where there is nothing."""
    if len(values) == 0:
        return None
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95))}


def _false_alarms(result: StreamResult) -> list[str]:
    """For each spotted micro-expression that is none: what happened there."""
    true, spotted = _split(result, "micro_expression")
    matched = {j for _, j in _score(true, spotted).matches}
    return [_cause(result.truth, s) for j, s in enumerate(spotted) if j not in matched]


def _cause(truth: Truth, event: FacialEvent) -> str:
    keys = event.key_frames
    happenings = [(c.kind, c.from_s, c.to_s) for c in truth.confounders]
    happenings += [(t.kind, t.onset_s, t.offset_s) for t in truth.events]
    for kind, start_s, end_s in happenings:
        if start_s - 0.1 < keys.offset_s and end_s + 0.1 > keys.onset_s:
            return "imprecise times" if kind == "micro_expression" else kind
    return "nothing known"


def _recognition(results: Sequence[StreamResult], classes: Sequence[str]) -> dict[str, Any] | None:
    """Recognition on the true positives; None where nothing was labelled."""
    true_labels, found_labels = [], []
    for result in results:
        true, spotted = _split(result, "micro_expression")
        for i, j in _score(true, spotted).matches:
            label = spotted[j].label
            if label in classes and true[i].label in classes:
                true_labels.append(classes.index(true[i].label))
                found_labels.append(classes.index(label))
    if not true_labels:
        return None
    return {"classes": list(classes), **score_recognition(true_labels, found_labels, classes).as_dict()}
