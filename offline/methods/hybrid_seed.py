"""`hybrid-seed`: the hybrid as it was first described, before anything was learnt about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from offline.augment import AugmentSettings
from offline.member_training import fit_member, single_thread
from offline.methods.base import Curve, require_classes
from offline.network import GlimpseNet, NetworkSettings
from offline.samples import SampleSet
from offline.svm_fitting import SvmSettings, fit_svm
from offline.training import network_output, with_handcrafted
from offline.training_settings import TrainingSettings
from realtime.features.spec import BLOCKS, HANDCRAFTED_BLOCKS
from realtime.types import F64


@dataclass(frozen=True, slots=True)
class SeedAugment(AugmentSettings):
    """Brightness, rotation, noise and flow scale; none of the later ones."""

    rotation_deg: float = 3.0
    flow_scale: float = 0.1
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
    """One network of 128 features with both branches; flow at 32 pixels, not averaged down to 14."""

    members: int = 1
    member_features: int = 128
    coarse: int = 0
    channels: tuple[int, ...] = (16, 32, 32, 64, 64)
    flow_size: int = 32
    frames: bool = True
    feature_dropout: float = 0.5


@dataclass(frozen=True, slots=True)
class SeedSvm(SvmSettings):
    """scikit-learn's C = 1 and γ = 1 / features; nothing is searched for."""

    blocks: tuple[str, ...] = tuple(HANDCRAFTED_BLOCKS)
    gamma: tuple[float, ...] = (1.0 / 224.0,)


@dataclass(frozen=True, slots=True)
class SeedSettings(TrainingSettings):
    """12 epochs of Adam at 1e-3, weight decay 1e-4, batches of 32, cosine, class weights, hard labels."""

    epochs: int = 12
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    label_smoothing: float = 0.0
    unit_loss: float = 0.0
    network: SeedNetwork = field(default_factory=SeedNetwork)
    augment: SeedAugment = field(default_factory=SeedAugment)
    svm: SeedSvm = field(default_factory=SeedSvm)


@dataclass(frozen=True, slots=True, eq=False)
class FittedSeed:
    """One network, one calibrated SVM."""

    network: GlimpseNet
    svm: Any
    curve: Curve

    def predict_proba(self, samples: SampleSet) -> F64:
        """Calibrated; a modality that a sample lacks enters as not known."""
        return self.judge(self.measure(samples))

    def measure(self, samples: SampleSet) -> dict[str, NDArray[Any]]:
        """The blocks of the 224 features."""
        with single_thread():
            features = with_handcrafted(network_output(self.network, samples).features, samples)
        return {name: features[:, block] for name, block in BLOCKS.items()}

    def judge(self, blocks: Mapping[str, NDArray[Any]]) -> F64:
        """Calibrated."""
        features = np.concatenate([blocks[name] for name in BLOCKS], axis=1)
        return np.asarray(self.svm.predict_proba(features), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class HybridSeed:
    """All 224 features of each sample as it is, into one SVM calibrated by cross-validation on them."""

    name: ClassVar[str] = "hybrid-seed"
    calibrated: ClassVar[bool] = True
    settings: SeedSettings = field(default_factory=SeedSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedSeed:
        """Fit network and SVM; `seed` takes the place of the one in the settings."""
        require_classes(samples, least=2)
        settings = replace(self.settings, seed=seed)
        with single_thread():
            member, curve = fit_member(samples, settings, seed, settings.network.member_features)
            network = GlimpseNet([member], None, settings.network, own_units=False).eval()
            features = with_handcrafted(network_output(network, samples).features, samples)
        svm = fit_svm(features, samples, settings.svm, seed)
        return FittedSeed(network, svm, tuple(asdict(record) for record in curve))


METHOD = HybridSeed
