"""`ststnet`: a shallow triple-stream network over u, v and optical strain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from offline.methods._fitting import FitSettings, FittedNetwork, fit_network
from offline.methods._inputs import MAPS, averaged, onset_apex_maps
from offline.methods.base import require_classes, require_flow
from offline.samples import SampleSet
from realtime.types import F32

_SIZE = 28
_FILTERS = (3, 5, 8)
_POOLED = 5
"""Pixels left of 28: 30 by padding, 10 by max-pooling, 5 by averaging."""


@dataclass(frozen=True, slots=True)
class StstnetSettings(FitSettings):
    """Fixed length of training; the paper's choice of the best epoch on the left-out subject is a leak."""

    epochs: int = 100
    batch: int = 64
    dropout: float = 0.5
    """Share of the fully connected layer's inputs dropped in training."""


class TripleStream(nn.Module):
    """Three parallel 3×3 convolutions of 3, 5 and 8 filters, pooled, concatenated, one dense layer."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, filters, 3, padding=2),
                nn.ReLU(),
                nn.BatchNorm2d(filters),
                nn.MaxPool2d(3, stride=3, padding=1),
            )
            for filters in _FILTERS
        )
        self.pool = nn.AvgPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sum(_FILTERS) * _POOLED * _POOLED, classes)

    def forward(self, maps: Tensor) -> Tensor:
        """float32 (n, 3, 28, 28): u, v, strain → logits (n, classes)."""
        joined = self.pool(torch.cat([stream(maps) for stream in self.streams], dim=1))
        logits: Tensor = self.head(self.dropout(joined.flatten(1)))
        return logits


@dataclass(frozen=True, slots=True)
class Ststnet:
    """STSTNet (Liong et al. 2019), trained for a fixed number of epochs."""

    name: ClassVar[str] = "ststnet"
    calibrated: ClassVar[bool] = False
    settings: StstnetSettings = field(default_factory=StstnetSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedNetwork:
        """Fit the network on the normalised maps onset→apex."""
        require_classes(samples)

        def build() -> TripleStream:
            return TripleStream(len(samples.classes), self.settings.dropout)

        return fit_network(build, small_maps, samples, self.settings, seed, MAPS)


def small_maps(samples: SampleSet) -> F32:
    """Normalised u, v, strain: float32 (n, 3, 28, 28). Raises DataError without flow."""
    require_flow(samples, Ststnet.name)
    return averaged(onset_apex_maps(samples), _SIZE)


METHOD = Ststnet
