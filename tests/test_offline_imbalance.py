"""Classes of unequal size: the orders that are drawn, and the focal loss, counted by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from tiny_model import SETTINGS

from offline.imbalance import CHOICES, epoch_order
from offline.member_training import expanded_loss, fit_member
from offline.samples import FOUR_CLASSES, direct_samples
from offline.trained_model import parse_settings
from realtime.errors import ConfigError

LABELS = np.array([0] * 7 + [1] * 3 + [2] * 1)


def test_oversampling_draws_every_class_as_often_as_the_largest():
    order = epoch_order(np.random.default_rng(0), LABELS, "oversampling")
    assert np.bincount(LABELS[order]).tolist() == [7, 7, 7]
    times = np.bincount(order, minlength=len(LABELS))
    assert times[:7].tolist() == [1] * 7
    assert sorted(times[7:10]) == [2, 2, 3]
    assert np.array_equal(order, epoch_order(np.random.default_rng(0), LABELS, "oversampling"))


@pytest.mark.parametrize("choice", ["class_weights", "focal"])
def test_else_every_sample_comes_once(choice):
    order = epoch_order(np.random.default_rng(0), LABELS, choice)
    assert sorted(order) == list(range(11))


def test_focal_loss_counted_by_hand():
    logits = torch.zeros(2, 3, 2)
    logits[1, :, 1] = math.log(3.0)  # probabilities 1/4 and 3/4
    weights = torch.tensor([1.0, 2.0])
    loss = expanded_loss(logits, torch.tensor([0, 1]), weights, 0.0, gamma=2.0)
    wanted = (0.25 * math.log(2) + 2 * 0.0625 * math.log(4 / 3)) / 3
    assert float(loss) == pytest.approx(wanted)
    plain = expanded_loss(logits, torch.tensor([0, 1]), weights, 0.1)
    assert float(expanded_loss(logits, torch.tensor([0, 1]), weights, 0.1, 1e-9)) == pytest.approx(
        float(plain)
    )


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_trains(choice):
    samples = direct_samples(40, 3, FOUR_CLASSES).subset([*range(16), 20, 21, 22, 23])
    settings = dataclasses.replace(SETTINGS, epochs=2, batch=8, imbalance=choice)
    curve = fit_member(samples, settings, 0, 16)[1]
    assert all(math.isfinite(record.loss) and 0 <= record.accuracy <= 1 for record in curve)


def test_other_choices_are_refused():
    assert parse_settings({"imbalance": "focal"}, "x.yaml").imbalance == "focal"
    with pytest.raises(ConfigError, match=r"x\.yaml: imbalance is 'smote': use one of class_weights, focal"):
        parse_settings({"imbalance": "smote"}, "x.yaml")
