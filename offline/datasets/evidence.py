"""Evidence of annotated clips, from key frames as they are annotated or as the live route finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np
from tqdm import tqdm

from offline.datasets.clips import Clip, clip_evidence
from offline.datasets.corpus import LeftOut
from offline.datasets.spotted import LEAD_S, TAIL_S, detected_key_frames, spotted_apex
from offline.evidence_cache import Arrays, EvidenceCache, file_id
from offline.samples import SampleSet, sample_set
from realtime.errors import DataError, SourceError
from realtime.faces import FaceTracker
from realtime.types import F64

if TYPE_CHECKING:
    from realtime.pipeline import Pipeline

KeyFrameChoice = Literal["annotated", "detected"]

_LIKE = {"frames": "uint8", "flows": "float32", "overlap": "float64"}


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredClips:
    """Samples of those clips that can be measured."""

    samples: SampleSet | None
    """None where not one can be."""
    overlaps: F64
    """(n,) of each sample: intersection over union, in frames, of the movement that was found with the
    annotated one; 1 for annotated key frames, 0 where nothing was found."""
    left_out: tuple[LeftOut, ...]


class ClipMeter:
    """Measures clips one after the other.

    With detected key frames, a clip in which nothing is found is no less a clip: its evidence is that of
    a face that does not move, so that its label is a guess, and counts.
    """

    def __init__(
        self,
        keyframes: KeyFrameChoice = "annotated",
        cache: EvidenceCache | None = None,
        *,
        spot_apex: bool = False,
    ) -> None:
        """`spot_apex`: look for the apex of clips that have none, unless all key frames are detected."""
        self._keyframes, self._spot_apex = keyframes, spot_apex
        self._cache = cache or EvidenceCache()
        self._tracker: FaceTracker | None = None
        self._pipeline: Pipeline | None = None

    def measure(self, clip: Clip) -> Arrays:
        """Arrays of a clip: frames (3, 64, 64, 3), flows (3, 2, 64, 64) and overlap () as `MeasuredClips`.

        Raises DataError, SourceError as `clip_evidence`; OutputError where the cache cannot be written.
        """
        about = {
            "files": file_id(clip.path),
            "fps": clip.fps,
            "key_frames": [clip.onset, clip.apex if self._keyframes == "annotated" else None, clip.offset],
            "keyframes": [self._keyframes, LEAD_S, TAIL_S],
        }
        return self._cache.get(about, lambda: self._measure(clip), _LIKE)

    def _measure(self, clip: Clip) -> Arrays:
        overlap = 1.0
        if self._keyframes == "detected":
            clip, overlap = self._detect(clip)
        elif clip.apex is None and self._spot_apex:
            apex = spotted_apex(clip.path, clip.fps, clip.onset, clip.offset, self._route())
            clip = replace(clip, apex=apex)
        if self._tracker is None:
            self._tracker = FaceTracker()
        evidence = clip_evidence(clip, self._tracker)
        assert evidence.frames is not None
        flows = evidence.flows if overlap > 0.0 else np.zeros_like(evidence.flows)
        return {"frames": evidence.frames, "flows": flows, "overlap": np.array(overlap)}

    def _detect(self, clip: Clip) -> tuple[Clip, float]:
        """The clip with the key frames that are found, or standing still, and the overlap."""
        keys, overlap = detected_key_frames(clip, self._route())
        if keys is None:
            return replace(clip, apex=clip.onset, offset=clip.onset), overlap
        found = replace(clip, onset=keys.onset_frame, apex=keys.apex_frame, offset=keys.offset_frame)
        return found, overlap

    def _route(self) -> Pipeline:
        if self._pipeline is None:
            from realtime.pipeline import Pipeline

            self._pipeline = Pipeline()
        return self._pipeline

    def __enter__(self) -> ClipMeter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for model in (self._tracker, self._pipeline):
            if model is not None:
                model.close()


def measure_clips(
    clips: Sequence[Clip],
    classes: Sequence[str],
    keyframes: KeyFrameChoice = "annotated",
    cache: EvidenceCache | None = None,
    *,
    spot_apex: bool = False,
) -> MeasuredClips:
    """Evidence of every clip whose label is one of `classes`; the rest is left out with the reason.

    `spot_apex` as in `ClipMeter`.

    Raises OutputError where the cache cannot be written.
    """
    measured: list[tuple[Clip, Arrays]] = []
    left_out: list[LeftOut] = []
    with ClipMeter(keyframes, cache, spot_apex=spot_apex) as meter:
        for clip in tqdm(clips, unit="clip", disable=None):
            try:
                if clip.label not in classes:
                    raise DataError(f"label '{clip.label}' is none of {', '.join(classes)}")
                measured.append((clip, meter.measure(clip)))
            except (DataError, SourceError) as error:
                left_out.append(LeftOut(clip.dataset, clip.subject, clip.name, clip.where, str(error)))
    return MeasuredClips(
        _samples(measured, classes) if measured else None,
        np.array([float(arrays["overlap"]) for _, arrays in measured]),
        tuple(left_out),
    )


def _samples(measured: Sequence[tuple[Clip, Arrays]], classes: Sequence[str]) -> SampleSet:
    return sample_set(
        np.stack([arrays["flows"] for _, arrays in measured]),
        [list(classes).index(clip.label) for clip, _ in measured],
        classes,
        [clip.subject for clip, _ in measured],
        np.stack([arrays["frames"] for _, arrays in measured]),
        [clip.dataset for clip, _ in measured],
    )
