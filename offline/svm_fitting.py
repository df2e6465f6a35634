"""Fits the calibrated SVM on all 224 features: choice of C and γ, machine, calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

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
from realtime.types import F64

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must lie in {least:g}..{most:g}, not {value}")


@dataclass(frozen=True, slots=True)
class SvmSettings:
    """Grid search and size of the support vector machine."""

    c: tuple[float, ...] = (1.0, 3.0, 10.0)
    gamma: tuple[float, ...] = (0.0005, 0.0015, 0.0045)
    folds: int = 5
    max_samples: int = 1600
    """Draw at most so many training samples for the SVM; its size and its time grow with them."""

    def __post_init__(self) -> None:
        for name in ("c", "gamma"):
            values = getattr(self, name)
            numbers = all(isinstance(v, (int, float)) and 0 < v < math.inf for v in values)
            if not values or not numbers:
                raise ConfigError(f"svm.{name} must be a list of numbers above 0, not {values!r}")
        check_range("svm.folds", self.folds, 2, 100)
        check_range("svm.max_samples", self.max_samples, 16, 100_000)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Features of one split: what an SVM is fitted on, and what it is judged on."""

    train: F64
    train_labels: NDArray[np.intp]
    test: F64
    test_labels: NDArray[np.intp]

    def decisions(self, c: float, gamma: float) -> F64:
        """Decision values of the test part, (n, classes) or (n,) for two classes."""
        svm = Pipeline([*_front(), ("svc", _svc(c, gamma))])
        with np.errstate(invalid="ignore"):
            return np.asarray(svm.fit(self.train, self.train_labels).decision_function(self.test))


def fit_svm(
    features: F64, samples: SampleSet, settings: SvmSettings, seed: int, held_out: Sequence[HeldOut] = ()
) -> tuple[Pipeline, dict[str, float]]:
    """Choose C and γ by grid search, then fit scaler, imputer and calibrated SVC on everything.

    With `held_out`, choice and calibration rest on samples that neither network nor SVM had seen.
    """
    splits = folds(samples, settings.folds, seed)
    views = held_out or [
        HeldOut(features[train], samples.labels[train], features[test], samples.labels[test])
        for train, test in splits
    ]
    choice = _best(views, settings, len(samples.classes))
    calibrated = CalibratedClassifierCV(
        _svc(choice["C"], choice["gamma"]), method="sigmoid", ensemble=False, cv=splits
    )
    svm = Pipeline([*_front(), ("svm", calibrated)])
    with np.errstate(invalid="ignore"):  # a block that no sample has stays NaN in the scaler, then 0
        svm.fit(features, samples.labels)
    if held_out:
        _recalibrate(calibrated, held_out, choice)
    calibrated.set_params(cv=settings.folds)  # the indices of the splits need not be stored
    return svm, choice


def _best(views: Sequence[HeldOut], settings: SvmSettings, classes: int) -> dict[str, float]:
    """C and γ of the best mean balanced accuracy; the first of equals."""
    best = {"C": 0.0, "gamma": 0.0, "balanced_accuracy": -1.0}
    for c, gamma in product(settings.c, settings.gamma):
        scores = [_balanced_accuracy(view, view.decisions(c, gamma), classes) for view in views]
        if float(np.mean(scores)) > best["balanced_accuracy"]:
            best = {"C": c, "gamma": gamma, "balanced_accuracy": float(np.mean(scores))}
    return best


def _balanced_accuracy(view: HeldOut, decisions: F64, classes: int) -> float:
    """Mean recall over the classes that the test part has."""
    known = np.unique(view.train_labels)
    found = known[(decisions > 0).astype(int) if decisions.ndim == 1 else decisions.argmax(axis=1)]
    recalls = [(found[view.test_labels == k] == k).mean() for k in range(classes) if k in view.test_labels]
    return float(np.mean(recalls))


def _recalibrate(
    calibrated: CalibratedClassifierCV, held_out: Sequence[HeldOut], choice: dict[str, float]
) -> None:
    """Fit Platt's sigmoids anew, to decisions about samples that nothing had seen."""
    decisions = np.concatenate([view.decisions(choice["C"], choice["gamma"]) for view in held_out])
    labels = np.concatenate([view.test_labels for view in held_out])
    columns = decisions[:, None] if decisions.ndim == 1 else decisions
    (fitted,) = calibrated.calibrated_classifiers_
    wanted = [1] if columns.shape[1] == 1 else range(columns.shape[1])
    for calibrator, label, column in zip(fitted.calibrators, wanted, columns.T, strict=True):
        calibrator.fit(column, (labels == label).astype(float))


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


def _front() -> list[tuple[str, object]]:
    """Scaler, then 0 – the mean – for what is missing."""
    imputer = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return [("scaler", StandardScaler()), ("imputer", imputer)]


def _svc(c: float, gamma: float) -> SVC:
    return SVC(C=c, kernel="rbf", gamma=gamma, class_weight="balanced")
