"""Leave-one-subject-out evaluation and the commands around it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_model import SETTINGS, tiny_bundle

from offline import cli, loso, train_command
from offline.evaluate_command import score_probabilities
from offline.loso import evaluate_loso
from offline.samples import FOUR_CLASSES, MEGC_CLASSES, direct_samples, sample_set
from offline.trained_model import load_trained, parse_settings
from realtime.errors import ConfigError, UsageError

QUICK = dataclasses.replace(SETTINGS, epochs=2)


@pytest.fixture
def quick_yaml(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("epochs: 1\nsvm: {c: [1.0], gamma: [0.001], folds: 2, max_samples: 40}\n")
    return path


@pytest.fixture(scope="module")
def samples():
    return direct_samples(48, 7, FOUR_CLASSES, 3)


@pytest.fixture(scope="module")
def results(samples):
    return evaluate_loso(samples, QUICK)


def test_results_hold_everything_and_add_up(samples, results):
    wanted = "overall_accuracy uar uf1 per_class_recall confusion_matrix subject_results total_samples"
    assert set(wanted.split()) <= set(results)
    assert results["total_samples"] == np.sum(results["confusion_matrix"]) == 48
    assert set(results["subject_results"]) == set(samples.subjects)
    right = sum(np.diag(results["confusion_matrix"]))
    by_subject = sum(r["accuracy"] * r["samples"] for r in results["subject_results"].values())
    assert by_subject == pytest.approx(right)
    assert len(results["training_curves"]) == 3
    json.dumps(results)


def test_no_fold_sees_its_left_out_subject(samples, monkeypatch):
    seen = []
    original = loso.train

    def spy(training, settings):
        seen.append(set(training.subjects))
        return original(training, settings)

    monkeypatch.setattr(loso, "train", spy)
    evaluate_loso(samples, dataclasses.replace(QUICK, epochs=1))
    people = sorted(set(samples.subjects))
    assert seen == [set(people) - {person} for person in people]


def test_results_do_not_depend_on_the_left_out_labels(samples, results):
    labels = samples.labels.copy()
    first = np.flatnonzero(np.array(samples.subjects) == sorted(set(samples.subjects))[0])
    labels[first] = (labels[first] + 1) % 4
    changed = evaluate_loso(sample_set(samples.flows, labels, FOUR_CLASSES, samples.subjects), QUICK)
    subject = samples.subjects[first[0]]
    assert (
        changed["subject_results"][subject]["predicted"] == results["subject_results"][subject]["predicted"]
    )


def test_groups_of_subjects_and_their_limits(samples):
    grouped = evaluate_loso(samples, dataclasses.replace(QUICK, epochs=1), groups=2)
    assert sorted(map(len, (key.split() for key in grouped["training_curves"]))) == [1, 2]
    with pytest.raises(UsageError, match="2 to 3"):
        evaluate_loso(samples, QUICK, groups=4)


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


def test_evaluate_command_leaves_subjects_out(tmp_path, quick_yaml, capsys):
    out = tmp_path / "deep" / "results.json"
    options = ["--synthetic", "24", "--identities", "2", "--protocol", "megc-3", "--config", str(quick_yaml)]
    assert cli.main(["evaluate", *options, "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["classes"] == list(MEGC_CLASSES)
    assert results["versions"]["torch"]
    assert "UF1" in capsys.readouterr().out


def test_evaluate_command_scores_a_bundle(tmp_path, capsys):
    out = tmp_path / "results.json"
    options = ["--bundle", str(tiny_bundle()), "--synthetic", "24", "--protocol", "megc-3"]
    assert cli.main(["evaluate", *options, "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["model_classes"] == list(FOUR_CLASSES)
    assert results["total_samples"] == 24


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
    assert "glimpse[train]" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unseen_test_samples_are_other_people():
    assert train_command.TEST_IDENTITIES_FROM > 10_000
