"""Leave-one-subject-out: nothing of the left-out subject gets in, and a killed run goes on."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from offline import cli
from offline.fold_store import FoldStore, fingerprint
from offline.loso import evaluate_loso, leave_out, pooled_probabilities, unlabelled
from offline.methods import make_method
from offline.methods.base import FittedDecision
from offline.results import TIMES
from offline.samples import FOUR_CLASSES, SampleSet, direct_samples, sample_set
from realtime.errors import DataError, OutputError, UsageError

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class NoSettings:
    none: int = 0


@dataclass
class Nearest:
    """The label of the most similar training sample; remembers what it was shown."""

    name: ClassVar[str] = "nearest"
    calibrated: ClassVar[bool] = False
    settings: NoSettings = field(default_factory=NoSettings)
    seen: list[SampleSet] = field(default_factory=list)

    def fit(self, samples, seed):
        self.seen.append(samples)
        return NearestFitted(samples)


@dataclass
class NearestFitted:
    samples: SampleSet
    curve: tuple = ()

    def predict_proba(self, samples):
        known = self.samples.flows[:, 0].reshape(len(self.samples), -1)
        asked = samples.flows[:, 0].reshape(len(samples), -1)
        nearest = ((asked[:, None] - known[None]) ** 2).sum(axis=2).argmin(axis=1)
        return np.eye(len(samples.classes))[self.samples.labels[nearest]]


@pytest.fixture(scope="module")
def samples():
    return direct_samples(48, 7, FOUR_CLASSES, 3)


@pytest.fixture(scope="module")
def named() -> SampleSet:
    """Every subject has one label, and a flow that is nothing but the subject's name."""
    rng = np.random.default_rng(0)
    names = [f"p{i % 6}" for i in range(36)]
    flows = np.zeros((36, 3, 2, 64, 64), np.float32)
    for i in range(36):
        flows[i, :, :, 10 * (i % 6), :8] = 1.0
    flows += rng.normal(0, 0.01, flows.shape).astype(np.float32)
    return sample_set(flows, [(i % 6) % 2 for i in range(36)], ("a", "b"), names)


@dataclass
class Spy(Nearest):
    """Its list is shared between the copies that folds work on."""

    def __deepcopy__(self, memo):
        return Spy(seen=self.seen)


def test_a_feature_that_names_the_subject_is_worth_nothing(named):
    halves = named.subset(range(18)), named.subset(range(18, 36))
    leaky = Nearest().fit(halves[0], 0).predict_proba(halves[1]).argmax(axis=1)
    assert (leaky == halves[1].labels).all()  # samples of one subject on both sides: looks perfect
    assert evaluate_loso(named, Nearest())["overall_accuracy"] <= 0.5


def test_no_fold_sees_anything_of_its_left_out_subject(samples):
    spy = Spy()
    results = leave_out(samples, spy)
    people = sorted(set(samples.subjects))
    assert [set(seen.subjects) for seen in spy.seen] == [set(people) - {person} for person in people]
    for seen, result in zip(spy.seen, results, strict=True):
        held_out = {samples.flows[i].tobytes() for i in result.indices}
        assert len(seen) + len(result.indices) == len(samples)
        assert not held_out & {flow.tobytes() for flow in seen.flows}
        assert len(seen.frames) == (seen.frame_rows >= 0).sum()


def test_a_scaler_is_fitted_on_the_training_subjects_alone(samples):
    shifted = np.flatnonzero(np.array(samples.subjects) == samples.subjects[0])
    flows = samples.flows.copy()
    flows[shifted, 0] *= np.linspace(-3, 3, 64, dtype=np.float32)
    odd = dataclasses.replace(samples, flows=flows)
    results = {result.subjects[0]: result for result in leave_out(odd, KeepsScaler())}
    out = results[samples.subjects[0]]
    rest = np.setdiff1d(np.arange(len(samples)), shifted)
    honest = make_method("flow-grid").fit(odd.subset(rest), 0)
    everything = make_method("flow-grid").fit(odd, 0)
    scaled = out.curve[0]["scaler mean"]
    assert scaled == pytest.approx(float(np.abs(honest.machine[0].mean_).sum()))
    assert scaled != pytest.approx(float(np.abs(everything.machine[0].mean_).sum()), rel=1e-3)


@dataclass
class KeepsScaler:
    """`flow-grid` that reports its scaler as a training curve."""

    name: ClassVar[str] = "keeps-scaler"
    calibrated: ClassVar[bool] = False
    settings: NoSettings = field(default_factory=NoSettings)

    def fit(self, samples, seed):
        fitted = make_method("flow-grid").fit(samples, seed)
        mean = float(np.abs(fitted.machine[0].mean_).sum())
        return WithCurve(fitted, ({"scaler mean": mean},))


@dataclass
class WithCurve:
    fitted: FittedDecision
    curve: tuple

    def predict_proba(self, samples):
        return self.fitted.predict_proba(samples)


@dataclass
class Hoarder(Nearest):
    """Would learn from the training samples of all folds so far, and so from each left-out subject."""

    def fit(self, samples, seed):
        self.seen.append(samples)
        return NearestFitted(self.seen[0])


def test_what_a_method_remembers_does_not_cross_folds(named):
    method = Hoarder()
    assert evaluate_loso(named, method)["overall_accuracy"] <= 0.5
    assert method.seen == []


@dataclass
class Peeker(Nearest):
    """Predicts the label, or the subject's label, that it finds with the sample."""

    def fit(self, samples, seed):
        return self

    curve: tuple = ()

    def predict_proba(self, samples):
        assert set(samples.subjects) == {""}
        return np.eye(len(samples.classes))[samples.labels % len(samples.classes)]


def test_the_samples_to_predict_come_without_labels_and_names(samples):
    results = evaluate_loso(samples, Peeker())
    assert results["overall_accuracy"] == pytest.approx(0.25)
    assert set(unlabelled(samples).labels.tolist()) == {-1}


def test_results_hold_everything_and_add_up(samples):
    results = evaluate_loso(samples, make_method("ststnet", {"epochs": 2}))
    assert results["total_samples"] == np.sum(results["confusion_matrix"]) == 48
    assert set(results["subject_results"]) == set(samples.subjects)
    right = sum(np.diag(results["confusion_matrix"]))
    by_subject = sum(r["accuracy"] * r["samples"] for r in results["subject_results"].values())
    assert by_subject == pytest.approx(right)
    assert [len(curve) for curve in results["training_curves"].values()] == [2, 2, 2]
    spent = results["timing"]
    assert set(spent["per_fold"]) == set(samples.subjects)
    for fold in spent["per_fold"].values():
        assert fold.pop("seconds") == pytest.approx(sum(fold.values()))
        assert {"fit", "predict"} <= set(fold)
    assert spent["folds_s"] == pytest.approx(sum(spent["spent_on_s"].values()))
    json.dumps(results)


def test_results_do_not_depend_on_the_left_out_labels(samples):
    results = evaluate_loso(samples, make_method("flow-grid"))
    labels = samples.labels.copy()
    first = np.flatnonzero(np.array(samples.subjects) == sorted(set(samples.subjects))[0])
    labels[first] = (labels[first] + 1) % 4
    changed = evaluate_loso(
        sample_set(samples.flows, labels, FOUR_CLASSES, samples.subjects), make_method("flow-grid")
    )
    subject = samples.subjects[first[0]]
    assert (
        changed["subject_results"][subject]["predicted"] == results["subject_results"][subject]["predicted"]
    )


def test_groups_of_subjects_and_their_limits(samples):
    grouped = evaluate_loso(samples, make_method("flow-grid"), groups=2)
    assert sorted(map(len, (key.split() for key in grouped["training_curves"]))) == [1, 2]
    for groups in (1, 4):
        with pytest.raises(UsageError, match="2 to 3"):
            leave_out(samples, make_method("flow-grid"), groups=groups)
    alone = samples.subset(np.flatnonzero(np.array(samples.subjects) == samples.subjects[0]))
    with pytest.raises(UsageError, match="all samples are of one subject"):
        leave_out(alone, make_method("flow-grid"))


def test_one_or_two_processes_give_the_same_results(samples):
    method = make_method("ststnet", {"epochs": 2})
    one, two = (leave_out(samples, method, jobs=jobs) for jobs in (1, 2))
    assert [r.subjects for r in one] == [r.subjects for r in two]
    assert np.array_equal(pooled_probabilities(samples, one), pooled_probabilities(samples, two))
    assert [r.curve for r in one] == [r.curve for r in two]


def test_kept_folds_are_not_fitted_again(samples, tmp_path):
    whole = leave_out(samples, Nearest(), folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    spy = Spy()
    spy.seen.clear()
    again = leave_out(samples, spy, folder=tmp_path)
    assert spy.seen == []
    assert np.array_equal(pooled_probabilities(samples, again), pooled_probabilities(samples, whole))
    gone = sorted(tmp_path.iterdir())[0]
    gone.write_text(gone.read_text()[:-40])  # not whole: fitted again
    leave_out(samples, spy, folder=tmp_path)
    assert len(spy.seen) == 1


def test_another_seed_setting_or_sample_is_another_run(samples):
    method = make_method("flow-grid")
    flows = samples.flows.copy()
    flows[3, 0, 0, 5, 5] += 1e-3
    labels = samples.labels.copy()
    labels[3] = (labels[3] + 1) % 4
    different = [
        fingerprint(samples, method, 0),
        fingerprint(samples, method, 1),
        fingerprint(samples, make_method("flow-grid", {"c": 2.0}), 0),
        fingerprint(samples, Nearest(), 0),
        fingerprint(dataclasses.replace(samples, flows=flows), method, 0),
        fingerprint(dataclasses.replace(samples, labels=labels), method, 0),
        fingerprint(dataclasses.replace(samples, subjects=samples.subjects[::-1]), method, 0),
        fingerprint(samples.subset(range(47)), method, 0),
    ]
    assert len(set(different)) == len(different)
    assert fingerprint(samples, make_method("flow-grid"), 0) == different[0]


HANGS_IN_ITS_THIRD_FOLD = """
import sys, time
from offline import cli
from offline.methods.flow_grid import FlowGrid
honest, calls = FlowGrid.fit, []
def fit(self, samples, seed):
    calls.append(seed)
    if len(calls) == 3:
        print("third", flush=True)
        time.sleep(600)
    return honest(self, samples, seed)
FlowGrid.fit = fit
cli.main(sys.argv[1:])
"""


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    def arguments(out):
        common = ["evaluate", "--method", "flow-grid", "--synthetic", "40", "--identities", "5"]
        return [*common, "--out", str(tmp_path / out)]

    command = [sys.executable, "-c", HANGS_IN_ITS_THIRD_FOLD, *arguments("killed")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"third\n"
        running.kill()
    folds = tmp_path / "killed" / "folds"
    kept = {path: path.stat().st_mtime_ns for path in folds.glob("*.json")}
    assert len(kept) == 2
    assert not (tmp_path / "killed" / "results.json").exists()
    for out in ("killed", "whole"):
        assert cli.main(arguments(out)) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(folds.glob("*.json"))) == 5
    one, two = (json.loads((tmp_path / out / "results.json").read_text()) for out in ("killed", "whole"))
    for name in TIMES:
        del one[name], two[name]
    assert one == two
    first, second = ((tmp_path / out / "predictions.csv").read_bytes() for out in ("killed", "whole"))
    assert first == second


def test_interrupting_says_where_to_go_on(samples, tmp_path):
    class Interrupted(Nearest):
        def fit(self, samples, seed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"are kept in .*folds: give the same command again"):
        leave_out(samples, Interrupted(), folder=tmp_path / "folds")


def test_the_store_maps_its_errors(samples, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        FoldStore(tmp_path / "file" / "folds", "x")
    with pytest.raises(DataError, match="needs key frames"):
        leave_out(samples.flow_only(), make_method("lbp-top"))
