"""`hybrid-seed`: the hybrid as it was first described, before anything was learnt about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from offline.augment import AugmentSettings
from offline.methods.base import require_classes
from offline.methods.hybrid import FittedHybrid
from offline.network import NetworkSettings
from offline.samples import SampleSet
from offline.svm_fitting import SvmSettings, fit_svm
from offline.training import (
    TrainedModel,
    TrainingSettings,
    all_features,
    fit_network,
    single_thread,
)


@dataclass(frozen=True, slots=True)
class SeedAugment(AugmentSettings):
    """Brightness, rotation, noise and flow scale; none of the later ones."""

    mirror: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    channel_gain: float = 0.0
    channel_offset: float = 0.0
    grid_noise: float = 0.0
    drop_frames: float = 0.0
    drop_later_flows: float = 0.0


@dataclass(frozen=True, slots=True)
class SeedNetwork(NetworkSettings):
    """Flow at the full resolution of training, not averaged down to 16."""

    flow_size: int = 32


@dataclass(frozen=True, slots=True)
class SeedSvm(SvmSettings):
    """scikit-learn's C = 1 and γ = 1 / features; nothing is searched for."""

    c: tuple[float, ...] = (1.0,)
    gamma: tuple[float, ...] = (1.0 / 224.0,)


@dataclass(frozen=True, slots=True)
class SeedSettings(TrainingSettings):
    """12 epochs of Adam at 1e-3, weight decay 1e-4, batches of 32, cosine, class weights, hard labels.

    Its SVM is calibrated by cross-validation on the features of the one network, whatever
    `calibration_folds` says.
    """

    label_smoothing: float = 0.0
    calibration_folds: int = 0
    network: SeedNetwork = field(default_factory=SeedNetwork)
    augment: SeedAugment = field(default_factory=SeedAugment)
    svm: SeedSvm = field(default_factory=SeedSvm)


@dataclass(frozen=True, slots=True)
class HybridSeed:
    """All 224 features of each sample as it is: the SVM sees no copies reduced to flow alone."""

    name: ClassVar[str] = "hybrid-seed"
    calibrated: ClassVar[bool] = True
    settings: SeedSettings = field(default_factory=SeedSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedHybrid:
        """Fit network and SVM; `seed` takes the place of the one in the settings."""
        require_classes(samples, least=2)
        settings = replace(self.settings, seed=seed)
        with single_thread():
            network, curve = fit_network(samples, settings)
            features = all_features(network, samples)
        svm, choice = fit_svm(features, samples, settings.svm, settings.seed)
        return FittedHybrid(TrainedModel(network, svm, samples.classes, settings, curve, choice))


METHOD = HybridSeed
