"""What a decision rested on: regions of the face and blocks of features, by occlusion.

Each is taken away in turn, and the label's probability looked at again (Zeiler & Fergus 2014).
What is found is what the recogniser used, not what the person felt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Protocol

import numpy as np

from realtime.features.spec import FACE_SIZE
from realtime.geometry import REGION_NAMES, REGIONS, unit_grid
from realtime.types import F32, F64, Explanation, KeyFrameEvidence, readonly

_REACH = 1.5
"""Width of a mask in widths of its region: what a region moves spreads into the skin around it."""


class Explainable(Protocol):
    """What is asked of a recogniser."""

    def probabilities(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """float64 (n, classes)."""

    def without_blocks(self, evidence: KeyFrameEvidence) -> Mapping[str, F64]:
        """Block of features that is known → probabilities (classes,) if it were not."""


def explain(recognizer: Explainable, evidence: KeyFrameEvidence) -> Explanation:
    """What each region of the face, and each block of features, is worth to the label.

    A region's worth is the mean of two changes of the label's probability: its fall when the region is
    kept at rest (see `still`), and its rise when the region alone moves, compared with a face that does
    not. The first alone misses movements of both sides, as one side will do; they are the two ends of
    a Shapley value (Shapley 1953). A block's worth is the fall when its features are unknown.

    All copies go through the network together.
    """
    masks = region_masks()
    everywhere = np.ones_like(masks[0])
    rest = np.median(evidence.flows, axis=(-2, -1), keepdims=True)
    shut = (*masks, *(everywhere - mask for mask in masks), everywhere)
    probabilities = recognizer.probabilities([evidence, *(still(evidence, mask, rest) for mask in shut)])
    label = int(probabilities[0].argmax())
    whole, *changed, nothing = probabilities[:, label].tolist()
    resting, alone = changed[: len(masks)], changed[len(masks) :]
    regions = {
        name: ((whole - rest) + (only - nothing)) / 2.0
        for name, rest, only in zip(REGION_NAMES, resting, alone, strict=True)
    }
    without = recognizer.without_blocks(evidence)
    blocks = {name: whole - float(row[label]) for name, row in without.items()}
    return Explanation(regions=MappingProxyType(regions), blocks=MappingProxyType(blocks))


def still(evidence: KeyFrameEvidence, mask: F32, rest: F32 | None = None) -> KeyFrameEvidence:
    """The same movement with the masked skin at rest.

    There the flow becomes each field's median, which is what the head did, and the later frames show
    what the onset shows.

    Args:
        evidence: a movement; not changed.
        mask: float32 (64, 64), 0 (as it is) .. 1 (at rest).
        rest: float32 (3, 2, 1, 1), the medians of its fields, where they are at hand.
    """
    flows = evidence.flows
    if rest is None:
        rest = np.median(flows, axis=(-2, -1), keepdims=True)
    calm = (flows + mask * (rest - flows)).astype(np.float32)
    frames = evidence.frames
    if frames is not None:
        onset, later = frames[:1].astype(np.float32), frames[1:].astype(np.float32)
        later += mask[..., None] * (onset - later)
        frames = readonly(np.concatenate([frames[:1], np.rint(later).astype(np.uint8)]))
    return KeyFrameEvidence(frames=frames, flows=readonly(calm))


@cache
def region_masks() -> tuple[F32, ...]:
    """A Gaussian around every region of `REGIONS`, 1 at its centre: float32 (64, 64) each."""
    x, y = unit_grid(FACE_SIZE)
    masks = []
    for region in REGIONS:
        squared = (x - region.x) ** 2 + (y - region.y) ** 2
        masks.append(readonly(np.exp(-squared / (2.0 * (_REACH * region.sigma) ** 2)).astype(np.float32)))
    return tuple(masks)
