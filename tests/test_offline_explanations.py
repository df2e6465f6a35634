"""What the decisions of an evaluation rested on."""

from __future__ import annotations

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
from offline.methods import make_method
from offline.samples import FOUR_CLASSES, direct_samples
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
