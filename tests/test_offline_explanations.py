"""What the decisions of an evaluation rested on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from test_offline_figures import evaluation
from tiny_model import tiny_bundle

from offline import cli
from offline.explanations import (
    EXPLANATIONS,
    explain_fitted,
    mean_explanation,
    read_explanations,
    write_explanations,
)
from offline.loso import leave_out, pooled_explanations
from offline.methods import make_method, method_names
from offline.methods.base import Blocked
from offline.report_page import render_evaluation
from offline.samples import FOUR_CLASSES, direct_samples, rendered_samples, sample_set
from realtime.errors import DataError
from realtime.explain import region_masks
from realtime.geometry import REGION_NAMES
from realtime.types import Explanation

CHIN = REGION_NAMES.index("chin")


@dataclass(frozen=True)
class ByTheChin:
    """Happiness if the chin rises, else surprise."""

    def predict_proba(self, samples):
        mask = region_masks()[CHIN]
        rise = -(samples.flows[:, 0, 1] * mask).sum(axis=(1, 2)) / mask.sum()
        rows = np.full((len(samples), 4), 1e-9)
        rows[:, 0] = 1.0 / (1.0 + np.exp(-8.0 * (rise - 0.3)))
        rows[:, 1] = 1.0 - rows[:, 0]
        return rows / rows.sum(axis=1, keepdims=True)


def test_what_a_method_looks_at_is_found():
    samples = direct_samples(6, 0, FOUR_CLASSES, 2)
    flows = np.zeros((6, 3, 2, 64, 64), np.float32)
    flows[:, 0, 1] = -1.0 * region_masks()[CHIN]
    flows[:, 1:] = np.nan  # not known, as of many published flow maps
    flows.setflags(write=False)
    for item in explain_fitted(ByTheChin(), replace(samples, flows=flows)):
        assert max(item.regions, key=item.regions.get) == "chin"
        assert item.regions["chin"] > 0.3
        assert abs(item.regions["glabella"]) < 0.01
        assert not item.blocks


def test_explanations_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 17)).round(4).tolist()
    given = [Explanation(dict(zip(REGION_NAMES, row, strict=True)), {"cnn": 0.25}) for row in rows]
    write_explanations(tmp_path, given)
    assert list(read_explanations(tmp_path, 5)) == given
    mean = mean_explanation(given)
    assert mean.regions["chin"] == pytest.approx(np.mean([item.regions["chin"] for item in given]))
    assert mean.blocks == {"cnn": 0.25}
    with pytest.raises(DataError, match=EXPLANATIONS):
        read_explanations(tmp_path, 6)
    (tmp_path / EXPLANATIONS).write_text("sample,region_chin\n0,many\n")
    with pytest.raises(DataError, match="--explain"):
        read_explanations(tmp_path, 1)
    write_explanations(tmp_path, [])
    assert read_explanations(tmp_path, 5) == ()


def test_folds_with_and_without_explanations_are_kept_apart(tmp_path):
    samples = direct_samples(12, 0, FOUR_CLASSES, 3)
    method = make_method("flow-grid")
    plain = leave_out(samples, method, folder=tmp_path)
    told = leave_out(samples, method, folder=tmp_path, explained=True)
    again = leave_out(samples, method, folder=tmp_path, explained=True)
    assert pooled_explanations(plain) == []
    assert len(pooled_explanations(told)) == len(samples)
    assert pooled_explanations(again) == pooled_explanations(told)
    assert [result.timing for result in again] == [result.timing for result in told]  # not fitted anew
    for one, other in zip(plain, told, strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)


def test_the_report_draws_what_the_labels_rested_on(tmp_path):
    folder = evaluation(tmp_path / "run", people=5, curves=0)
    assert cli.main(["report", str(folder)]) == 0
    assert "What the labels rested on" not in (folder / "report.html").read_text()
    about = Explanation({name: 0.5 if name == "chin" else -0.1 for name in REGION_NAMES}, {"cnn": 0.25})
    write_explanations(folder, [about] * 20)
    assert cli.main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "What the labels rested on" in page
    assert "rested on chin 0.50" in page
    assert "<span>network</span>" in page
    assert "taken for" in page


def test_an_evaluation_says_what_it_rested_on(tmp_path):
    out = tmp_path / "run"
    words = [
        "evaluate",
        "--bundle",
        str(tiny_bundle()),
        "--synthetic",
        "6",
        "--out",
        str(out),
        "--no-figures",
    ]
    assert cli.main([*words, "--explain"]) == 0
    found = read_explanations(out, 6)
    assert all(set(item.blocks) for item in found)
    assert cli.main(words) == 0
    assert not (out / EXPLANATIONS).exists()


QUICK = {
    "hybrid": {
        "epochs": 1,
        "prior": {"samples": 60, "epochs": 1},
        "svm": {"c": [1.0], "gamma": [0.001], "folds": 2, "max_samples": 40},
    },
    "hybrid-seed": {"epochs": 1},
    "ststnet": {"epochs": 1},
    "cnn3d": {"epochs": 1},
    "resnet-lstm": {"epochs": 1},
}
FEATURES = ("cnn", "lbp_top", "hog", "flow", "au")
BLOCKS_OF = {
    **dict.fromkeys(("hybrid", "hybrid-seed"), FEATURES),
    **dict.fromkeys(("flow-grid", "ststnet"), ("u", "v", "strain")),
    "lbp-top": ("plane_xy", "plane_xt", "plane_yt"),
    **dict.fromkeys(("cnn3d", "resnet-lstm"), ()),
}


@pytest.fixture(scope="module")
def rendered():
    return rendered_samples([0, 1], 6, 0, FOUR_CLASSES[:3])


@pytest.mark.parametrize("name", method_names())
def test_every_method_is_its_blocks(rendered, name):
    method = make_method(name, QUICK.get(name), "test")
    fitted = method.fit(rendered, 0)
    assert isinstance(fitted, Blocked)
    out = rendered.subset([3, 7])
    assert np.array_equal(fitted.judge(fitted.measure(out)), fitted.predict_proba(out))
    plain = explain_fitted(fitted, out)
    for without, item in zip(plain, explain_fitted(fitted, out, rendered.subset(range(4))), strict=True):
        assert not without.blocks
        assert tuple(item.blocks) == BLOCKS_OF[name]
        assert item.regions == without.regions
        assert all(-1.0 <= value <= 1.0 for value in item.blocks.values())


@dataclass(frozen=True)
class ByTheFirst:
    """Says what its first block says; the second counts for nothing, the third is never known."""

    def predict_proba(self, samples):
        return self.judge(self.measure(samples))

    def measure(self, samples):
        first = samples.flows[:, 0, 0, 0, :1].astype(float)
        return {"first": first, "second": 7.0 * first, "third": np.full_like(first, np.nan)}

    def judge(self, blocks):
        return np.concatenate([blocks["first"], 1.0 - blocks["first"]], axis=1)


def test_a_block_is_worth_what_is_lost_with_other_peoples():
    """0.9 for the label, others' 0.5, 0.2 and not known: 0.9 − (0.5 + 0.2) / 2 = 0.55."""
    flows = np.zeros((4, 3, 2, 64, 64), np.float32)
    flows[:, 0, 0] = np.array([0.9, 0.5, 0.2, np.nan], np.float32)[:, None, None]
    samples = sample_set(flows, [0] * 4, ("yes", "no"), ["a", "b", "c", "d"])
    (item,) = explain_fitted(ByTheFirst(), samples.subset([0]), samples.subset([1, 2, 3]))
    assert item.blocks == {"first": pytest.approx(0.55), "second": pytest.approx(0.0)}


def test_the_report_explains_every_sample(tmp_path):
    folder = evaluation(tmp_path / "run", people=5, curves=0)
    blocks = {"cnn": 0.25, "hog": -0.001}
    about = Explanation({name: 0.5 if name == "chin" else -0.1 for name in REGION_NAMES}, blocks)
    write_explanations(folder, [about] * 20)
    path = folder / "results.json"
    results = json.loads(path.read_text())
    score = {
        name: results[name] for name in ("uf1", "uar", "overall_accuracy", "weighted_f1", "total_samples")
    }
    part = {
        **score,
        "confusion_matrix": [[3, 1, 0], [0, 4, 0], [0, 0, 0]],
        "interval_95": {"uf1": [0.1, 0.987]},
    }
    results |= {
        "per_dataset": {"one": part, "two": part},
        "explained": {"blocks": "permutation", "donors": 16},
    }
    path.write_text(json.dumps(results))
    page = render_evaluation(folder)
    assert page.count("<summary>sub0") == 5
    assert all(f"<strong>{number}: " in page for number in range(20))
    assert "16 drawn from what the fold learned from" in page
    assert "Blocks of features, over all samples" in page
    assert "−0.00" not in page
    assert page.count("(0.100–0.987)") == 2
    assert page.count('<table class="confusion">') == 2
    assert '<td style="--s:0.75"><b>3</b> <span>75 %</span></td>' in page
