"""The commands `train` and `evaluate`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from tiny_model import tiny_bundle, tiny_trained_folder

from export.cli import main as export_main
from offline import cli, train_command
from offline import prior as prior_module
from offline import samples as samples_module
from offline.evaluate_command import score_probabilities
from offline.results import read_predictions
from offline.samples import FOUR_CLASSES, MEGC_CLASSES, sample_set
from offline.synthesis.direct import make_flow_set
from offline.trained_model import load_trained, parse_settings
from realtime.errors import ConfigError, UsageError


@pytest.fixture
def quick_yaml(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("epochs: 1\nsvm: {c: [1.0], gamma: [0.001], folds: 2, max_samples: 40}\n")
    return path


def test_four_classes_are_summed_into_three():
    flows = np.zeros((2, 3, 2, 64, 64), np.float32)
    truth = sample_set(flows, [0, 1], MEGC_CLASSES, ["a", "b"])
    probabilities = np.array([[0.4, 0.0, 0.3, 0.3], [0.5, 0.1, 0.2, 0.2]])
    assert score_probabilities(truth, probabilities, FOUR_CLASSES)["overall_accuracy"] == 1.0
    with pytest.raises(UsageError, match="cannot be scored"):
        score_probabilities(truth, probabilities, ("a", "b", "c", "d"))


def test_settings_are_read_strictly():
    settings = parse_settings({"svm": {"c": [1, 2]}, "augment": {"mirror": 0}}, "x.yaml")
    assert settings.svm.c == (1.0, 2.0)
    assert settings.augment.mirror == 0.0
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        parse_settings({"epoch": 3}, "x.yaml")


def test_train_command_writes_a_model(tmp_path, quick_yaml, capsys):
    out = tmp_path / "trained"
    options = ["--synthetic", "40", "--identities", "4", "--test", "16", "--config", str(quick_yaml)]
    assert cli.main(["train", *options, "--out", str(out)]) == 0
    model, about = load_trained(out)
    assert model.classes == FOUR_CLASSES
    assert about["training_data"]["samples"] == 40
    assert set(about["metrics"]) == {"unseen_direct_flow", "unseen_direct_flow_onset_apex_flow_only"}
    assert "epoch  1" in capsys.readouterr().out


def test_samples_and_prior_are_made_as_the_settings_have_it(tmp_path, quick_yaml, monkeypatch):
    quick_yaml.write_text(quick_yaml.read_text() + "as_measured: true\nprior: {samples: 60, epochs: 1}\n")
    asked = []

    def make(*args, **options):
        asked.append(options["as_measured"])
        return make_flow_set(*args, **options)

    monkeypatch.setattr(samples_module, "make_flow_set", make)
    monkeypatch.setattr(prior_module, "make_flow_set", make)
    options = ["--synthetic", "40", "--identities", "4", "--test", "16", "--config", str(quick_yaml)]
    assert cli.main(["train", *options, "--out", str(tmp_path / "trained")]) == 0
    assert asked == [True, True, True]  # trained on, the prior's, scored on
    assert load_trained(tmp_path / "trained")[0].settings.as_measured


def test_evaluate_command_leaves_subjects_out(tmp_path, quick_yaml, capsys):
    out = tmp_path / "deep" / "loso"
    options = ["--synthetic", "24", "--identities", "2", "--protocol", "megc-3", "--config", str(quick_yaml)]
    assert cli.main(["evaluate", *options, "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["method"] == "hybrid"
    assert results["classes"] == list(MEGC_CLASSES)
    assert results["versions"]["torch"]
    assert results["settings"]["epochs"] == 1
    assert results["class_weights"] == {"negative": 1.0, "positive": 1.0, "surprise": 1.0}
    assert set(results["per_dataset"]) == {"synthetic"}
    assert results["per_dataset"]["synthetic"]["uf1"] == results["uf1"]
    assert {"weighted_f1", "seed", "timestamp"} <= set(results)
    assert len(list((out / "folds").glob("*.json"))) == 2
    assert "UF1" in capsys.readouterr().out


def test_predictions_are_those_that_were_scored(tmp_path):
    out = tmp_path / "results"
    options = ["--synthetic", "24", "--identities", "3", "--method", "flow-grid"]
    assert cli.main(["evaluate", *options, "--no-figures", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 24
    right = sum(row["true"] == row["predicted"] for row in rows)
    assert results["overall_accuracy"] == pytest.approx(right / 24)
    for row in rows:
        shares = {name: float(row[f"p_{name}"]) for name in FOUR_CLASSES}
        assert max(shares, key=shares.__getitem__) == row["predicted"]
        assert row["predicted"] in results["subject_results"][row["subject"]]["predicted"]


def test_flow_maps_are_scored_by_dataset(tmp_path):
    rng = np.random.default_rng(0)
    for subject in ("sub01", "sub02", "s1", "s20", "006", "007"):
        for label in range(3):
            path = tmp_path / "maps" / subject / "u_test" / str(label)
            path.mkdir(parents=True)
            cv2.imwrite(str(path / "a.png"), rng.integers(0, 256, (28, 28, 3), dtype=np.uint8))
    options = ["--dataset", f"flow-maps={tmp_path / 'maps'}", "--method", "flow-grid"]
    assert cli.main(["evaluate", *options, "--no-figures", "--out", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {name: part["total_samples"] for name, part in results["per_dataset"].items()} == {
        "casme2": 6,
        "samm": 6,
        "smic_hs": 6,
    }
    assert results["data"]["left_out"] == 0
    assert (tmp_path / "out" / "excluded.csv").read_text() == "dataset,subject,clip,where,reason\n"


def test_evaluate_command_scores_a_bundle(tmp_path, capsys):
    out = tmp_path / "results"
    options = ["--bundle", str(tiny_bundle()), "--synthetic", "24", "--protocol", "megc-3"]
    assert cli.main(["evaluate", *options, "--no-figures", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["model_classes"] == list(FOUR_CLASSES)
    assert results["total_samples"] == 24
    assert read_predictions(out).method == results["bundle"]["name"]


def test_a_card_can_state_the_results(tmp_path):
    options = ["--synthetic", "24", "--identities", "3", "--method", "flow-grid"]
    assert cli.main(["evaluate", *options, "--no-figures", "--out", str(tmp_path / "loso")]) == 0
    bundle = tmp_path / "bundle"
    evaluation = str(tmp_path / "loso" / "results.json")
    assert (
        export_main(
            [str(tiny_trained_folder()), "--out", str(bundle), "--name", "tiny", "--evaluation", evaluation]
        )
        == 0
    )
    assert "24 samples" in (bundle / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "svm"], "unknown method"),
        (["--method", "lbp-top"], "needs key frames"),
        (["--bundle", "default", "--method", "hybrid"], "go without it"),
        (["--method", "flow-grid", "--jobs", "0"], "--jobs is 0"),
        (["--method", "flow-grid", "--seed", "-1"], "--seed is -1"),
        (["--method", "flow-grid", "--out", "results.json"], "is no folder"),
    ],
)
def test_evaluations_that_cannot_be_are_one_line(tmp_path, monkeypatch, options, said, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", "--synthetic", "16", "--identities", "2", *options]) in (1, 2)
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("options", [["--method", "svm"], ["--bundle", "none-such"]])
def test_a_mistyped_name_leaves_no_folder(tmp_path, options):
    out = tmp_path / "loso"
    assert cli.main(["evaluate", "--synthetic", "16", *options, "--out", str(out)]) in (1, 2)
    assert not out.exists()


def test_flow_grid_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "found = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name == 'torch' else found(name, *rest)\n"
        "from offline.cli import main\n"
        "common = ['evaluate', '--synthetic', '16', '--identities', '2']\n"
        "common += ['--no-figures', '--out', sys.argv[1]]\n"
        "assert main([*common, '--method', 'flow-grid']) == 0\n"
        "assert 'torch' not in sys.modules\n"
        "raise SystemExit(main([*common, '--method', 'ststnet']))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "'.[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--synthetic", "-3"],
        ["--synthetic", "8", "--identities", "0"],
        ["--dataset", "flow-maps"],
        ["--dataset", "videos=x"],
        ["--dataset", "flow-maps=x", "--synthetic", "8"],
        ["--dataset", "flow-maps=x", "--protocol", "four"],
        ["--dataset", "flow-maps=x", "--keyframes", "detected"],
        ["--dataset", "casme2"],
        ["--dataset", "casme2=x", "--cache", "y"],
        ["--dataset", "casme2:long=x"],
        ["--dataset", "casme2=x", "--dataset", "casme2=y"],
        ["--dataset", "samm=x", "--dataset", "samm_long=y"],
        ["--synthetic", "8", "--keyframes", "detected"],
        ["--synthetic", "8", "--spot-apex"],
        ["--synthetic", "8", "--protocol", "objective"],
        ["--synthetic", "8", "--protocol", "own"],
    ],
)
def test_senseless_options_are_refused_in_one_line(tmp_path, options, capsys):
    assert cli.main(["train", *options, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_dataset_is_one_line(tmp_path, capsys):
    options = ["--dataset", f"flow-maps={tmp_path / 'none'}", "--out", str(tmp_path / "out")]
    assert cli.main(["train", *options]) == 1
    assert "no folder" in capsys.readouterr().err


def test_commands_parse_without_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from offline.cli import main\n"
        f"raise SystemExit(main(['train', '--synthetic', '8', '--out', {str(tmp_path / 'x')!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'.[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unseen_test_samples_are_other_people():
    assert train_command.TEST_IDENTITIES_FROM > 10_000
