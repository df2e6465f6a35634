"""Everything that a training run depends on beside its samples."""

from __future__ import annotations

from dataclasses import dataclass, field

from offline.augment import AugmentSettings
from offline.imbalance import CHOICES
from offline.network import NetworkSettings
from offline.svm_fitting import SvmSettings, check_range
from realtime.errors import ConfigError

SCHEDULES = ("one-cycle", "cosine")


@dataclass(frozen=True, slots=True)
class PriorSettings:
    """How the prior learns, beside `TrainingSettings.augment`, which holds for it too. It never sees a sample
    of the set that the committee learns from."""

    samples: int = 4000
    """Synthetic flow fields onset→apex, classes in turn and a share of arbitrary action units;
    0: no prior."""
    epochs: int = 10
    channels: tuple[int, ...] = (16, 32, 32, 64, 64)
    seed: int = 5
    """Of its samples and its training, whatever the committee's."""

    def __post_init__(self) -> None:
        if self.samples:
            check_range("prior.samples", self.samples, 40, 1_000_000)
        check_range("prior.epochs", self.epochs, 1, 10_000)
        check_range("prior.seed", self.seed, 0, 2**31)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Epochs, optimiser, losses, and the settings of every part."""

    epochs: int = 30
    batch: int = 64
    learning_rate: float = 2e-3
    """Its peak ("one-cycle") or its start ("cosine")."""
    weight_decay: float = 0.05
    schedule: str = "one-cycle"
    """"one-cycle" with AdamW (Smith & Topin 2018; Loshchilov & Hutter 2019), "cosine" with Adam."""
    label_smoothing: float = 0.1
    unit_loss: float = 1.0
    """Weight of the action units' loss where the samples' action units are known."""
    imbalance: str = "class_weights"
    """What the network's training does about classes of unequal size: one of `imbalance.CHOICES`."""
    class_shares: tuple[float, ...] = ()
    """Shares of the classes where the model will be used, in their order; none: between even and those of the
    samples, as the square roots of these. With the samples' own, rare classes are hardly ever said."""
    temperature: float = 1.0
    """What the fitted sum of scores is divided by (Guo et al. 2017): above 1 where the model will meet data
    unlike what it learned from, by which alone it is sure of itself. The largest probability stays that."""
    as_measured: bool = False
    """Whether action units reach as far as flow algorithms see them reach (`action_units.MEASURED`), in the
    flow that is made directly to train on, the prior's as well; or only as far as the skin moves."""
    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    prior: PriorSettings = field(default_factory=PriorSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    svm: SvmSettings = field(default_factory=SvmSettings)

    def __post_init__(self) -> None:
        for name, choices in (("imbalance", CHOICES), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is {getattr(self, name)!r}: use one of {', '.join(choices)}")
        check_range("epochs", self.epochs, 1, 10_000)
        check_range("batch", self.batch, 2, 100_000)
        check_range("learning_rate", self.learning_rate, 1e-9, 10.0)
        check_range("weight_decay", self.weight_decay, 0.0, 10.0)
        check_range("label_smoothing", self.label_smoothing, 0.0, 0.9)
        check_range("unit_loss", self.unit_loss, 0.0, 100.0)
        check_range("temperature", self.temperature, 1e-2, 1e2)
        check_range("seed", self.seed, 0, 2**31)
        for share in self.class_shares:
            check_range("class_shares", share, 1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of the training curve, the mean over the members of the committee."""

    epoch: int
    """1-based."""
    loss: float
    """Mean class-weighted cross-entropy over the epoch, nats."""
    accuracy: float
    """Share of training samples right, augmented as they were."""
