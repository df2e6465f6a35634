"""Which blocks earn their place: the recogniser with each block alone, and with each left out.

The networks are fitted once for each set of branches that is needed; SVM and fusion anew for every variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.comparison import compare
from offline.results import Predictions
from offline.samples import SampleSet, mapped_probabilities
from offline.training import (
    FittedNetworks,
    TrainedModel,
    active_features,
    add_scorer,
    fit_networks,
    predict,
)
from offline.training_settings import TrainingSettings
from realtime.features.spec import BLOCKS as FEATURE_BLOCKS
from realtime.features.spec import HANDCRAFTED_BLOCKS

CNN_BLOCKS = ("cnn-frames", "cnn-flow")
BLOCKS = (*CNN_BLOCKS, *HANDCRAFTED_BLOCKS)
"""Whatever may be on or off."""
OF_PICTURES = frozenset({"cnn-frames", "lbp_top", "hog"})
"""Blocks that need the key frames; the others need the flow alone."""
AS_SET, ALL = "as set", "all"


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A recogniser of some of the blocks, and what it predicts for every set it can say anything about."""

    name: str
    blocks: tuple[str, ...]
    predictions: Mapping[str, Predictions]


def wanted_variants(settings: TrainingSettings) -> dict[str, tuple[str, ...]]:
    """Name → blocks: as the settings have them, all, each alone, and all but each."""
    alone = {f"only {block}": (block,) for block in BLOCKS}
    without = {f"without {block}": tuple(other for other in BLOCKS if other != block) for block in BLOCKS}
    return {AS_SET: blocks_of(settings), ALL: BLOCKS, **alone, **without}


def blocks_of(settings: TrainingSettings) -> tuple[str, ...]:
    """The blocks that the settings turn on, in the order of `BLOCKS`."""
    network = settings.network
    on = {"cnn-frames": network.frames, "cnn-flow": network.flows}
    return tuple(block for block in BLOCKS if on.get(block, block in settings.svm.blocks))


def ablate(
    samples: SampleSet, settings: TrainingSettings, unseen: Mapping[str, SampleSet]
) -> Iterator[Variant]:
    """Fit every variant on the samples and predict sets whose subjects are others, one after the other.

    Args:
        samples: what is learned from; raises as `train` does.
        settings: of all that is not varied.
        unseen: sets to predict by name, with the classes of `samples` or those these can be mapped to.
    """
    networks: dict[tuple[bool, ...], FittedNetworks] = {}
    pictured = np.flatnonzero(samples.frame_rows >= 0)
    for name, blocks in wanted_variants(settings).items():
        branches = tuple(block in blocks for block in CNN_BLOCKS)
        frames, flows = branches if any(branches) else (False, True)
        blind = set(blocks) <= OF_PICTURES  # of samples without pictures it can learn nothing
        if blind and not len(pictured):
            yield Variant(name, blocks, {})
            continue
        varied = _with_branches(settings, frames, flows)
        if (frames, flows, blind) not in networks:
            known = samples.subset(pictured) if blind else samples
            networks[frames, flows, blind] = fit_networks(known, varied)
        model = fit_blocks(networks[frames, flows, blind], varied, blocks)
        found = {view: _predicted(name, model, part) for view, part in unseen.items() if _sees(blocks, part)}
        yield Variant(name, blocks, found)


def fit_blocks(fitted: FittedNetworks, settings: TrainingSettings, blocks: tuple[str, ...]) -> TrainedModel:
    """SVM and fusion on some of the blocks; the networks are what they are, heard or not."""
    by_net, by_flow = any(block in blocks for block in CNN_BLOCKS), "cnn-flow" in blocks
    heard = np.array([by_net, by_flow], dtype=np.float64)
    stack = replace(fitted.stack, scores=fitted.stack.scores * heard[:, None])
    network = fitted.network if by_flow else fitted.network.without_prior()
    by_hand = tuple(block for block in HANDCRAFTED_BLOCKS if block in blocks)
    settings = replace(settings, svm=replace(settings.svm, blocks=by_hand))
    active = active_features(settings, network)
    active[FEATURE_BLOCKS["cnn"]] &= by_flow  # all of it comes from the flow
    return add_scorer(replace(fitted, network=network, stack=stack), settings, active)


def figures(variants: Mapping[str, Variant], rounds: int = 1000) -> dict[str, dict[str, Any]]:
    """Variant → set → UF1, UAR and accuracy, each with its difference to `ALL`, paired, and the difference's
    95 % interval over subjects; JSON-ready."""
    return {
        name: {
            view: _minus_all(variants[ALL].predictions[view], found, rounds)
            for view, found in variant.predictions.items()
        }
        for name, variant in variants.items()
    }


def _minus_all(every: Predictions, found: Predictions, rounds: int) -> dict[str, Any]:
    compared = compare(every, found, rounds=rounds).figures
    return {
        name: {
            "value": figure.second,
            "minus_all": figure.difference,
            "interval_95": [figure.low, figure.high],
        }
        for name, figure in compared.items()
    }


def _with_branches(settings: TrainingSettings, frames: bool, flows: bool) -> TrainingSettings:
    network = replace(settings.network, frames=frames, flows=flows)
    prior = settings.prior if flows else replace(settings.prior, samples=0)
    return replace(settings, network=network, prior=prior)


def _sees(blocks: tuple[str, ...], samples: SampleSet) -> bool:
    """Whether any of the blocks has something to look at in every sample."""
    return bool(set(blocks) - OF_PICTURES) or bool((samples.frame_rows >= 0).all())


def _predicted(name: str, model: TrainedModel, samples: SampleSet) -> Predictions:
    probabilities = mapped_probabilities(predict(model, samples), model.classes, samples.classes)
    predicted: NDArray[np.intp] = probabilities.argmax(axis=1).astype(np.intp)
    return Predictions(
        name, name, samples.classes, samples.subjects, samples.labels, predicted, probabilities
    )
