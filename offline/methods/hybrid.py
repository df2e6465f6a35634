"""`hybrid`: the product itself, a committee of networks, a prior and an SVM behind one calibration."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from offline.member_training import single_thread
from offline.methods.base import Curve
from offline.samples import SampleSet
from offline.training import TrainedModel, predict, train
from offline.training_settings import TrainingSettings
from realtime.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class FittedHybrid:
    """A trained recogniser."""

    model: TrainedModel

    @property
    def curve(self) -> Curve:
        return tuple(asdict(record) for record in self.model.curve)

    def predict_proba(self, samples: SampleSet) -> F64:
        """Calibrated; a modality that a sample lacks enters as not known."""
        with single_thread():
            return predict(self.model, samples)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """What `glimpse-offline train` fits."""

    name: ClassVar[str] = "hybrid"
    calibrated: ClassVar[bool] = True
    settings: TrainingSettings = field(default_factory=TrainingSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedHybrid:
        """Fit network, SVM and fusion; `seed` takes the place of the one in the settings."""
        return FittedHybrid(train(samples, replace(self.settings, seed=seed)))


METHOD = Hybrid
