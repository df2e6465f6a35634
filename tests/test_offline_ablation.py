"""Blocks of features, alone and left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import SETTINGS, tiny_samples

from offline.ablate_command import ABLATION
from offline.ablation import (
    ALL,
    AS_SET,
    BLOCKS,
    Variant,
    ablate,
    blocks_of,
    figures,
    fit_blocks,
    wanted_variants,
)
from offline.cli import main
from offline.results import Predictions
from offline.training import add_scorer, fit_networks, predict, train
from offline.training_settings import TrainingSettings
from realtime.features.spec import BLOCKS as SLICES


def test_every_block_is_tried_alone_and_left_out() -> None:
    wanted = wanted_variants(TrainingSettings())
    assert wanted[AS_SET] == ("cnn-flow", "flow", "au")
    assert wanted[ALL] == BLOCKS
    assert wanted["only hog"] == ("hog",)
    assert wanted["without hog"] == tuple(block for block in BLOCKS if block != "hog")
    assert len(wanted) == 2 + 2 * len(BLOCKS)


def test_a_model_is_made_in_two_steps_or_in_one() -> None:
    once = train(tiny_samples(), SETTINGS)
    twice = add_scorer(fit_networks(tiny_samples(), SETTINGS), SETTINGS)
    np.testing.assert_array_equal(predict(once, tiny_samples()), predict(twice, tiny_samples()))


@pytest.fixture(scope="module")
def variants() -> dict[str, Variant]:
    whole = tiny_samples()
    pictured = np.flatnonzero(whole.frame_rows >= 0)
    sets = {"flow": whole.flow_only(), "pictures": whole.subset(pictured)}
    return {variant.name: variant for variant in ablate(whole, SETTINGS, sets)}


def test_the_variant_of_all_blocks_is_the_model_that_has_them(variants: dict[str, Variant]) -> None:
    assert blocks_of(SETTINGS) == BLOCKS
    expected = predict(train(tiny_samples(), SETTINGS), tiny_samples().flow_only())
    np.testing.assert_array_equal(variants[ALL].predictions["flow"].probabilities, expected)
    np.testing.assert_array_equal(variants[AS_SET].predictions["flow"].probabilities, expected)


def test_what_sees_pictures_alone_is_not_asked_about_flow(variants: dict[str, Variant]) -> None:
    for block in ("cnn-frames", "lbp_top", "hog"):
        assert set(variants[f"only {block}"].predictions) == {"pictures"}
    for block in ("cnn-flow", "flow", "au"):
        assert set(variants[f"only {block}"].predictions) == {"flow", "pictures"}


def test_a_block_alone_does_not_hear_the_others() -> None:
    fitted = fit_networks(tiny_samples(), SETTINGS)
    model = fit_blocks(fitted, SETTINGS, ("hog",))
    assert model.scorer.fusion.weights[:2].tolist() == [0.0, 0.0]
    assert model.network.prior is None
    usual = np.nanmean(fitted.stack.features, axis=0)[None]
    spread = np.nanstd(fitted.stack.features, axis=0)
    before = model.scorer.svm.decisions(usual)
    for name, block in SLICES.items():
        changed = usual.copy()
        changed[:, block] += spread[block]
        heard = not np.array_equal(model.scorer.svm.decisions(changed), before)
        assert heard == (name == "hog"), name


def test_figures_are_paired_with_all_blocks() -> None:
    truth, right = np.arange(12) % 3, np.arange(12) % 3
    people = tuple(f"p{i // 3}" for i in range(12))

    def guessed(name: str, labels: np.ndarray) -> Variant:
        found = Predictions(name, name, ("a", "b", "c"), people, truth, labels, np.eye(3)[labels])
        return Variant(name, (), {"set": found})

    wrong = right.copy()
    wrong[:3] = (1, 2, 0)
    found = figures({ALL: guessed(ALL, right), "only x": guessed("only x", wrong)}, rounds=100)
    assert found[ALL]["set"]["accuracy"]["minus_all"] == 0.0
    assert found["only x"]["set"]["accuracy"]["value"] == pytest.approx(0.75)
    low, high = found["only x"]["set"]["accuracy"]["interval_95"]
    assert low <= -0.25 <= high


def test_the_command_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "epochs: 1\nbatch: 16\nnetwork: {members: 2, member_features: 48, frame_size: 16}\n"
        "prior: {samples: 60, epochs: 1}\n"
    )
    out = tmp_path / "ablation"
    options = ["--synthetic", "32", "--test", "24", "--config", str(config), "--out", str(out)]
    assert main(["ablate", *options]) == 0
    shown = capsys.readouterr().out
    assert "without cnn-flow" in shown
    about = json.loads((out / ABLATION).read_text())
    assert about["as_set"] == ["cnn-flow", "flow", "au"]
    assert about["sets"]["direct_flow"]["samples"] == 24
    assert set(about["variants"]["only au"]) == {"direct_flow"}
    assert about["variants"]["only hog"] == {}
    assert main(["ablate", "--synthetic", "32", "--test", "3", "--out", str(out)]) == 2
