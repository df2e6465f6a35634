"""`flow-grid`: coarse normalised flow into a support vector machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from offline.methods._inputs import MAPS, averaged, onset_apex_maps
from offline.methods.base import FittedDecision, require_classes, require_flow
from offline.samples import SampleSet
from realtime.types import F64


@dataclass(frozen=True, slots=True)
class FlowGridSettings:
    """Grid and machine."""

    grid: int = 7
    """Cells across and down."""
    c: float = 1.0
    """Penalty of the SVC; its γ is 1 / (features · variance)."""


@dataclass(frozen=True, slots=True)
class FlowGrid:
    """u, v and strain from onset to apex, normalised, averaged to 7×7 cells → scaler → RBF SVC."""

    name: ClassVar[str] = "flow-grid"
    calibrated: ClassVar[bool] = False
    settings: FlowGridSettings = field(default_factory=FlowGridSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedDecision:
        """Fit scaler and SVC. Nothing in it is random."""
        require_classes(samples)
        extract = partial(grid_features, size=self.settings.grid)
        machine = make_pipeline(
            StandardScaler(), SVC(C=self.settings.c, kernel="rbf", gamma="scale", class_weight="balanced")
        )
        cells = self.settings.grid**2
        blocks = {name: slice(i * cells, (i + 1) * cells) for i, name in enumerate(MAPS)}
        return FittedDecision(machine.fit(extract(samples), samples.labels), extract, blocks)


def grid_features(samples: SampleSet, size: int) -> F64:
    """Cell means of the normalised maps: float64 (n, 3·size·size). Raises DataError without flow."""
    require_flow(samples, FlowGrid.name)
    cells = averaged(onset_apex_maps(samples), size)
    return np.asarray(cells.reshape(len(samples), -1), dtype=np.float64)


METHOD = FlowGrid
