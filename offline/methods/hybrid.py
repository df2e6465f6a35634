"""`hybrid`: the product itself, a committee of networks, a prior and an SVM behind one calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from offline.member_training import single_thread
from offline.methods.base import Curve
from offline.samples import SampleSet
from offline.training import TrainedModel, network_output, predict, train, with_handcrafted
from offline.training_settings import TrainingSettings
from realtime.features.spec import BLOCKS, CNN_SIZE
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

    def measure(self, samples: SampleSet) -> dict[str, NDArray[Any]]:
        """The blocks of the 224 features; the networks' own scores are part of `cnn`."""
        with single_thread():
            found = network_output(self.model.network, samples)
            features = with_handcrafted(found.features, samples)
        blocks = {name: features[:, block] for name, block in BLOCKS.items()}
        return {
            **blocks,
            "cnn": np.concatenate([blocks["cnn"], found.scores.reshape(len(samples), -1)], axis=1),
        }

    def judge(self, blocks: Mapping[str, NDArray[Any]]) -> F64:
        """Calibrated."""
        cnn, scores = np.split(blocks["cnn"], [CNN_SIZE], axis=1)
        features = np.concatenate([cnn if name == "cnn" else blocks[name] for name in BLOCKS], axis=1)
        shape = (len(scores), -1, len(self.model.classes))
        return self.model.scorer.probabilities(scores.reshape(shape), features)


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
