"""Verdicts and explanations of decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from bundles import write_bundle

from offline.samples import FOUR_CLASSES, direct_samples
from realtime.bundle import load_bundle
from realtime.config import parse_config
from realtime.errors import BundleError, ConfigError
from realtime.explain import explain, region_masks, still
from realtime.geometry import REGION_NAMES
from realtime.recognition import RecognitionConfig, Recognizer
from realtime.sinks.page import render_report
from realtime.sinks.records import event_record
from realtime.types import (
    Explanation,
    FacialEvent,
    KeyFrameEvidence,
    KeyFrames,
    Recognition,
)

LEFT, RIGHT = REGION_NAMES.index("mouth_corner_left"), REGION_NAMES.index("mouth_corner_right")


class LooksAtMouthCorners:
    """Says "moved" the surer, the more one of the mouth's corners moves: what it rests on is known."""

    def probabilities(self, evidence):
        masks = [region_masks()[side] for side in (LEFT, RIGHT)]
        rows = []
        for item in evidence:
            length = np.linalg.norm(item.flows[0], axis=0)
            rows.append(self.row(max((length * mask).sum() / mask.sum() for mask in masks)))
        return np.stack(rows)

    def without_blocks(self, evidence):
        return {"cnn": self.row(0.0), "au": self.probabilities([evidence])[0]}

    def row(self, size):
        moved = 1.0 - np.exp(-3.0 * size)
        return np.array([0.4 * (1.0 - moved), moved]) / (0.4 + 0.6 * moved)


def movement(*regions, frames=None):
    """Flow that is nothing but a shift of some regions."""
    flows = np.zeros((3, 2, 64, 64), np.float32)
    for region in regions:
        flows[:, 1] -= 2.0 * (region_masks()[region] > 0.5)
    return KeyFrameEvidence(frames=frames, flows=flows)


@pytest.mark.parametrize("regions", [(LEFT,), (LEFT, RIGHT)])
def test_the_regions_that_a_decision_rests_on_are_named(regions):
    found = explain(LooksAtMouthCorners(), movement(*regions))
    ranked = sorted(found.regions, key=found.regions.__getitem__, reverse=True)
    assert set(ranked[: len(regions)]) == {REGION_NAMES[region] for region in regions}
    assert all(found.regions[REGION_NAMES[region]] > 0.2 for region in regions)
    assert abs(found.regions["brow_outer_left"]) < 0.02
    assert all(-1.0 <= value <= 1.0 for value in found.regions.values())
    assert tuple(found.regions) == REGION_NAMES


def test_the_block_that_a_decision_rests_on_is_named():
    found = explain(LooksAtMouthCorners(), movement(LEFT))
    assert found.blocks["cnn"] > 0.5
    assert found.blocks["au"] == 0.0


def test_skin_at_rest_goes_with_the_head_and_shows_the_onset():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    flows = rng.normal(size=(3, 2, 64, 64)).astype(np.float32)
    flows[1:] = np.nan
    before = flows.copy(), frames.copy()
    calm = still(KeyFrameEvidence(frames, flows), np.ones((64, 64), np.float32))
    assert np.ptp(calm.flows[0, 0]) < 1e-6
    assert calm.flows[0, 0, 0, 0] == pytest.approx(np.median(flows[0, 0]), abs=1e-6)
    assert np.isnan(calm.flows[1:]).all()
    assert (calm.frames == frames[:1]).all()
    same = still(KeyFrameEvidence(frames, flows), np.zeros((64, 64), np.float32))
    np.testing.assert_array_equal(same.flows, flows)
    np.testing.assert_array_equal(same.frames, frames)
    np.testing.assert_array_equal(flows, before[0])
    np.testing.assert_array_equal(frames, before[1])


def test_the_shipped_model_sees_happiness_in_the_lower_face():
    recognizer = Recognizer(load_bundle("default"), "cpu")
    samples = direct_samples(32, 4711, FOUR_CLASSES, 32)
    happy = [samples.evidence(i) for i in np.flatnonzero(samples.labels == FOUR_CLASSES.index("happiness"))]
    right = [item for item in happy if recognizer.recognize(item).label == "happiness"]
    worth = np.mean([list(recognizer.explain(item).regions.values()) for item in right], axis=0)
    smile = [name.startswith(("mouth_corner", "cheek")) for name in REGION_NAMES]
    brows = [name.startswith(("brow", "glabella")) for name in REGION_NAMES]
    assert worth[smile].min() > max(worth[brows].max(), 0.0)


@pytest.fixture(scope="module")
def evidence():
    return KeyFrameEvidence(None, np.random.default_rng(1).normal(size=(3, 2, 64, 64)).astype(np.float32))


def test_a_threshold_gives_a_verdict_and_leaves_the_label(tiny_bundle, evidence):
    bundle = load_bundle(tiny_bundle)
    plain = Recognizer(bundle, "cpu").recognize(evidence)
    largest = max(plain.probabilities.values())
    assert (plain.uncertain, plain.explanation) == (None, None)
    for threshold, uncertain in ((largest - 0.01, False), (largest + 0.01, True)):
        found = Recognizer(bundle, "cpu", RecognitionConfig(threshold)).recognize(evidence)
        assert found == replace(plain, uncertain=uncertain)


def test_the_settings_go_before_the_bundle(tmp_path, evidence):
    bundle = load_bundle(write_bundle(tmp_path / "b", uncertain_below=1.0))
    assert Recognizer(bundle, "cpu").recognize(evidence).uncertain is True
    assert Recognizer(bundle, "cpu", RecognitionConfig(0.0)).recognize(evidence).uncertain is False


@pytest.mark.parametrize("value", [-0.1, 1.5, "high", True])
def test_a_wrong_threshold_is_refused(tmp_path: Path, value):
    with pytest.raises(BundleError, match="wrong uncertain_below"):
        Recognizer(load_bundle(write_bundle(tmp_path / "b", uncertain_below=value)), "cpu")
    with pytest.raises(ConfigError, match="uncertain_below"):
        parse_config({"recognition": {"uncertain_below": value}})


def test_settings_of_recognition_are_read():
    read = parse_config({"recognition": {"uncertain_below": 1, "explain": True}}).recognition
    assert read == RecognitionConfig(1.0, True)
    assert parse_config({"recognition": {"uncertain_below": None}}).recognition == RecognitionConfig()


def test_what_a_bundle_does_not_look_at_changes_no_probability():
    """Handcrafted features that are off are not measured; with all of them the scorer says the same."""
    recognizer = Recognizer(load_bundle("default"), "cpu")
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    movements = [KeyFrameEvidence(frames, rng.normal(size=(3, 2, 64, 64)).astype(np.float32))]
    whole = recognizer.measure(movements)
    assert np.isfinite(whole.features).all()
    said = recognizer.bundle.scorer.probabilities(whole.scores, whole.features)
    np.testing.assert_array_equal(recognizer.probabilities(movements), said)


def test_medians_at_hand_change_nothing():
    item = movement(LEFT)
    rest = np.median(item.flows, axis=(-2, -1), keepdims=True)
    mask = region_masks()[LEFT]
    np.testing.assert_array_equal(still(item, mask, rest).flows, still(item, mask).flows)


def test_explanations_come_on_request(tiny_bundle, evidence):
    recognizer = Recognizer(load_bundle(tiny_bundle), "cpu", RecognitionConfig(explain=True))
    found = recognizer.recognize(evidence)
    assert found.explanation == recognizer.explain(evidence)
    assert {"cnn", "flow", "au"} == set(found.explanation.blocks)


def test_events_carry_verdict_and_explanation():
    keys = KeyFrames(
        onset_s=1.0, apex_s=1.1, offset_s=1.3, onset_frame=100, apex_frame=110, offset_frame=130,
        strength=3.0, decided_s=1.5, regions={"chin": 1.0}, kind="micro_expression",
    )  # fmt: skip
    about = Explanation({"chin": 0.41, "cheek_left": -0.1}, {"cnn": 0.333333})
    recognition = Recognition("surprise", {"surprise": 0.5, "disgust": 0.5}, True, about)
    record = event_record(FacialEvent("0-100", 0, keys, recognition))
    assert record["verdict"] == "uncertain"
    assert record["explanation"] == {
        "regions": {"chin": 0.41, "cheek_left": -0.1},
        "blocks": {"cnn": 0.333},
    }
    schema = json.loads(files("realtime").joinpath("schema/glimpse-1.schema.json").read_text("utf-8"))
    jsonschema.validate(record, schema)
    for wrong in ({"verdict": "maybe"}, {"explanation": {"regions": {}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**record, **wrong}, schema)
    page = render_report([record])
    assert ">uncertain<" in page
    reasons = page.partition("rested on")[2].partition("</article>")[0]
    assert "network" in reasons
    assert '<i class="against"><b style="width:10.0%"></b></i><span>−0.10</span>' in reasons  # cheek left
    plain = event_record(FacialEvent("0-100", 0, keys, Recognition("surprise", {"surprise": 1.0})))
    assert not {"verdict", "explanation"} & set(plain)
    assert "rested on" not in render_report([plain])
