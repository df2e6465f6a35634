"""Support vector machines on the 224 features: settings, folds by subject, the plain calibrated one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from offline.samples import SampleSet
from realtime.errors import ConfigError
from realtime.features.spec import HANDCRAFTED_BLOCKS
from realtime.types import F64

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must lie in {least:g}..{most:g}, not {value}")


@dataclass(frozen=True, slots=True)
class SvmSettings:
    """Grid search and size of the support vector machine."""

    blocks: tuple[str, ...] = ("flow", "au")
    """Handcrafted blocks that the SVM sees, beside the `cnn` block."""
    c: tuple[float, ...] = (1.0,)
    gamma: tuple[float, ...] = (0.01,)
    """Of the order of 1 / (features that are on), which scikit-learn's "scale" is."""
    folds: int = 5
    """Of the calibration of `fit_svm`."""
    max_samples: int = 1600
    """Draw at most so many training samples for the SVM; its size and its time grow with them."""

    def __post_init__(self) -> None:
        for block in self.blocks:
            if block not in HANDCRAFTED_BLOCKS:
                raise ConfigError(f"svm.blocks has {block!r}: use {', '.join(HANDCRAFTED_BLOCKS)}")
        for name in ("c", "gamma"):
            values = getattr(self, name)
            numbers = all(isinstance(v, (int, float)) and 0 < v < math.inf for v in values)
            if not values or not numbers:
                raise ConfigError(f"svm.{name} must be a list of numbers above 0, not {values!r}")
        check_range("svm.folds", self.folds, 2, 100)
        check_range("svm.max_samples", self.max_samples, 16, 100_000)


def fit_svm(features: F64, samples: SampleSet, settings: SvmSettings, seed: int) -> Pipeline:
    """Scaler, imputer and RBF SVC on everything, calibrated by cross-validation (Platt 1999).

    For the description that the project started from; it takes the first C and γ of the settings.
    """
    machine = SVC(C=settings.c[0], kernel="rbf", gamma=settings.gamma[0], class_weight="balanced")
    splits = folds(samples, settings.folds, seed)
    calibrated = CalibratedClassifierCV(machine, method="sigmoid", ensemble=False, cv=splits)
    svm = Pipeline([*svm_front(), ("svm", calibrated)])
    with np.errstate(invalid="ignore"):  # a block that no sample has stays NaN in the scaler, then 0
        svm.fit(features, samples.labels)
    return svm


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


def svm_front() -> list[tuple[str, object]]:
    """Scaler, then 0 – the mean – for what is missing."""
    imputer = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return [("scaler", StandardScaler()), ("imputer", imputer)]
