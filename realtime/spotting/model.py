"""What the spotter knows of action units: their templates, and boosted trees that judge candidates.

Both are data (`micro.json`), made by `python -m benchmarks.remake_spotter` from synthesis alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import GlimpseError
from realtime.types import F64, readonly

SCHEMA = "glimpse-spotter/1"


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Gradient-boosted trees for two classes (Friedman 2001): t trees of up to m nodes each."""

    feature: NDArray[np.int64]
    """(t, m) which feature a node asks for; −1: a leaf."""
    threshold: F64
    """(t, m) up to this the left branch is taken."""
    left: NDArray[np.int64]
    """(t, m) node on the left; `right` the same on the right."""
    right: NDArray[np.int64]
    value: F64
    """(t, m) share of the log-odds that a leaf adds."""
    bias: float
    """Log-odds without any tree."""

    def probability(self, features: F64) -> float:
        """Of the positive class, 0..1, for (f,) features."""
        # the trees were grown on single precision: a value next to a threshold must not change sides
        x = features.astype(np.float32).astype(np.float64)
        rows = np.arange(len(self.feature))
        node = np.zeros(len(rows), dtype=np.int64)
        while True:
            asked = self.feature[rows, node]
            inner = asked >= 0
            if not inner.any():
                break
            goes_left = x[asked] <= self.threshold[rows, node]
            below = np.where(goes_left, self.left[rows, node], self.right[rows, node])
            node = np.where(inner, below, node)
        odds = self.bias + float(self.value[rows, node].sum())
        return float(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))


@dataclass(frozen=True, eq=False)
class MicroModel:
    """Templates of action units and the judge of candidates."""

    names: tuple[str, ...]
    """Name of each template: action units joined by "+", and its side, e.g. "AU12 left"."""
    templates: F64
    """(k, 38) displacement (u, v) of the 17 regions and the two lids for a peak displacement of 1, what
    passes for head motion removed."""
    features: tuple[str, ...]
    """Names of the features that the trees were grown on."""
    trees: Trees

    @cached_property
    def alike(self) -> NDArray[np.bool_]:
        """(k, k) whether two templates move the same parts of a face."""
        unit = self.templates / np.linalg.norm(self.templates, axis=1, keepdims=True)
        return np.asarray(np.abs(unit @ unit.T) > 0.5)

    def score(self, features: F64) -> float:
        """Probability that a candidate (its features in order) is a micro-expression, 0..1."""
        return self.trees.probability(features)


@lru_cache(maxsize=1)
def load_model() -> MicroModel:
    """The model that is part of the package."""
    text = resources.files("realtime.spotting").joinpath("micro.json").read_text(encoding="utf-8")
    return parse_model(json.loads(text))


def parse_model(data: Mapping[str, Any]) -> MicroModel:
    """Read a model from its JSON. Raises GlimpseError for another schema."""
    if data.get("schema") != SCHEMA:
        raise GlimpseError(f"the spotter's model is not of schema {SCHEMA}: install glimpse anew")
    trees = data["trees"]
    return MicroModel(
        names=tuple(data["names"]),
        templates=readonly(np.array(data["templates"], dtype=np.float64)),
        features=tuple(data["features"]),
        trees=Trees(
            feature=readonly(np.array(trees["feature"], dtype=np.int64)),
            threshold=readonly(np.array(trees["threshold"], dtype=np.float64)),
            left=readonly(np.array(trees["left"], dtype=np.int64)),
            right=readonly(np.array(trees["right"], dtype=np.int64)),
            value=readonly(np.array(trees["value"], dtype=np.float64)),
            bias=float(trees["bias"]),
        ),
    )
