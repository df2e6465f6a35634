"""Proves that what was exported computes what was trained."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import torch

from offline.training import TrainedModel
from realtime.errors import OutputError
from realtime.features.spec import FACE_SIZE, FEATURE_NAMES
from realtime.fusion import Scorer
from realtime.inference import CnnSession
from realtime.types import F32, F64

TOLERANCE = 1e-5
"""Largest difference allowed between torch and ONNX, in any output."""
_SAMPLES = 24
_ROUNDING = 1e-9


def check_network(model: TrainedModel, network: bytes) -> float:
    """Largest difference between torch and ONNX over whole, flow-only and empty inputs.

    Raises OutputError where it exceeds `TOLERANCE`.
    """
    frames, flows = _probe()
    session = CnnSession(network, "cpu")
    with torch.no_grad():
        expected = model.network.eval()(torch.from_numpy(frames), torch.from_numpy(flows))
    together = session.run(frames, flows)
    one_by_one = [session.run(frames[i : i + 1], flows[i : i + 1]) for i in range(_SAMPLES)]
    separate = [np.concatenate(items) for items in zip(*one_by_one, strict=True)]
    worst = max(
        float(np.abs(found - wanted.numpy()).max())
        for outputs in (together, separate)
        for found, wanted in zip(outputs, expected, strict=True)
    )
    if not worst <= TOLERANCE:
        raise OutputError(
            f"torch and ONNX differ by {worst:.2g}, more than {TOLERANCE:.0e}: nothing was written"
        )
    return worst


def check_svm(model: TrainedModel, saved: dict[str, Any]) -> None:
    """Raises OutputError unless what was saved gives exactly the probabilities of what was trained.

    The live route's own machine has to decide as scikit-learn's does, but for rounding.
    """
    rng = np.random.default_rng(1)
    features = rng.normal(0.5, 1.0, (_SAMPLES, len(FEATURE_NAMES)))
    features[::2, 128:164] = np.nan
    scores = rng.normal(0.0, 1.0, (_SAMPLES, 2, len(model.classes)))
    trained, loaded = Scorer.of(model.parts), Scorer.of(saved)
    same = np.array_equal(trained.probabilities(scores, features), loaded.probabilities(scores, features))
    pairs = _pair_decisions(saved["svm"], features)
    if not same or np.abs(pairs - loaded.svm.decisions(features)).max() > _ROUNDING:
        raise OutputError("the saved SVM gives other probabilities than the trained one: nothing was written")


def _pair_decisions(svm: Any, features: F64) -> F64:
    """scikit-learn's decisions between pairs of classes, summed per class: float64 (n, classes)."""
    classes = len(svm.classes_)
    svm.steps[-1][1].decision_function_shape = "ovo"
    values = svm.decision_function(features)
    columns = [-values] if classes == 2 else list(values.T)
    total = np.zeros((len(features), classes))
    for column, (i, j) in zip(columns, combinations(range(classes), 2), strict=True):
        total[:, i] += column
        total[:, j] -= column
    return total


def _probe() -> tuple[F32, F32]:
    rng = np.random.default_rng(0)
    shape = (_SAMPLES, 3, 3, FACE_SIZE, FACE_SIZE)
    frames = rng.uniform(0.0, 1.3, shape).astype(np.float32)
    flows = rng.normal(0.0, 1.0, shape).astype(np.float32)
    frames[::3] = 0.0
    flows[::4, 1:] = 0.0
    flows[-1] = 0.0
    return frames, flows
