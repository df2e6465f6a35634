"""The scorer gives what scikit-learn gives, for every number of classes, missing features included."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from realtime.svm import CalibratedSvm


def fitted(classes: int, machine: object | None = None) -> tuple[Pipeline, NDArray[np.float64]]:
    rng = np.random.default_rng(classes)
    labels = np.arange(90) % classes
    samples = rng.normal(0.0, 1.5, (90, 12)) + labels[:, None] * rng.normal(size=12)
    pipeline = Pipeline(
        [
            ("scaler", StandardScaler()),
            ("imputer", SimpleImputer(strategy="constant", fill_value=0.0)),
            ("svm", CalibratedClassifierCV(machine or SVC(class_weight="balanced"), ensemble=False, cv=3)),
        ]
    ).fit(samples, labels)
    return pipeline, samples


@pytest.mark.parametrize("classes", [2, 3, 4, 6])
def test_same_probabilities_as_scikit_learn(classes: int) -> None:
    pipeline, samples = fitted(classes)
    samples[::3, :4] = np.nan
    expected = pipeline.predict_proba(samples)
    scored = CalibratedSvm.of(pipeline).predict_proba(samples)
    assert scored == pytest.approx(expected, abs=1e-12)
    assert scored.sum(axis=1) == pytest.approx(np.ones(len(samples)))


def test_one_by_one_is_the_same_as_together() -> None:
    pipeline, samples = fitted(4)
    scorer = CalibratedSvm.of(pipeline)
    together = scorer.predict_proba(samples)
    for index in range(0, len(samples), 7):
        assert scorer.predict_proba(samples[index : index + 1])[0] == pytest.approx(
            together[index], abs=1e-12
        )


def test_another_build_is_refused() -> None:
    with pytest.raises((AttributeError, ValueError)):
        CalibratedSvm.of(fitted(3, LogisticRegression())[0])
    with pytest.raises(ValueError, match="RBF"):
        CalibratedSvm.of(fitted(3, SVC(kernel="linear"))[0])
