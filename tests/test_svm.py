"""The machine decides as scikit-learn's does, for every number of classes, missing features included."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from realtime.svm import RbfSvm


def fitted(classes: int, machine: object | None = None) -> tuple[Pipeline, NDArray[np.float64]]:
    rng = np.random.default_rng(classes)
    labels = np.arange(90) % classes
    samples = rng.normal(0.0, 1.5, (90, 12)) + labels[:, None] * rng.normal(size=12)
    pipeline = Pipeline(
        [
            ("scaler", StandardScaler()),
            ("imputer", SimpleImputer(strategy="constant", fill_value=0.0)),
            ("svm", machine or SVC(class_weight="balanced", decision_function_shape="ovo")),
        ]
    ).fit(samples, labels)
    return pipeline, samples


@pytest.mark.parametrize("classes", [2, 3, 4, 6])
def test_same_decisions_as_scikit_learn(classes: int) -> None:
    pipeline, samples = fitted(classes)
    samples[::3, :4] = np.nan
    values = pipeline.decision_function(samples)
    expected = np.zeros((len(samples), classes))
    columns = [-values] if classes == 2 else values.T
    for column, (i, j) in zip(columns, combinations(range(classes), 2), strict=True):
        expected[:, i] += column
        expected[:, j] -= column
    found = RbfSvm.of(pipeline).decisions(samples)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found.sum(axis=1) == pytest.approx(np.zeros(len(samples)))


def test_features_that_are_off_count_for_nothing() -> None:
    pipeline, samples = fitted(3)
    pipeline.steps[0][1].scale_[5] = np.inf
    machine = RbfSvm.of(pipeline)
    before = machine.decisions(samples)
    samples[:, 5] = np.nan
    assert machine.decisions(samples) == pytest.approx(before)


def test_one_by_one_is_the_same_as_together() -> None:
    pipeline, samples = fitted(4)
    machine = RbfSvm.of(pipeline)
    together = machine.decisions(samples)
    for index in range(0, len(samples), 7):
        assert machine.decisions(samples[index : index + 1])[0] == pytest.approx(together[index], abs=1e-12)


def test_another_build_is_refused() -> None:
    with pytest.raises((AttributeError, ValueError)):
        RbfSvm.of(fitted(3, LogisticRegression())[0])
    with pytest.raises(ValueError, match="RBF"):
        RbfSvm.of(fitted(3, SVC(kernel="linear"))[0])
