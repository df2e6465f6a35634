"""Figures of merit, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from offline.metrics import (
    apex_errors,
    bootstrap_over_subjects,
    interval_iou,
    pooled_spotting,
    score_recognition,
    score_spotting,
)


def test_recognition_counted_by_hand():
    score = score_recognition([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], ("a", "b", "c"))
    assert score.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert score.accuracy == pytest.approx(4 / 6)
    assert score.uar == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    # F1: 2·2/(2·2+0+1), 2·1/(2·1+1+1), 2·1/(2·1+1+0)
    assert score.uf1 == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert score.weighted_f1 == pytest.approx((3 * 4 / 5 + 2 * 2 / 4 + 1 * 2 / 3) / 6)
    assert score.per_class_recall == {"a": pytest.approx(2 / 3), "b": 0.5, "c": 1.0}
    assert score.as_dict()["total_samples"] == 6


def test_always_the_largest_class_gives_the_known_chance_figures():
    true = [0] * 250 + [1] * 109 + [2] * 83
    score = score_recognition(true, [0] * 442, ("negative", "positive", "surprise"))
    assert score.uf1 == pytest.approx(0.241, abs=5e-4)
    assert score.uar == pytest.approx(1 / 3)


def test_a_class_that_does_not_occur_is_not_averaged():
    score = score_recognition([0, 1], [0, 2], ("a", "b", "c"))
    assert score.uar == pytest.approx(0.5)
    assert score.per_class_recall["c"] is None


def test_nothing_at_all_scores_zero():
    score = score_recognition([], [], ("a", "b"))
    assert (score.accuracy, score.uar, score.uf1, score.total) == (0.0, 0.0, 0.0, 0)


def test_bootstrap_holds_the_figure_and_is_seeded():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 120)
    predicted = np.where(rng.random(120) < 0.7, true, rng.integers(0, 3, 120))
    subjects = [f"s{i % 12}" for i in range(120)]
    classes = ("a", "b", "c")
    first = bootstrap_over_subjects(true, predicted, subjects, classes, seed=1, rounds=100)
    assert first == bootstrap_over_subjects(true, predicted, subjects, classes, seed=1, rounds=100)
    uf1 = score_recognition(true, predicted, classes).uf1
    assert first.uf1[0] < uf1 < first.uf1[1]


@pytest.mark.parametrize(
    ("first", "second", "iou"),
    [
        ((0, 4), (2, 6), 2 / 6),
        ((0, 1), (1, 2), 0.0),
        ((0, 1), (5, 6), 0.0),
        ((1, 3), (1, 3), 1.0),
        ((1, 1), (1, 1), 1.0),
    ],
)
def test_iou(first, second, iou):
    assert interval_iou(first, second) == pytest.approx(iou)
    assert interval_iou(second, first) == pytest.approx(iou)


def test_spotting_matches_one_to_one_and_counts_from_one_half_on():
    true = [(0.0, 1.0), (2.0, 3.0), (5.0, 6.0)]
    spotted = [(0.0, 0.5), (0.0, 0.9), (2.4, 3.4), (9.0, 9.5)]
    score = score_spotting(true, spotted)
    assert score.matches == ((0, 1),)
    assert (score.true_positives, score.false_positives, score.false_negatives) == (1, 3, 2)
    assert score.precision == pytest.approx(1 / 4)
    assert score.recall == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 / 7)
    assert score_spotting([(0.0, 1.0)], [(0.0, 0.5)]).true_positives == 1


def test_spotting_pools_counts_over_videos():
    parts = [score_spotting([(0.0, 1.0)], [(0.0, 1.0)]), score_spotting([(0.0, 1.0)], [])]
    pooled = pooled_spotting(parts)
    assert pooled.f1 == pytest.approx(2 / 3)
    assert score_spotting([], []).f1 == 0.0


def test_apex_errors_of_the_matched_events_alone():
    score = score_spotting([(0.0, 1.0), (3.0, 4.0)], [(3.1, 4.0)])
    np.testing.assert_allclose(apex_errors([0.5, 3.5], [3.4], score), [-0.1])
