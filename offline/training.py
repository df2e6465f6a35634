"""Fits a recogniser: the network first, then the calibrated SVM on all 224 features."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from torch import Tensor
from torch.nn import functional

from offline.augment import Augmenter, AugmentSettings
from offline.imbalance import CHOICES, FOCAL_GAMMA, epoch_order
from offline.network import GlimpseNet, NetworkSettings
from offline.samples import SampleSet, joined
from offline.svm_fitting import HeldOut, SvmSettings, check_range, fit_svm, folds
from realtime.errors import ConfigError, DataError
from realtime.features.extract import handcrafted, network_frames
from realtime.features.normalise import normalise_flow
from realtime.types import F32, F64


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that a training run depends on beside its samples."""

    epochs: int = 12
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    imbalance: str = "class_weights"
    """What the network's training does about classes of unequal size: one of `imbalance.CHOICES`."""
    calibration_folds: int = 3
    """Networks fitted besides, each without a part of the subjects, to choose C and γ and to calibrate by;
    0 leaves them out, and the probabilities are then too sure of themselves."""
    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    svm: SvmSettings = field(default_factory=SvmSettings)

    def __post_init__(self) -> None:
        if self.imbalance not in CHOICES:
            raise ConfigError(f"imbalance is {self.imbalance!r}: use one of {', '.join(CHOICES)}")
        check_range("epochs", self.epochs, 1, 10_000)
        check_range("batch", self.batch, 2, 100_000)
        check_range("learning_rate", self.learning_rate, 1e-9, 10.0)
        check_range("weight_decay", self.weight_decay, 0.0, 10.0)
        check_range("label_smoothing", self.label_smoothing, 0.0, 0.9)
        check_range("seed", self.seed, 0, 2**31)
        if self.calibration_folds:
            check_range("calibration_folds", self.calibration_folds, 2, 100)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of the training curve."""

    epoch: int
    """1-based."""
    loss: float
    """Mean class-weighted cross-entropy over the epoch, nats."""
    accuracy: float
    """Share of training samples right, augmented as they were."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A fitted recogniser, still in torch."""

    network: GlimpseNet
    svm: Pipeline
    """scaler → imputer → calibrated RBF SVC, on float64 (n, 224)."""
    classes: tuple[str, ...]
    settings: TrainingSettings
    curve: tuple[EpochRecord, ...]
    svm_choice: dict[str, float]
    """What the grid search chose, and its mean balanced accuracy."""


def train(samples: SampleSet, settings: TrainingSettings) -> TrainedModel:
    """Fit network and SVM on one set; the same samples and settings give the same model.

    Raises DataError where a class has fewer than two samples.
    """
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    if counts.min() < 2:
        name = samples.classes[int(np.argmin(counts))]
        raise DataError(
            f"class {name!r} has {counts.min()} sample(s) to train on: every class needs two or more"
        )
    with single_thread():
        network, curve = fit_network(samples, settings)
        views = svm_views(samples, settings)
        features = all_features(network, views)
        held_out = held_out_features(samples, settings) if settings.calibration_folds else []
    svm, choice = fit_svm(features, views, settings.svm, settings.seed, held_out)
    return TrainedModel(network, svm, samples.classes, settings, curve, choice)


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread: sums over several depend on their number, and so would the model."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fit_network(samples: SampleSet, settings: TrainingSettings) -> tuple[GlimpseNet, tuple[EpochRecord, ...]]:
    """Train the network with Adam and a cosine schedule; returns it in evaluation mode."""
    torch.manual_seed(settings.seed)
    network = GlimpseNet(len(samples.classes), settings.network)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs)
    augmenter = Augmenter(settings.augment, settings.seed + 1)
    rng = np.random.default_rng(settings.seed)
    flows = training_flows(samples)
    weights = class_weights(samples)
    if settings.imbalance == "oversampling":
        weights = torch.ones_like(weights)
    gamma = FOCAL_GAMMA if settings.imbalance == "focal" else 0.0
    curve = []
    for epoch in range(settings.epochs):
        network.train()
        losses, right = 0.0, 0
        order = epoch_order(rng, samples.labels, settings.imbalance)
        for batch in np.array_split(order, max(len(order) // settings.batch, 1)):
            labels = torch.from_numpy(samples.labels[batch])
            inputs = augmenter(_half_size(frame_tensor(samples, batch)), flows[torch.from_numpy(batch)])
            logits = network.expanded(*inputs)
            loss = expanded_loss(logits, labels, weights, settings.label_smoothing, gamma)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses += float(loss.detach()) * len(batch)
            right += int((logits.detach().mean(dim=1).argmax(dim=1) == labels).sum())
        schedule.step()
        curve.append(EpochRecord(epoch + 1, losses / len(order), right / len(order)))
    return network.eval(), tuple(curve)


def training_flows(samples: SampleSet) -> Tensor:
    """Normalised flow at half the resolution, which the network averages down further anyway.

    float32 (n, 3, 3, 32, 32): augmenting it costs a quarter.
    """
    parts = [
        _half_size(torch.from_numpy(normalise_flow(part)))
        for part in np.array_split(samples.flows, max(len(samples) // 256, 1))
    ]
    return torch.cat(parts)


def _half_size(images: Tensor) -> Tensor:
    halved: Tensor = functional.avg_pool2d(images.flatten(0, 1), 2)
    return halved.reshape(*images.shape[:2], *halved.shape[1:])


def expanded_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float, gamma: float = 0.0
) -> Tensor:
    """Class-weighted cross-entropy of logits (n, 3, classes): every key frame is a sample.

    With γ > 0 each is multiplied by (1 − p)^γ, p being the probability of its class (Lin et al. 2017).
    """
    copies, flat = labels[:, None].expand(-1, logits.shape[1]).reshape(-1), logits.flatten(0, 1)
    if gamma == 0.0:
        return functional.cross_entropy(flat, copies, weight=weights, label_smoothing=smoothing)
    losses = functional.cross_entropy(
        flat, copies, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    missed = 1.0 - flat.softmax(dim=1).gather(1, copies[:, None])[:, 0]
    return (missed**gamma * losses).sum() / weights[copies].sum()


def class_weights(samples: SampleSet) -> Tensor:
    """n / (classes · n_class): float32 (classes,)."""
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    return torch.tensor(len(samples) / (len(counts) * counts), dtype=torch.float32)


def frame_tensor(samples: SampleSet, indices: NDArray[np.intp]) -> Tensor:
    """Key frames as the network sees them: float32 (n, 3, 3, 64, 64), zeros where there are none."""
    rows = samples.frame_rows[indices]
    out = np.zeros((len(indices), 3, 3, *samples.flows.shape[-2:]), dtype=np.float32)
    if (rows >= 0).any():
        out[rows >= 0] = network_frames(samples.frames[rows[rows >= 0]])
    return torch.from_numpy(out)


def network_features(network: GlimpseNet, samples: SampleSet, batch: int = 64) -> F32:
    """The `cnn` block of every sample: float32 (n, 128)."""
    network.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(samples), batch):
            indices = np.arange(start, min(start + batch, len(samples)), dtype=np.intp)
            flows = torch.from_numpy(normalise_flow(samples.flows[indices]))
            parts.append(network(frame_tensor(samples, indices), flows)[0].numpy())
    return np.concatenate(parts)


def all_features(network: GlimpseNet, samples: SampleSet) -> F64:
    """The 224 features of every sample: float64 (n, 224), NaN where a modality is missing."""
    by_hand = np.stack([handcrafted(samples.evidence(i)) for i in range(len(samples))])
    return np.asarray(np.concatenate([network_features(network, samples), by_hand], axis=1), dtype=np.float64)


def svm_views(samples: SampleSet, settings: TrainingSettings) -> SampleSet:
    """What the SVM is fitted on: each drawn sample whole, and once more as its onset→apex flow alone."""
    richer = np.flatnonzero(samples.has_more_than_flow())
    share = len(samples) / (len(samples) + len(richer))
    limit = int(settings.svm.max_samples * share)
    rng = np.random.default_rng([settings.seed, 3])
    chosen = np.sort(rng.permutation(len(samples))[:limit])
    drawn = samples.subset(chosen)
    also = np.flatnonzero(drawn.has_more_than_flow())
    return joined([drawn, drawn.subset(also).flow_only()]) if len(also) else drawn


def held_out_features(samples: SampleSet, settings: TrainingSettings) -> list[HeldOut]:
    """Split by subject; for each split a network of its own, fitted on the training part alone.

    A network's features of the samples that it was fitted on are too good to calibrate anything by.
    """
    pairs = []
    for train_part, test_part in folds(samples, settings.calibration_folds, settings.seed):
        known, unknown = samples.subset(train_part), samples.subset(test_part)
        network, _ = fit_network(known, settings)
        views = svm_views(known, settings), svm_views(unknown, settings)
        pairs.append(
            HeldOut(
                all_features(network, views[0]),
                views[0].labels,
                all_features(network, views[1]),
                views[1].labels,
            )
        )
    return pairs
