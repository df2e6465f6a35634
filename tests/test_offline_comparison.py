"""Paired comparison of two evaluations, counted by hand."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from offline import cli
from offline.comparison import compare, mcnemar_exact
from offline.results import Predictions, open_folder, read_predictions
from realtime.errors import DataError, OutputError

CLASSES = ("a", "b")


def predictions(predicted: list[int], name: str = "x") -> Predictions:
    """Eight samples of four subjects, two of each class per pair of subjects."""
    true = np.array([0, 1] * 4)
    rows = np.eye(len(CLASSES))[predicted]
    return Predictions(name, name, CLASSES, tuple("ppqqrrss"), true, np.array(predicted), rows)


def test_differences_counted_by_hand():
    first = predictions([0, 1, 0, 1, 1, 0, 1, 1])  # right: 5 of 8 (p, q, and s's second)
    second = predictions([0, 1, 0, 1, 0, 1, 0, 0])  # right: 7 of 8 (all but s's second)
    comparison = compare(first, second)
    assert (comparison.samples, comparison.subjects) == (8, 4)
    assert (comparison.only_first_right, comparison.only_second_right) == (1, 3)
    accuracy, uar, uf1 = (comparison.figures[name] for name in ("accuracy", "uar", "uf1"))
    assert (accuracy.first, accuracy.second, accuracy.difference) == (0.625, 0.875, 0.25)
    # recalls: first a 2/4, b 3/4; second a 4/4, b 3/4
    assert (uar.first, uar.second) == (0.625, 0.875)
    # F1: first a 4/(4+1+2), b 6/(6+2+1); second a 8/(8+1+0), b 6/(6+0+1)
    assert uf1.first == pytest.approx((4 / 7 + 6 / 9) / 2)
    assert uf1.second == pytest.approx((8 / 9 + 6 / 7) / 2)
    # a round draws four subjects, whose accuracies differ by 0, 0, 1 and 0
    assert accuracy.low == 0.0
    assert 0.5 <= accuracy.high <= 0.75
    assert comparison.mcnemar_p == pytest.approx(10 / 16)


def test_mcnemar_is_the_binomial_tail_on_both_sides():
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(3, 3) == 1.0
    assert mcnemar_exact(0, 5) == pytest.approx(2 / 32)
    assert mcnemar_exact(2, 8) == mcnemar_exact(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)


def test_nothing_differs_from_itself_and_the_seed_decides():
    one, two = predictions([0, 1, 1, 1, 0, 0, 0, 1]), predictions([0, 0, 0, 1, 0, 1, 1, 1])
    same = compare(one, one, rounds=200)
    assert all((f.difference, f.low, f.high) == (0, 0, 0) for f in same.figures.values())
    assert compare(one, two, 1, 200) == compare(one, two, 1, 200)
    there, back = (compare(*pair, rounds=200).figures["uar"] for pair in ((one, two), (two, one)))
    assert there.difference == -back.difference


@pytest.mark.parametrize(
    "change",
    [{"subjects": tuple("ppqqrrst")}, {"classes": ("a", "c")}, {"true": np.array([1, 1] * 4)}],
)
def test_other_samples_are_refused(change):
    one = predictions([0] * 8, "one")
    with pytest.raises(DataError, match="one and two are not of the same samples"):
        compare(one, dataclasses.replace(predictions([0] * 8, "two"), **change))


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "coarse.yaml").write_text("grid: 2\n")
    common = ["evaluate", "--synthetic", "40", "--identities", "4", "--method", "flow-grid", "--no-figures"]
    assert cli.main([*common, "--out", str(folder / "a")]) == 0
    assert cli.main([*common, "--config", str(folder / "coarse.yaml"), "--out", str(folder / "b")]) == 0
    return folder


def test_command_prints_a_table_and_writes_it(evaluations, tmp_path, capsys):
    a, b = str(evaluations / "a"), str(evaluations / "b")
    capsys.readouterr()
    assert cli.main(["compare", a, b, "--rounds", "200", "--json", str(tmp_path / "x.json")]) == 0
    said = capsys.readouterr().out
    assert "A: flow-grid" in said
    assert "McNemar, exact" in said
    figures = json.loads((tmp_path / "x.json").read_text())
    results = [json.loads((evaluations / name / "results.json").read_text()) for name in "ab"]
    assert figures["figures"]["uf1"]["difference"] == pytest.approx(results[1]["uf1"] - results[0]["uf1"])
    assert f"{figures['figures']['uf1']['difference']:+.3f}" in said


def test_what_cannot_be_compared_is_one_line(evaluations, tmp_path, capsys):
    a = str(evaluations / "a")
    assert cli.main(["compare", a, str(tmp_path / "none")]) == 1
    assert "no evaluation in" in capsys.readouterr().err
    assert cli.main(["compare", a, a, "--rounds", "3"]) == 2
    other = tmp_path / "mixed"
    open_folder(other)
    (other / "results.json").write_bytes((evaluations / "a" / "results.json").read_bytes())
    (other / "predictions.csv").write_bytes((evaluations / "b" / "predictions.csv").read_bytes())
    with pytest.raises(DataError, match="of different runs"):
        read_predictions(other)


def test_results_go_into_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "results.json"):
        with pytest.raises(OutputError, match="is no folder"):
            open_folder(tmp_path / name)
