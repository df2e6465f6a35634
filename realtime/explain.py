"""What a decision rested on: regions of the face and blocks of features, by occlusion.

Each is taken away in turn, and the label's probability looked at again (Zeiler & Fergus 2014).
What is found is what the recogniser used, not what the person felt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import MappingProxyType
from typing import Protocol

import numpy as np

from realtime.features.spec import BLOCKS, FACE_SIZE
from realtime.geometry import REGION_NAMES, REGIONS, unit_grid
from realtime.types import F32, F64, Explanation, KeyFrameEvidence, readonly

_REACH = 1.5
"""Width of a mask in widths of its region: what a region moves spreads into the skin around it."""


class Explainable(Protocol):
    """What is asked of a recogniser."""

    def features(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """float64 (n, features), in the order of `FEATURE_NAMES`."""

    def from_features(self, features: F64) -> F64:
        """Probabilities, float64 (n, classes); NaN in a block that is not known."""


def explain(recognizer: Explainable, evidence: KeyFrameEvidence) -> Explanation:
    """What each region of the face, and each block of features, is worth to the label.

    A region's worth is the mean of two changes of the label's probability: its fall when the region is
    kept at rest (see `still`), and its rise when the region alone moves, compared with a face that does
    not. The first alone misses movements of both sides, as one side will do; they are the two ends of
    a Shapley value (Shapley 1953). A block's worth is the fall when its features are unknown, which
    the recogniser takes for their means.

    All copies go through the network together.
    """
    masks = region_masks()
    count = len(masks)
    everywhere = np.ones_like(masks[0])
    copies = [still(evidence, mask) for mask in (*masks, *(everywhere - mask for mask in masks), everywhere)]
    features = recognizer.features([evidence, *copies])
    whole = features[0]
    blocks = {name: block for name, block in BLOCKS.items() if np.isfinite(whole[block]).any()}
    without = np.repeat(whole[None], len(blocks), axis=0)
    for row, block in zip(without, blocks.values(), strict=True):
        row[block] = np.nan
    probabilities = recognizer.from_features(np.concatenate([features, without]))
    p = probabilities[:, int(probabilities[0].argmax())]
    kept, alone, nothing = p[1 : count + 1], p[count + 1 : 2 * count + 1], p[2 * count + 1]
    regions = ((p[0] - kept) + (alone - nothing)) / 2.0
    return Explanation(
        regions=MappingProxyType(dict(zip(REGION_NAMES, regions.tolist(), strict=True))),
        blocks=MappingProxyType(dict(zip(blocks, (p[0] - p[2 * count + 2 :]).tolist(), strict=True))),
    )


def still(evidence: KeyFrameEvidence, mask: F32) -> KeyFrameEvidence:
    """The same movement with the masked skin at rest.

    There the flow becomes each field's median, which is what the head did, and the later frames show
    what the onset shows.

    Args:
        evidence: a movement; not changed.
        mask: float32 (64, 64), 0 (as it is) .. 1 (at rest).
    """
    flows = evidence.flows
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
