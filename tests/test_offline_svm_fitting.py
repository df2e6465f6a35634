"""The SVM is chosen and calibrated by samples that nothing had seen; folds never split a person."""

from __future__ import annotations

import numpy as np
import pytest

from offline.samples import SampleSet, sample_set
from offline.svm_fitting import SvmSettings, folds
from realtime.errors import ConfigError


def samples(subjects: list[str], labels: list[int]) -> SampleSet:
    rng = np.random.default_rng(0)
    flows = rng.normal(size=(len(labels), 3, 2, 64, 64)).astype(np.float32)
    return sample_set(flows, labels, ("a", "b"), subjects)


def test_folds_keep_people_together_and_shrink_to_the_scarcest_class() -> None:
    people = [f"p{i % 4}" for i in range(24)]
    given = samples(people, [0 if i % 4 < 2 else 1 for i in range(24)])  # two people per class
    splits = folds(given, 5, 0)
    assert len(splits) == 2
    for train, test in splits:
        assert not {people[i] for i in train} & {people[i] for i in test}


def test_with_one_person_per_class_two_views_of_a_sample_stay_together() -> None:
    once = samples([f"p{i % 2}" for i in range(12)], [i % 2 for i in range(12)])
    twice = once.subset([*range(12), *range(12)])
    for train, test in folds(twice, 3, 0):
        assert not {int(i) % 12 for i in train} & {int(i) % 12 for i in test}


@pytest.mark.parametrize(
    "wrong", [{"c": ()}, {"c": ("x",)}, {"gamma": (0.0,)}, {"folds": 1}, {"max_samples": 1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SvmSettings(**wrong)  # type: ignore[arg-type]
