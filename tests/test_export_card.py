"""The model card says what the rendered faces were made from, and what was scored."""

from __future__ import annotations

from typing import Any

import pytest

from export.card import model_card

ABOUT: dict[str, Any] = {
    "name": "x",
    "id": "1",
    "classes": ["surprise"],
    "feature_spec": "s",
    "training_curve": [{"loss": 1.0, "accuracy": 0.5}],
    "metrics": {},
    "settings": {"network": {"flows": True, "frames": False}, "svm": {"blocks": ["flow", "au"]}},
    "svm_choice": {"weight_members": 1.0, "weight_prior": 0.5, "weight_svm": 0.0, "log_loss": 0.7},
}


@pytest.mark.parametrize(
    ("faces", "said", "unsaid"),
    [
        (None, "warps of one public-domain portrait", "painted from nothing"),
        ("portrait", "warps of one public-domain portrait", "painted from nothing"),
        ("painted", "faces painted from nothing", "portrait"),
        ("both", "many identities, and faces painted from nothing", "{"),
    ],
)
def test_the_faces_are_named(faces: str | None, said: str, unsaid: str) -> None:
    data = {
        "kind": "synthetic",
        "direct_flow_samples": 8,
        "rendered_samples": 4,
        "rendered_faces": faces,
        "subjects": 3,
        "per_class": {"surprise": 12},
    }
    card = model_card({**ABOUT, "training_data": data})
    assert said in card
    assert unsaid not in card


def test_the_blocks_that_are_on_are_named() -> None:
    card = model_card({**ABOUT, "training_data": {"kind": "manifest"}})
    assert "Blocks that are on: cnn-flow, flow, au; off: cnn-frames, lbp_top, hog." in card


def test_the_datasets_of_an_evaluation_are_named() -> None:
    score = {"per_class_recall": {}, "total_samples": 9, "overall_accuracy": 1.0, "uf1": 1.0, "uar": 1.0}
    result = {
        **score,
        "data": {"kind": "casme2+flow-maps", "subjects": 4},
        "interval_95": {"uf1": (0.9, 1.0)},
        "expected_calibration_error": 0.04,
        "bundle_id": "1",
    }
    data = {"kind": "casme2", "dataset_folder": "CASME2"}
    card = model_card({**ABOUT, "training_data": data, "evaluations": [result]})
    assert "clips of casme2 and real flow maps, 4 subjects: 9 samples" in card
    assert "expected calibration error 0.040" in card
