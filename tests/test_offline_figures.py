"""Figures of an evaluation: all of them, self-contained, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from offline import cli
from offline.calibration import calibration_results
from offline.figures import DRAWINGS, draw_figures
from offline.loso import subject_results
from offline.metrics import bootstrap_over_subjects, score_recognition
from offline.results import read_evaluation, write_results
from offline.samples import MEGC_CLASSES, sample_set
from realtime.errors import DataError


def evaluation(folder, people, curves):
    """The results of a made-up evaluation."""
    rng = np.random.default_rng(1)
    count = 4 * people
    true = rng.integers(0, 3, count)
    rows = rng.dirichlet((1.0, 1.0, 1.0), count) + 0.8 * np.eye(3)[true] * rng.random((count, 1))
    rows /= rows.sum(axis=1, keepdims=True)
    owners = [f"sub{i % people:02d}" for i in range(count)]
    samples = sample_set(np.zeros((count, 3, 2, 64, 64), np.float32), true, MEGC_CLASSES, owners)
    predicted = rows.argmax(axis=1)
    curve = [{"epoch": float(n), "loss": 1.0 / n, "accuracy": 1.0 - 0.5 / n} for n in range(1, curves + 1)]
    results = {
        **score_recognition(true, predicted, MEGC_CLASSES).as_dict(),
        **calibration_results(true, rows),
        "interval_95": asdict(bootstrap_over_subjects(true, predicted, owners, MEGC_CLASSES, 0)),
        "classes": list(MEGC_CLASSES),
        "subject_results": subject_results(samples, predicted),
        "training_curves": dict.fromkeys(sorted(set(owners)), curve),
        "method": "made-up",
    }
    write_results(folder, results, samples, rows)
    return folder


def test_every_figure_is_drawn_twice_alike(tmp_path):
    folder = evaluation(tmp_path / "run", people=30, curves=3)
    names = {f"{name}.{kind}" for name in DRAWINGS for kind in ("svg", "png")}
    drawn = draw_figures(folder)
    first = {path.name: path.read_bytes() for path in drawn[0].parent.iterdir()}
    assert set(first) == names
    draw_figures(folder)
    assert {path.name: path.read_bytes() for path in drawn[0].parent.iterdir()} == first
    for path in drawn:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert min(picture.shape) > 250
        assert max(picture.shape) < 2000
        assert picture.min() < 80  # ink
        # the edge is paper: nothing is cut off
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert edge.min() > 250
        text = path.with_suffix(".svg").read_text()
        assert not re.findall(r'(?:href|src)="(?!#|data:)', text)  # needs nothing beside it
        assert "<dc:date>" not in text
        assert "@import" not in text


def test_a_method_without_epochs_has_no_curves(tmp_path, capsys):
    folder = evaluation(tmp_path / "run", people=2, curves=0)
    of_an_earlier_run = folder / "figures" / "training-curves.svg"
    of_an_earlier_run.parent.mkdir()
    of_an_earlier_run.touch()
    assert cli.main(["figures", str(folder)]) == 0
    assert not of_an_earlier_run.exists()
    assert "confusion-matrix" in capsys.readouterr().out


def test_what_is_drawn_is_what_was_predicted(tmp_path):
    folder = evaluation(tmp_path / "run", people=5, curves=1)
    results, predictions = read_evaluation(folder)
    assert predictions.probabilities.shape == (20, 3)
    again = calibration_results(predictions.true, predictions.probabilities)
    assert again["risk_coverage"]["aurc"] == results["risk_coverage"]["aurc"]


def test_the_report_is_one_page_with_all_figures(tmp_path, capsys):
    folder = evaluation(tmp_path / "run", people=5, curves=2)
    assert cli.main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert capsys.readouterr().out == f"wrote {folder / 'report.html'}\n"
    assert page.count("data:image/svg+xml;base64,") == len(DRAWINGS)
    assert not re.findall(r'(?:href|src)="(?!#|data:)', page)
    assert "<script" not in page
    results, _ = read_evaluation(folder)
    low, high = results["interval_95"]["uf1"]
    assert f'{results["uf1"]:.3f} <span class="soft">({low:.3f}–{high:.3f})</span>' in page
    assert 'alt="Confusion matrix. True classes and what they were taken for: negative: ' in page
    assert cli.main(["report", str(folder), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_text() == page


def test_a_report_of_nothing_or_of_half_is_one_line(tmp_path, capsys):
    folder = evaluation(tmp_path / "run", people=2, curves=0)
    results = json.loads((folder / "results.json").read_text())
    del results["uar"]
    (folder / "results.json").write_text(json.dumps(results))
    for path, words in ((tmp_path, "no evaluation in"), (folder, "lacks what a report is made from")):
        assert cli.main(["report", str(path)]) == 1
        complaint = capsys.readouterr().err
        assert words in complaint
        assert complaint.count("\n") == 1
    assert not (folder / "report.html").exists()


def test_results_that_lack_something_are_one_line(tmp_path, capsys):
    folder = evaluation(tmp_path / "run", people=2, curves=0)
    results = json.loads((folder / "results.json").read_text())
    del results["reliability"]
    (folder / "results.json").write_text(json.dumps(results))
    assert cli.main(["figures", str(folder)]) == 1
    complaint = capsys.readouterr().err
    assert "lacks what reliability is drawn from" in complaint
    assert complaint.count("\n") == 1


def test_predictions_that_are_no_table_are_one_line(tmp_path):
    folder = evaluation(tmp_path / "run", people=2, curves=0)
    about = json.loads((folder / "results.json").read_text())
    for table in (b"sample,true\ra\rb,c\n", b"\xff", b'true\n"' + b"x" * 200_000):
        (folder / "predictions.csv").write_bytes(table)
        about["predictions_sha256"] = hashlib.sha256(table).hexdigest()
        for text in (json.dumps(about), json.dumps([about]), "[" * 100_000):
            (folder / "results.json").write_text(text)
            with pytest.raises(DataError, match="no evaluation in"):
                read_evaluation(folder)


def test_no_evaluation_is_one_line(tmp_path, capsys):
    assert cli.main(["figures", str(tmp_path)]) == 1
    complaint = capsys.readouterr().err
    assert "no evaluation in" in complaint
    assert complaint.count("\n") == 1
