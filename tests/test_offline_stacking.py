"""Weights follow what a source is worth on samples that it had not seen; sources without scores get none."""

from __future__ import annotations

import numpy as np

from offline.stacking import Stack, fit_fusion, fit_scorer, fit_units
from offline.svm_fitting import SvmSettings
from realtime.features.spec import BLOCKS, FEATURE_NAMES


def labels(count: int = 240) -> np.ndarray:
    return np.arange(count) % 3


def test_a_source_that_knows_counts_and_one_that_guesses_does_not() -> None:
    rng = np.random.default_rng(0)
    truth = labels()
    scores = rng.normal(size=(240, 3, 3))
    scores[:, 0] += 2.0 * np.eye(3)[truth]
    scores[:, 2] = 0.0
    fusion, loss = fit_fusion(scores, truth, np.ones(240))
    assert fusion.weights[0] > 1.0
    assert fusion.weights[1] == fusion.weights[2] == 0.0
    assert loss < np.log(3)
    probabilities = fusion.probabilities(scores)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    assert abs(confidence.mean() - right.mean()) < 0.05


def test_sources_that_are_worth_as_much_count_alike_whatever_their_scale() -> None:
    rng = np.random.default_rng(4)
    truth = labels()
    scores = rng.normal(size=(240, 3, 3)) + 1.0 * np.eye(3)[truth][:, None]
    fusion, _ = fit_fusion(scores * np.array([1.0, 10.0, 0.1])[:, None], truth, np.ones(240))
    np.testing.assert_allclose(fusion.weights * [1.0, 10.0, 0.1], fusion.weights[0], rtol=0.25)


def test_what_a_source_says_of_everybody_alike_does_not_count() -> None:
    rng = np.random.default_rng(5)
    truth, fold = labels(), np.arange(240) // 3 % 4
    scores = np.zeros((240, 3, 3))
    scores[:, 0] = rng.normal(size=(240, 3)) + 2.0 * np.eye(3)[truth]
    scores[:, 1] = rng.normal(size=(4, 3))[fold]  # intercepts of a machine that saw nothing
    scores[:, 2] = [1e-4, 0.0, -1e-4]
    fusion, _ = fit_fusion(scores, truth, np.ones(240))
    assert fusion.weights[0] > 1.0
    assert fusion.weights[1] == fusion.weights[2] == 0.0
    silent, loss = fit_fusion(np.zeros((240, 3, 3)), truth, np.ones(240))
    assert not silent.weights.any()
    assert abs(loss - np.log(3)) < 1e-6


def test_importance_moves_the_shares_of_the_classes() -> None:
    scores = np.random.default_rng(1).normal(size=(240, 3, 3))
    importance = np.where(labels() == 1, 4.0, 1.0)
    fusion, _ = fit_fusion(scores, labels(), importance)
    np.testing.assert_allclose(fusion.probabilities(scores).mean(axis=0), [1 / 6, 4 / 6, 1 / 6], atol=0.05)


def test_the_svm_is_judged_on_folds_that_it_had_not_seen() -> None:
    rng = np.random.default_rng(2)
    truth = labels(120)
    features = rng.normal(size=(120, len(FEATURE_NAMES)))
    features[:, BLOCKS["hog"]] += 5.0 * truth[:, None]
    stack = Stack(features, np.zeros((120, 2, 3)), truth, np.arange(120) // 3 % 4, np.ones(120))
    off = np.zeros(len(FEATURE_NAMES), dtype=bool)
    _, choice = fit_scorer(stack, off, SvmSettings())
    assert choice["weight_svm"] == 0.0
    noise = off.copy()
    noise[BLOCKS["flow"]] = True
    assert fit_scorer(stack, noise, SvmSettings())[1]["log_loss"] > 0.9
    hog = off.copy()
    hog[BLOCKS["hog"]] = True
    scorer, choice = fit_scorer(stack, hog, SvmSettings())
    assert choice["log_loss"] < 0.3
    found = scorer.probabilities(stack.scores, features)
    assert (found.argmax(axis=1) == truth).all()
    features[:, BLOCKS["au"]] = np.nan
    np.testing.assert_allclose(scorer.probabilities(stack.scores, features), found)


def test_action_units_are_calibrated_one_by_one() -> None:
    rng = np.random.default_rng(3)
    targets = (rng.random((400, 13, 2)) < 0.3).astype(float)
    targets[:, 1] = np.nan
    targets[:, 2] = 1.0
    logits = 8.0 * (targets - 0.5) + rng.normal(0.0, 8.0, targets.shape)
    logits = np.nan_to_num(logits)
    units = fit_units(logits, targets)
    assert units.slopes[1] == units.slopes[2] == 1.0
    found = units.probabilities(logits)[:, 0]
    assert abs(found.mean() - 0.3) < 0.05
    assert 0.0 < units.slopes[0] < 0.5
