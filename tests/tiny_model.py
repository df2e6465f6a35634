"""A recogniser trained in a second, and its bundle, made once per test run."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from offline.augment import AugmentSettings
from offline.network import NetworkSettings
from offline.samples import FOUR_CLASSES, SampleSet, direct_samples, joined, sample_set
from offline.svm_fitting import SvmSettings
from offline.training import TrainedModel, train
from offline.training_settings import PriorSettings, TrainingSettings

SETTINGS = TrainingSettings(
    epochs=3,
    batch=16,
    network=NetworkSettings(members=2, member_features=48, frames=True, frame_size=16),
    prior=PriorSettings(samples=60, epochs=1),
    svm=SvmSettings(blocks=("lbp_top", "hog", "flow", "au"), max_samples=60),
)


@lru_cache
def tiny_samples() -> SampleSet:
    """32 samples of flow alone and 16 with key frames, of 6 subjects."""
    flows = direct_samples(32, 0, FOUR_CLASSES, 4)
    pictured = direct_samples(16, 1, FOUR_CLASSES, 2)
    frames = np.random.default_rng(2).integers(0, 256, (16, 3, 64, 64, 3), dtype=np.uint8)
    names = [f"pictured-{subject}" for subject in pictured.subjects]
    return joined([flows, sample_set(pictured.flows, pictured.labels, FOUR_CLASSES, names, frames)])


@lru_cache
def tiny_model() -> TrainedModel:
    return train(tiny_samples(), SETTINGS)


@lru_cache
def tiny_trained_folder() -> Path:
    from offline.trained_model import save_trained

    folder = Path(tempfile.mkdtemp(prefix="glimpse-tiny-")) / "trained"
    data = {
        "kind": "synthetic",
        "direct_flow_samples": 32,
        "rendered_samples": 16,
        "subjects": 6,
        "per_class": {},
    }
    save_trained(folder, tiny_model(), {"training_data": data, "metrics": {}})
    return folder


@lru_cache
def tiny_bundle() -> Path:
    """A bundle folder; tests that change one copy it first."""
    from export.bundle_writer import export_bundle

    folder = tiny_trained_folder().parent / "bundle"
    export_bundle(tiny_trained_folder(), folder, "tiny", {})
    return folder


__all__ = ["SETTINGS", "AugmentSettings", "tiny_bundle", "tiny_model", "tiny_samples", "tiny_trained_folder"]
