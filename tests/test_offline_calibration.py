"""Calibration and selective classification, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from offline.calibration import calibration, calibration_results, risk_coverage, risk_curve


def two(*confidences):
    """Rows of two classes that all say the first one."""
    return np.array([[c, 1.0 - c] for c in confidences])


def test_calibration_counted_by_hand():
    # the third is wrong; bins (.8, 1], (.6, .8], (.4, .6]
    found = calibration(np.array([0, 0, 1, 0]), two(0.9, 0.9, 0.8, 0.6), bins=5)
    assert [part.samples for part in found.reliability] == [0, 0, 1, 1, 2]
    assert found.ece == pytest.approx((2 * 0.1 + 1 * 0.8 + 1 * 0.4) / 4)
    assert found.brier == pytest.approx((2 * 0.02 + 2 * 0.64 + 2 * 0.16) / 4)
    assert found.reliability[0].accuracy is None
    assert found.reliability[4].confidence == pytest.approx(0.9)


def test_the_ends_of_the_scale_have_bins():
    found = calibration(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found.reliability[-1].samples == 2
    assert (found.ece, found.brier) == (0.0, 0.0)


def test_ten_sure_errors_are_the_worst_there_is():
    found = calibration(np.ones(10, dtype=int), two(*[1.0] * 10))
    assert (found.ece, found.brier) == (1.0, 2.0)


def test_probabilities_that_are_kept_are_calibrated():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 40_000)
    true = (rng.random(40_000) > confidence).astype(np.intp)
    assert calibration(true, two(*confidence)).ece < 0.01


def test_risk_and_coverage_counted_by_hand():
    true, rows = np.array([0, 1, 0, 1]), two(0.9, 0.8, 0.7, 0.6)
    coverage, threshold, risk = risk_curve(true, rows)
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(threshold, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 2 / 4])
    found = risk_coverage(true, rows)
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert [(p.samples, p.threshold) for p in found.table] == [(4, 0.6), (3, 0.7), (2, 0.8), (1, 0.9)]


def test_equal_confidences_have_no_order():
    rows = two(0.9, 0.7, 0.7, 0.7)
    found = [risk_coverage(np.array(true), rows) for true in ([0, 1, 0, 0], [0, 0, 0, 1])]
    assert found[0] == found[1]
    assert [point.samples for point in found[0].table] == [4, 1]
    assert found[0].aurc == pytest.approx((0 + 1 / 6 + 2 / 9 + 1 / 4) / 4)


def test_a_threshold_of_the_table_keeps_just_its_samples():
    rng = np.random.default_rng(3)
    rows = rng.dirichlet((0.5, 0.5, 0.5), 200)
    true = rng.integers(0, 3, 200)
    for point in risk_coverage(true, rows).table:
        kept = rows.max(axis=1) >= point.threshold
        assert kept.sum() == point.samples
        assert point.coverage == pytest.approx(kept.mean())
        assert point.risk == pytest.approx((rows.argmax(axis=1) != true)[kept].mean())


def test_the_results_are_json():
    results = json.loads(json.dumps(calibration_results(np.array([0, 1]), two(0.9, 0.6))))
    assert len(results["reliability"]) == 15
    assert results["risk_coverage"]["table"][0]["coverage"] == 1.0
