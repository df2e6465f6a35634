"""Fits a recogniser: the committee of networks first, then the SVM and the fusion of all scores.

Every member of the committee leaves out a part of the subjects. So each sample has scores of a network
that never saw its person, at no extra cost, and the probabilities are calibrated on these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offline.member_training import Curve, fit_member, frame_tensor, single_thread
from offline.network import GlimpseNet, Member
from offline.prior import fit_prior
from offline.samples import SampleSet, joined
from offline.stacking import Stack, fit_scorer, fit_units
from offline.svm_fitting import folds
from offline.timing import part
from offline.training_settings import EpochRecord, TrainingSettings
from realtime.errors import ConfigError, DataError
from realtime.features.extract import handcrafted
from realtime.features.normalise import normalise_flow
from realtime.features.spec import BLOCKS, FEATURE_NAMES
from realtime.fusion import Scorer
from realtime.types import F64

_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class NetworkOutput:
    """What the network gives for n samples."""

    features: F64
    """(n, 128)"""
    scores: F64
    """(n, 2, classes): mean logits of the members, and the prior's."""
    units: F64
    """(n, 13, 2): logits of the action units, left and right."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A fitted recogniser, still in torch."""

    network: GlimpseNet
    scorer: Scorer
    """SVM, fusion and calibration, as the bundle will hold them."""
    classes: tuple[str, ...]
    settings: TrainingSettings
    curve: Curve
    svm_choice: dict[str, float]
    """What was chosen and fitted, and the log loss on subjects that nothing had seen."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetworks:
    """The networks of a recogniser, and what they say of samples whose subjects they had not seen."""

    network: GlimpseNet
    classes: tuple[str, ...]
    curve: Curve
    views: SampleSet
    """What SVM and fusion are fitted on, as `svm_views` gives it."""
    stack: Stack
    """Features and honest scores of the views."""
    units: F64
    """(n, 13, 2): honest logits of the views' action units."""


def train(samples: SampleSet, settings: TrainingSettings) -> TrainedModel:
    """Fit network, SVM and fusion on one set; the same samples and settings give the same model.

    Raises DataError where a class has fewer than two samples, ConfigError for settings that do not suit
    the classes.
    """
    return add_scorer(fit_networks(samples, settings), settings)


def fit_networks(samples: SampleSet, settings: TrainingSettings) -> FittedNetworks:
    """The first half of `train`. Raises as it does."""
    require_two_of_each(samples)
    if settings.class_shares and len(settings.class_shares) != len(samples.classes):
        raise ConfigError(
            f"class_shares must be {len(samples.classes)} numbers: {', '.join(samples.classes)}"
        )
    if settings.network.members < 2:
        raise ConfigError("network.members is 1: 2 or more judge the samples that each has not seen")
    with single_thread():
        splits = folds(samples, settings.network.members, settings.seed)
        members, curve = fit_committee(samples, settings, splits)
        prior = fit_prior(samples.classes, settings)
        own_units = bool(np.isfinite(samples.action_units).any())
        network = GlimpseNet(members, prior, settings.network, own_units).eval()
        views, origin = svm_views(samples, settings)
        fold = np.zeros(len(samples), dtype=np.intp)
        for index, (_, out) in enumerate(splits):
            fold[out] = index
        honest = _unseen_output(network, settings, views, fold[origin], len(splits))
    stack = Stack(
        with_handcrafted(honest.features, views),
        honest.scores,
        views.labels,
        fold[origin],
        _importance(views, settings),
    )
    return FittedNetworks(network, samples.classes, curve, views, stack, honest.units)


def add_scorer(
    fitted: FittedNetworks, settings: TrainingSettings, active: NDArray[np.bool_] | None = None
) -> TrainedModel:
    """The second half of `train`: SVM, fusion and calibration.

    `active`: (224,), what the SVM sees; None: `active_features`.
    """
    network, views, stack = fitted.network, fitted.views, fitted.stack
    active = active_features(settings, network) if active is None else active
    scorer, choice = fit_scorer(stack, active, settings.svm)
    scorer = replace(scorer, fusion=scorer.fusion.softened(settings.temperature))
    if _has_units(network):
        scorer = replace(scorer, units=fit_units(fitted.units, views.action_units.astype(np.float64)))
    return TrainedModel(network, scorer, fitted.classes, settings, fitted.curve, choice)


def require_two_of_each(samples: SampleSet) -> None:
    """Raises DataError where a class has fewer than two samples."""
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    if counts.min() < 2:
        name = samples.classes[int(np.argmin(counts))]
        raise DataError(
            f"class {name!r} has {counts.min()} sample(s) to train on: every class needs two or more"
        )


@part("network")
def fit_committee(
    samples: SampleSet, settings: TrainingSettings, splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> tuple[list[Member], Curve]:
    """Member k is fitted without the test part of split k (modulo the number of splits)."""
    members, curves = [], []
    for index in range(settings.network.members):
        known = samples.subset(splits[index % len(splits)][0])
        member, curve = fit_member(
            known, settings, settings.seed * 1000 + index, settings.network.member_features
        )
        members.append(member)
        curves.append(curve)
    return members, mean_curve(curves)


def mean_curve(curves: list[Curve]) -> Curve:
    """Mean of curves of equal length."""
    return tuple(
        EpochRecord(
            records[0].epoch,
            float(np.mean([record.loss for record in records])),
            float(np.mean([record.accuracy for record in records])),
        )
        for records in zip(*curves, strict=True)
    )


@part("features")
def network_output(network: GlimpseNet, samples: SampleSet) -> NetworkOutput:
    """All outputs of the network for every sample."""
    parts = []
    with torch.no_grad():
        for inputs in _batches(network, samples):
            parts.append([item.numpy().astype(np.float64) for item in network(*inputs)])
    return NetworkOutput(*(np.concatenate(items) for items in zip(*parts, strict=True)))


def _batches(network: GlimpseNet, samples: SampleSet) -> list[tuple[Tensor, Tensor]]:
    """Inputs in batches; what is known of no sample of a batch is left out, as it counts for nothing."""
    out = []
    for start in range(0, len(samples), _AT_ONCE):
        indices = np.arange(start, min(start + _AT_ONCE, len(samples)), dtype=np.intp)
        fields = samples.flows[indices]
        if not np.isfinite(fields[:, 1:]).any():
            fields = fields[:, :1]
        out.append((frame_tensor(samples, indices), torch.from_numpy(normalise_flow(fields))))
    return out


def _unseen_output(
    network: GlimpseNet, settings: TrainingSettings, views: SampleSet, fold: NDArray[np.intp], parts: int
) -> NetworkOutput:
    """As `network_output`, each sample's scores being those of the members that had not seen its person.

    Members' own features stay 0: nothing honest can be fitted on what they have learned by heart.
    """
    whole = network_output(network, views)
    features, scores, units = whole.features.copy(), whole.scores.copy(), whole.units.copy()
    if not settings.network.coarse:
        features[:, : settings.network.own_features] = 0.0
    for left_out in range(parts):
        mine = np.flatnonzero(fold == left_out)
        blind = network.only(index for index in range(len(network.members)) if index % parts == left_out)
        if len(mine):
            found = network_output(blind, views.subset(mine))
            scores[mine], units[mine] = found.scores, found.units
    return NetworkOutput(features, scores, units)


def predict(model: TrainedModel, samples: SampleSet) -> F64:
    """Calibrated probabilities of every sample: float64 (n, classes)."""
    found = network_output(model.network, samples)
    return model.scorer.probabilities(found.scores, with_handcrafted(found.features, samples))


@part("features")
def with_handcrafted(cnn: F64, samples: SampleSet) -> F64:
    """The 224 features of every sample: float64 (n, 224), NaN where a modality is missing."""
    by_hand = np.stack([handcrafted(samples.evidence(i)) for i in range(len(samples))])
    return np.asarray(np.concatenate([cnn, by_hand], axis=1), dtype=np.float64)


def active_features(settings: TrainingSettings, network: GlimpseNet) -> NDArray[np.bool_]:
    """(224,): what the SVM sees: of the `cnn` block what no member has learned by heart, and the blocks of
    the settings."""
    active = np.zeros(len(FEATURE_NAMES), dtype=bool)
    own, whole = settings.network.own_features, BLOCKS["cnn"].stop
    active[:own] = settings.network.coarse > 0 and settings.network.flows
    active[own:whole] = network.prior is not None
    for block in settings.svm.blocks:
        active[BLOCKS[block]] = True
    return active


def svm_views(samples: SampleSet, settings: TrainingSettings) -> tuple[SampleSet, NDArray[np.intp]]:
    """What SVM and fusion are fitted on: each drawn sample whole, and once more as its onset→apex flow
    alone; and the index in `samples` that each view is of."""
    richer = np.flatnonzero(samples.has_more_than_flow())
    share = len(samples) / (len(samples) + len(richer))
    limit = int(settings.svm.max_samples * share)
    rng = np.random.default_rng([settings.seed, 3])
    chosen = np.sort(rng.permutation(len(samples))[:limit])
    drawn = samples.subset(chosen)
    also = np.flatnonzero(drawn.has_more_than_flow())
    if not len(also):
        return drawn, chosen
    return joined([drawn, drawn.subset(also).flow_only()]), np.concatenate([chosen, chosen[also]])


def _importance(views: SampleSet, settings: TrainingSettings) -> F64:
    """Weights that give the classes their shares."""
    counts = np.maximum(np.bincount(views.labels, minlength=len(views.classes)), 1)
    shares = np.array(settings.class_shares) if settings.class_shares else np.sqrt(counts)
    return np.asarray((shares / counts)[views.labels])


def _has_units(network: GlimpseNet) -> bool:
    return network.own_units or network.prior is not None
