"""`hybrid`: the product itself, network features and handcrafted ones into a calibrated SVM."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import numpy as np

from offline.methods.base import Curve
from offline.samples import SampleSet
from offline.training import TrainedModel, TrainingSettings, all_features, single_thread, train
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
            features = all_features(self.model.network, samples)
        return np.asarray(self.model.svm.predict_proba(features), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """What `glimpse-offline train` fits."""

    name: ClassVar[str] = "hybrid"
    calibrated: ClassVar[bool] = True
    settings: TrainingSettings = field(default_factory=TrainingSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedHybrid:
        """Fit network and SVM; `seed` takes the place of the one in the settings."""
        return FittedHybrid(train(samples, replace(self.settings, seed=seed)))


METHOD = Hybrid
