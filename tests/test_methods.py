"""One contract for every recognition method, and what is particular to each."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch

from offline.methods import make_method, method_names
from offline.methods._inputs import averaged, grey_key_frames, interpolated_clips, onset_apex_maps
from offline.methods.flow_grid import grid_features
from offline.methods.lbp_top import BINS, block_histograms, plane_codes
from offline.methods.ststnet import TripleStream
from offline.samples import SampleSet, sample_set
from offline.training_settings import TrainingSettings
from realtime.errors import ConfigError, DataError, UsageError

CLASSES = ("left", "up", "spread")
QUICK_SVM = {"c": [1.0], "gamma": [0.005], "folds": 2}
QUICK = {
    "hybrid": {
        "epochs": 12,
        "batch": 12,
        "network": {"members": 2, "member_features": 48},
        "prior": {"samples": 60, "epochs": 1},
        "svm": QUICK_SVM,
    },
    "hybrid-seed": {"epochs": 3, "batch": 12, "svm": QUICK_SVM},
    "flow-grid": {},
    "lbp-top": {},
    "ststnet": {"epochs": 12, "batch": 12, "learning_rate": 0.01},
    "cnn3d": {"epochs": 8, "batch": 12, "learning_rate": 0.01, "frames": 5, "size": 16, "dropout": 0.0},
    "resnet-lstm": {"epochs": 8, "batch": 12, "learning_rate": 0.01, "frames": 4, "size": 16, "dropout": 0.0},
}
"""Settings under which each method learns the tiny set in about a second."""
NEEDS_FRAMES = ("lbp-top", "cnn3d", "resnet-lstm")
NEEDS_FLOW = ("flow-grid", "ststnet")


def moved(rng: np.random.Generator, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Key frames of a textured patch that moves one of three ways, and its flow."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    bump = np.exp(-((x - 40 - rng.normal()) ** 2 + (y - 30 - rng.normal()) ** 2) / 200).astype(np.float32)
    u, v = ((-bump, 0 * bump), (0 * bump, -bump), (bump * (x - 40) / 9, bump * (y - 30) / 9))[label]
    flow = 3.0 * np.stack([u, v]) + rng.normal(0, 0.05, (2, 64, 64)).astype(np.float32)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (64, 64)).astype(np.float32), (0, 0), 2)
    texture = cv2.normalize(texture, None, 20, 235, cv2.NORM_MINMAX)
    apex = cv2.remap(texture, x - flow[0], y - flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    frames = np.stack([texture, apex, texture]).astype(np.uint8)
    return np.repeat(frames[..., None], 3, axis=-1), np.stack([flow, -flow, 0 * flow]).astype(np.float32)


@lru_cache
def tiny(count: int = 36, seed: int = 0) -> SampleSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    items = [moved(rng, label) for label in labels]
    names = [f"p{i // 3 % 6}" for i in range(count)]
    return sample_set(
        np.stack([i[1] for i in items]), labels, CLASSES, names, np.stack([i[0] for i in items])
    )


@lru_cache
def striped(count: int = 36, seed: int = 0) -> SampleSet:
    """The tiny set with stripes at the apex that tell the class: for methods that look at appearance."""
    samples = tiny(count, seed)
    frames = samples.frames.astype(np.float32)
    stripes = 60 * np.sin(np.arange(64) / 2)
    frames[:, 1] += np.where((samples.labels == 0)[:, None], stripes, 0)[:, None, :, None]
    frames[:, 1] += np.where((samples.labels == 1)[:, None], stripes, 0)[:, :, None, None]
    return dataclasses.replace(samples, frames=np.clip(frames, 0, 255).astype(np.uint8))


def suited(name: str, seed: int = 0) -> SampleSet:
    return striped(36, seed) if name in NEEDS_FRAMES else tiny(36, seed)


@lru_cache
def fitted(name: str):
    return make_method(name, QUICK[name]).fit(suited(name), 3)


def test_every_module_is_a_method_of_its_name():
    assert set(method_names()) == set(QUICK)
    assert all(make_method(name).name == name for name in method_names())


@pytest.mark.parametrize("name", method_names())
def test_learns_a_tiny_set_and_gives_probabilities(name):
    unseen = suited(name, seed=1)
    probabilities = fitted(name).predict_proba(unseen)
    assert probabilities.shape == (36, 3)
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert (probabilities.argmax(axis=1) == unseen.labels).mean() > 0.8


@pytest.mark.parametrize("name", method_names())
def test_repeats_with_the_seed_and_leaves_its_input_alone(name):
    samples = suited(name)
    writable = dataclasses.replace(
        samples, **{k: getattr(samples, k).copy() for k in ("flows", "frames", "frame_rows", "labels")}
    )
    method = make_method(name, QUICK[name])
    before = dataclasses.asdict(method.settings)
    state = torch.random.get_rng_state() if not name.startswith("hybrid") else None
    again = method.fit(writable, 3)
    first = again.predict_proba(writable)
    assert np.array_equal(first, fitted(name).predict_proba(samples))
    assert again.curve == fitted(name).curve
    assert dataclasses.asdict(method.settings) == before
    for field in ("flows", "frames", "frame_rows", "labels"):
        assert np.array_equal(getattr(writable, field), getattr(samples, field)), field
    assert state is None or torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", method_names())
def test_a_prediction_depends_on_nothing_but_its_sample(name):
    samples = suited(name, seed=1)
    whole = fitted(name).predict_proba(samples)
    nameless = dataclasses.replace(samples, labels=np.full(36, -1), subjects=("",) * 36)
    for i in (0, 17):
        np.testing.assert_allclose(
            fitted(name).predict_proba(nameless.subset([i]))[0], whole[i], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", method_names())
def test_a_class_without_samples_is_refused(name):
    samples = suited(name)
    with pytest.raises(DataError, match="'spread' has 0 sample"):
        make_method(name, QUICK[name]).fit(samples.subset(np.flatnonzero(samples.labels != 2)), 0)


@pytest.mark.parametrize("name", NEEDS_FRAMES)
def test_frames_that_are_missing_are_refused_in_one_line(name):
    flow = tiny().flow_only()
    for ask in (
        lambda: make_method(name, QUICK[name]).fit(flow, 0),
        lambda: fitted(name).predict_proba(flow),
    ):
        with pytest.raises(
            DataError, match=f"^{name} needs key frames, which 36 of 36 samples lack: "
        ) as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NEEDS_FLOW)
def test_flow_that_is_missing_is_refused_in_one_line(name):
    flows = tiny().flows.copy()
    flows[4] = np.nan
    lacking = dataclasses.replace(tiny(), flows=flows)
    for ask in (
        lambda: make_method(name, QUICK[name]).fit(lacking, 0),
        lambda: fitted(name).predict_proba(lacking),
    ):
        with pytest.raises(DataError, match=f"^{name} needs the flow .* 1 of 36 samples lack") as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hybrid", "hybrid-seed"])
def test_the_hybrid_takes_what_there_is(name):
    assert np.isfinite(fitted(name).predict_proba(tiny().flow_only())).all()


def test_curves_have_one_entry_per_epoch():
    curve = fitted("ststnet").curve
    assert [record["epoch"] for record in curve] == list(range(1, 13))
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert fitted("flow-grid").curve == ()


def test_names_and_settings_are_read_strictly():
    with pytest.raises(UsageError, match="unknown method 'svm': use one of cnn3d, flow-grid"):
        make_method("svm")
    with pytest.raises(ConfigError, match="did you mean 'grid'"):
        make_method("flow-grid", {"grids": 3}, "x.yaml")
    assert make_method("flow-grid", {"grid": 3}).settings.grid == 3


def test_hybrid_seed_differs_from_the_hybrid_where_it_says_so():
    settings = make_method("hybrid-seed").settings
    assert (settings.epochs, settings.learning_rate, settings.weight_decay, settings.batch) == (
        12,
        1e-3,
        1e-4,
        32,
    )
    assert settings.label_smoothing == 0.0
    changed = {f.name for f in dataclasses.fields(settings.augment) if getattr(settings.augment, f.name)}
    assert changed == {"brightness", "rotation_deg", "noise", "flow_scale"}
    assert make_method("hybrid").settings == TrainingSettings()
    partly = make_method("hybrid-seed", {"augment": {"mirror": 0.5}}).settings
    assert (partly.augment.mirror, partly.augment.zoom) == (0.5, 0.0)


def test_the_svm_label_is_its_own_decision():
    probabilities = fitted("flow-grid").predict_proba(tiny(36, 1))
    machine = fitted("flow-grid").machine
    votes = machine.set_params(svc__break_ties=True).predict(grid_features(tiny(36, 1), 7))
    assert np.array_equal(probabilities.argmax(axis=1), votes)


def test_grid_cells_average_the_normalised_maps():
    maps = onset_apex_maps(tiny())
    np.testing.assert_allclose(np.median(maps[:, :2], axis=(2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose((maps[:, :2] ** 2).mean(axis=(1, 2, 3)), 1, rtol=1e-4)
    np.testing.assert_allclose((maps[:, 2] ** 2).mean(axis=(1, 2)), 1, rtol=1e-4)
    cells = averaged(maps, 8)
    np.testing.assert_allclose(cells[3, 1, 2, 5], maps[3, 1, 16:24, 40:48].mean(), rtol=1e-4)
    still = dataclasses.replace(tiny(), flows=np.zeros_like(tiny().flows))
    assert not onset_apex_maps(still).any()


def test_lbp_codes_counted_by_hand():
    volume = np.zeros((3, 3, 3), np.float32)
    assert plane_codes(volume, 0).shape == (1, 1, 1)
    assert plane_codes(volume, 0)[0, 0, 0] == 57  # all eight neighbours as bright: the last uniform pattern
    volume[1, 1, 1] = 1.0
    assert [plane_codes(volume, plane)[0, 0, 0] for plane in range(3)] == [0, 0, 0]
    volume[1, 1, 2] = 2.0  # to the right, in the XY plane and, along x, in the XT plane
    codes = [plane_codes(volume, plane)[0, 0, 0] for plane in range(3)]
    assert codes == [1, 1, 0]
    volume[1, 1, 0] = volume[1, 0, 1] = volume[1, 2, 1] = 2.0  # every other neighbour: not uniform
    assert plane_codes(volume, 0)[0, 0, 0] == BINS - 1


def test_lbp_histograms_sum_to_one_per_plane_and_block():
    histograms = block_histograms(tiny(), 4).reshape(36, 3, 16, BINS)
    np.testing.assert_allclose(histograms.sum(axis=-1), 1.0)


def test_clips_run_from_onset_over_apex_to_offset():
    clips = interpolated_clips(tiny(), 5, 64)
    assert clips.shape == (36, 1, 5, 64, 64)
    assert not clips[:, 0, 0].any()
    np.testing.assert_allclose(clips[:, 0, 1], clips[:, 0, 2] / 2, atol=1e-6)
    grey = grey_key_frames(tiny())
    change = grey[0, 1] - grey[0, 0]
    assert np.corrcoef(clips[0, 0, 2].ravel(), change.ravel())[0, 1] == pytest.approx(1.0)


def test_ststnet_has_streams_of_three_five_and_eight_filters():
    convolutions = [m for m in TripleStream(3, 0.5).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [3, 5, 8]
    assert TripleStream(3, 0.5).head.in_features == 400
