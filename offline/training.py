"""Fits a recogniser: the network first, then the calibrated SVM on all 224 features."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor
from torch.nn import functional

from offline.augment import Augmenter, AugmentSettings
from offline.imbalance import CHOICES, FOCAL_GAMMA, epoch_order
from offline.network import GlimpseNet, NetworkSettings
from offline.samples import SampleSet, joined
from realtime.errors import ConfigError, DataError
from realtime.features.extract import handcrafted, network_frames
from realtime.features.normalise import normalise_flow
from realtime.types import F32, F64

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True, slots=True)
class SvmSettings:
    """Grid search and size of the support vector machine."""

    c: tuple[float, ...] = (1.0, 3.0, 10.0)
    gamma: tuple[float, ...] = (0.0005, 0.0015, 0.0045)
    folds: int = 5
    max_samples: int = 1600
    """Draw at most so many training samples for the SVM; its size and its time grow with them."""

    def __post_init__(self) -> None:
        for name in ("c", "gamma"):
            values = getattr(self, name)
            numbers = all(isinstance(v, (int, float)) and 0 < v < math.inf for v in values)
            if not values or not numbers:
                raise ConfigError(f"svm.{name} must be a list of numbers above 0, not {values!r}")
        _check_range("svm.folds", self.folds, 2, 100)
        _check_range("svm.max_samples", self.max_samples, 16, 100_000)


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
        _check_range("epochs", self.epochs, 1, 10_000)
        _check_range("batch", self.batch, 2, 100_000)
        _check_range("learning_rate", self.learning_rate, 1e-9, 10.0)
        _check_range("weight_decay", self.weight_decay, 0.0, 10.0)
        _check_range("label_smoothing", self.label_smoothing, 0.0, 0.9)
        _check_range("seed", self.seed, 0, 2**31)
        if self.calibration_folds:
            _check_range("calibration_folds", self.calibration_folds, 2, 100)


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must lie in {least:g}..{most:g}, not {value}")


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
        raise DataError(f"class {name!r} has {counts.min()} training samples: every class needs two or more")
    with single_thread():
        network, curve = fit_network(samples, settings)
        views = svm_views(samples, settings)
        features = all_features(network, views)
        held_out = held_out_features(samples, settings) if settings.calibration_folds else []
    svm, choice = fit_svm(features, views, settings, held_out)
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


def fit_svm(
    features: F64, samples: SampleSet, settings: TrainingSettings, held_out: Sequence[HeldOut] = ()
) -> tuple[Pipeline, dict[str, float]]:
    """Choose C and γ by grid search, then fit scaler, imputer and calibrated SVC on everything.

    With `held_out`, choice and calibration rest on samples that neither network nor SVM had seen.
    """
    splits = folds(samples, settings.svm.folds, settings.seed)
    views = held_out or [
        HeldOut(features[train], samples.labels[train], features[test], samples.labels[test])
        for train, test in splits
    ]
    choice = _best(views, settings.svm, len(samples.classes))
    calibrated = CalibratedClassifierCV(
        _svc(choice["C"], choice["gamma"]), method="sigmoid", ensemble=False, cv=splits
    )
    svm = Pipeline([*_front(), ("svm", calibrated)])
    with np.errstate(invalid="ignore"):  # a block that no sample has stays NaN in the scaler, then 0
        svm.fit(features, samples.labels)
    if held_out:
        _recalibrate(calibrated, held_out, choice)
    calibrated.set_params(cv=settings.svm.folds)  # the indices of the splits need not be stored
    return svm, choice


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Features of one split: what an SVM is fitted on, and what it is judged on."""

    train: F64
    train_labels: NDArray[np.intp]
    test: F64
    test_labels: NDArray[np.intp]

    def decisions(self, c: float, gamma: float) -> F64:
        """Decision values of the test part, (n, classes) or (n,) for two classes."""
        svm = Pipeline([*_front(), ("svc", _svc(c, gamma))])
        with np.errstate(invalid="ignore"):
            return np.asarray(svm.fit(self.train, self.train_labels).decision_function(self.test))


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


def _best(views: Sequence[HeldOut], settings: SvmSettings, classes: int) -> dict[str, float]:
    """C and γ of the best mean balanced accuracy; the first of equals."""
    best = {"C": 0.0, "gamma": 0.0, "balanced_accuracy": -1.0}
    for c, gamma in product(settings.c, settings.gamma):
        scores = [_balanced_accuracy(view, view.decisions(c, gamma), classes) for view in views]
        if float(np.mean(scores)) > best["balanced_accuracy"]:
            best = {"C": c, "gamma": gamma, "balanced_accuracy": float(np.mean(scores))}
    return best


def _balanced_accuracy(view: HeldOut, decisions: F64, classes: int) -> float:
    """Mean recall over the classes that the test part has."""
    known = np.unique(view.train_labels)
    found = known[(decisions > 0).astype(int) if decisions.ndim == 1 else decisions.argmax(axis=1)]
    recalls = [(found[view.test_labels == k] == k).mean() for k in range(classes) if k in view.test_labels]
    return float(np.mean(recalls))


def _recalibrate(
    calibrated: CalibratedClassifierCV, held_out: Sequence[HeldOut], choice: dict[str, float]
) -> None:
    """Fit Platt's sigmoids anew, to decisions about samples that nothing had seen."""
    decisions = np.concatenate([view.decisions(choice["C"], choice["gamma"]) for view in held_out])
    labels = np.concatenate([view.test_labels for view in held_out])
    columns = decisions[:, None] if decisions.ndim == 1 else decisions
    (fitted,) = calibrated.calibrated_classifiers_
    wanted = [1] if columns.shape[1] == 1 else range(columns.shape[1])
    for calibrator, label, column in zip(fitted.calibrators, wanted, columns.T, strict=True):
        calibrator.fit(column, (labels == label).astype(float))


def folds(samples: SampleSet, count: int, seed: int) -> Splits:
    """Stratified folds by subject; fewer of them where a class has fewer subjects.

    Only where a class has a single subject are the folds by sample instead; two views of one sample
    then still stay together.
    """
    labels = samples.labels
    owners: Counter[int] = Counter(
        label for label, _ in set(zip(labels.tolist(), samples.subjects, strict=True))
    )
    by_subject = min(owners.values()) >= 2
    groups = list(samples.subjects) if by_subject else [flow.tobytes() for flow in samples.flows[:, 0]]
    fewest = min(owners.values()) if by_subject else int(np.bincount(labels).min())
    count = max(2, min(count, fewest))
    for parts in range(count, 1, -1):
        splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
        splits: Splits = list(splitter.split(labels, labels, groups))
        if all(len(set(labels[train])) == len(owners) for train, _ in splits):
            return splits
    plain = StratifiedKFold(2, shuffle=True, random_state=seed)
    return list(plain.split(labels, labels))


def _front() -> list[tuple[str, object]]:
    """Scaler, then 0 – the mean – for what is missing."""
    imputer = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return [("scaler", StandardScaler()), ("imputer", imputer)]


def _svc(c: float, gamma: float) -> SVC:
    return SVC(C=c, kernel="rbf", gamma=gamma, class_weight="balanced")
