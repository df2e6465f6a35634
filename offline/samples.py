"""Labelled evidence: what the recogniser is trained and evaluated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from offline.evidence_cache import Arrays, EvidenceCache
from offline.synthesis.direct import make_flow_set
from offline.synthesis.recipes import FOUR_CLASSES, MEGC_CLASSES
from realtime.errors import DataError, UsageError
from realtime.features.key_flow import evidence_from_faces
from realtime.features.spec import AU_NAMES, FACE_SIZE
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y
from realtime.types import F32, F64, U8, KeyFrameEvidence, readonly

Index = NDArray[np.intp]

SYNTHETIC = "synthetic"

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "four": FOUR_CLASSES,
    "casme2-4": FOUR_CLASSES,
    "megc-3": MEGC_CLASSES,
}
"""Label protocol whose classes can be synthesised → its classes, in the order of the probabilities."""

FOUR_TO_MEGC: dict[str, str] = {
    "happiness": "positive",
    "surprise": "surprise",
    "disgust": "negative",
    "repression": "negative",
}
"""The four default classes in the three of the MEGC 2019 composite (See et al. 2019)."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleSet:
    """Evidence of n movements with their labels; arrays are read-only."""

    flows: F32
    """(n, 3, 2, 64, 64): as `KeyFrameEvidence.flows`; NaN where a field is not known."""
    frames: U8
    """(m, 3, 64, 64, 3) RGB: the key frames of those samples that have any."""
    frame_rows: Index
    """(n,): row of each sample in `frames`, or −1."""
    labels: Index
    """(n,): index into `classes`."""
    classes: tuple[str, ...]
    subjects: tuple[str, ...]
    """Person of each sample: samples of one person never lie on both sides of a split."""
    datasets: tuple[str, ...]
    """Name of the dataset that each sample is from, `SYNTHETIC` where it was made here."""
    action_units: F32
    """(n, 13, 2): 1 where an action unit of `AU_NAMES` moves on the person's left, right; NaN: not known."""

    def __len__(self) -> int:
        return len(self.labels)

    def evidence(self, index: int) -> KeyFrameEvidence:
        """What the recogniser would be handed for one sample."""
        row = int(self.frame_rows[index])
        return KeyFrameEvidence(frames=self.frames[row] if row >= 0 else None, flows=self.flows[index])

    def subset(self, indices: Iterable[int]) -> SampleSet:
        """The samples at the given indices, in that order."""
        chosen = np.asarray(list(indices), dtype=np.intp)
        rows = self.frame_rows[chosen]
        present = rows >= 0
        new_rows = np.where(present, np.cumsum(present) - 1, -1).astype(np.intp)
        return SampleSet(
            flows=readonly(self.flows[chosen]),
            frames=readonly(self.frames[rows[present]]),
            frame_rows=readonly(new_rows),
            labels=readonly(self.labels[chosen]),
            classes=self.classes,
            subjects=tuple(self.subjects[i] for i in chosen),
            datasets=tuple(self.datasets[i] for i in chosen),
            action_units=readonly(self.action_units[chosen]),
        )

    def flow_only(self) -> SampleSet:
        """The same samples as if only the flow onset→apex were known."""
        flows = self.flows.copy()
        flows[:, 1:] = np.nan
        return sample_set(
            flows,
            self.labels,
            self.classes,
            self.subjects,
            datasets=self.datasets,
            action_units=self.action_units,
        )

    def has_more_than_flow(self) -> NDArray[np.bool_]:
        """(n,) bool: samples that `flow_only` would take something from."""
        whole: NDArray[np.bool_] = np.isfinite(self.flows[:, 1:]).all(axis=(1, 2, 3, 4))
        return whole | (self.frame_rows >= 0)


def sample_set(
    flows: F32,
    labels: Sequence[int] | Index,
    classes: Sequence[str],
    subjects: Sequence[str],
    frames: U8 | None = None,
    datasets: Sequence[str] | None = None,
    action_units: F32 | None = None,
) -> SampleSet:
    """Put a `SampleSet` together; `frames` is (n, 3, 64, 64, 3) or None for none at all.

    `datasets` None stands for synthetic samples, `action_units` None for unknown ones. Raises DataError
    where the lengths disagree or the set is empty.
    """
    count = len(flows)
    if datasets is None:
        datasets = (SYNTHETIC,) * count
    if action_units is None:
        action_units = np.full((count, len(AU_NAMES), 2), np.nan, dtype=np.float32)
    lengths = {len(labels), len(subjects), len(datasets), len(action_units)}
    lengths.add(count if frames is None else len(frames))
    if not count or lengths != {count}:
        raise DataError("a sample set needs as many labels and subjects as flow fields, and at least one")
    rows = np.arange(count, dtype=np.intp) if frames is not None else np.full(count, -1, dtype=np.intp)
    if frames is None:
        frames = np.empty((0, 3, FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    return SampleSet(
        flows=readonly(np.asarray(flows, dtype=np.float32)),
        frames=readonly(frames),
        frame_rows=readonly(rows),
        labels=readonly(np.array(labels, dtype=np.intp)),
        classes=tuple(classes),
        subjects=tuple(subjects),
        datasets=tuple(datasets),
        action_units=readonly(np.asarray(action_units, dtype=np.float32)),
    )


def joined(sets: Sequence[SampleSet]) -> SampleSet:
    """One set of several with the same classes. Raises DataError where the classes differ."""
    if not sets or any(item.classes != sets[0].classes for item in sets):
        raise DataError("sample sets with different classes cannot be joined")
    starts = np.cumsum([0, *(len(item.frames) for item in sets)])
    rows = [
        np.where(item.frame_rows >= 0, item.frame_rows + start, -1)
        for item, start in zip(sets, starts[:-1], strict=True)
    ]
    return SampleSet(
        flows=readonly(np.concatenate([item.flows for item in sets])),
        frames=readonly(np.concatenate([item.frames for item in sets])),
        frame_rows=readonly(np.concatenate(rows).astype(np.intp)),
        labels=readonly(np.concatenate([item.labels for item in sets])),
        classes=sets[0].classes,
        subjects=tuple(subject for item in sets for subject in item.subjects),
        datasets=tuple(dataset for item in sets for dataset in item.datasets),
        action_units=readonly(np.concatenate([item.action_units for item in sets])),
    )


def crop_flow_to_face(flows: F32) -> F32:
    """Flow in pixels of a squared face crop → a common unit of the face: v stretched to the scale of u.

    `flows` is (..., 2, H, W); squared crops show a face unit shorter downwards than across.
    """
    ratio = np.array([1.0, EYE_DISTANCE / FACE_UNIT_Y], dtype=np.float32)
    return np.asarray(flows * ratio[:, None, None], dtype=np.float32)


def direct_samples(
    count: int, seed: int, classes: Sequence[str], subjects: int | None = None, as_measured: bool = False
) -> SampleSet:
    """Synthetic samples without pictures: three flow fields each, drawn directly, as of `make_flow_set`."""
    drawn = make_flow_set(seed, count, classes, subjects, three=True, as_measured=as_measured)
    labels = [tuple(classes).index(label) for label in drawn.labels]
    flows = crop_flow_to_face(drawn.flows)
    return sample_set(flows, labels, classes, drawn.subjects, action_units=drawn.action_units)


def rendered_samples(
    identities: Sequence[int],
    per_identity: int,
    seed: int,
    classes: Sequence[str],
    cache: EvidenceCache | None = None,
) -> SampleSet:
    """Synthetic samples with pictures: key frames of rendered faces, measured as the live route does.

    `per_identity` samples of each identity, the classes in turn. Raises OutputError for the cache.
    """
    cache = cache or EvidenceCache()
    like = {"frames": "uint8", "flows": "float32", "action_units": "float32"}
    parts = []
    for number in identities:
        labels = [(index + number) % len(classes) for index in range(per_identity)]
        names = [classes[label] for label in labels]
        about = {"rendered": [number, seed, names]}
        arrays = cache.get(about, partial(_render_identity, number, seed, names), like)
        subjects = (f"identity-{number:04d}",) * per_identity
        frames, units = arrays["frames"], arrays["action_units"]
        parts.append(sample_set(arrays["flows"], labels, classes, subjects, frames, action_units=units))
    return joined(parts)


def _render_identity(number: int, seed: int, labels: Sequence[str]) -> Arrays:
    """Key frames, flows and action units of one identity, one of each label: as in a `SampleSet`."""
    from offline.synthesis.fields import draw_expression, unit_targets
    from offline.synthesis.identities import make_identity
    from offline.synthesis.keyframes import render_key_frames

    identity = make_identity(number)
    frames, flows, units = [], [], []
    for index, label in enumerate(labels):
        rng = np.random.default_rng([seed, 5, number, index])
        expression = draw_expression(rng, label)
        faces = render_key_frames(rng, identity, expression)
        evidence = evidence_from_faces(np.ascontiguousarray(faces[..., ::-1]))
        frames.append(evidence.frames)
        flows.append(evidence.flows)
        units.append(unit_targets(expression))
    pictures = np.stack([item for item in frames if item is not None])
    return {"frames": pictures, "flows": np.stack(flows), "action_units": np.stack(units)}


def protocol_classes(protocol: str) -> tuple[str, ...]:
    """Classes of a protocol for synthetic samples. Raises UsageError for one that has no recipe."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"no synthetic samples of protocol {protocol!r}: use {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def mapped_probabilities(probabilities: F64, classes: tuple[str, ...], wanted: tuple[str, ...]) -> F64:
    """Probabilities of `classes` summed into `wanted`: float64 (n, wanted). Raises UsageError."""
    names = [name if name in wanted else FOUR_TO_MEGC.get(name, "") for name in classes]
    if set(names) != set(wanted):
        raise UsageError(f"a model of {', '.join(classes)} cannot be scored on {', '.join(wanted)}")
    table = np.array([[float(name == target) for target in wanted] for name in names])
    return np.asarray(probabilities @ table)
