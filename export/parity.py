"""Proves that what was exported computes what was trained."""

from __future__ import annotations

import numpy as np
import torch

from offline.training import TrainedModel
from realtime.bundle import ProbabilityModel
from realtime.errors import OutputError
from realtime.features.spec import FACE_SIZE, FEATURE_NAMES
from realtime.inference import CnnSession
from realtime.svm import CalibratedSvm
from realtime.types import F32

TOLERANCE = 1e-5
"""Largest difference allowed between torch and ONNX, in any of the 128 features."""
_SAMPLES = 24
_ROUNDING = 1e-9


def check_network(model: TrainedModel, network: bytes) -> float:
    """Largest difference between torch and ONNX over whole, flow-only and empty inputs.

    Raises OutputError where it exceeds `TOLERANCE`.
    """
    frames, flows = _probe()
    session = CnnSession(network, "cpu")
    with torch.no_grad():
        expected = model.network.eval()(torch.from_numpy(frames), torch.from_numpy(flows))[0].numpy()
    one_by_one = [session.features(frames[i : i + 1], flows[i : i + 1]) for i in range(_SAMPLES)]
    worst = max(
        float(np.abs(session.features(frames, flows) - expected).max()),
        float(np.abs(np.concatenate(one_by_one) - expected).max()),
    )
    if not worst <= TOLERANCE:
        raise OutputError(
            f"torch and ONNX differ by {worst:.2g}, more than {TOLERANCE:.0e}: nothing was written"
        )
    return worst


def check_svm(model: TrainedModel, saved: ProbabilityModel) -> None:
    """Raises OutputError unless the saved SVM gives exactly the trained one's probabilities.

    The live route's own scorer has to give the same, but for rounding.
    """
    rng = np.random.default_rng(1)
    features = rng.normal(0.5, 1.0, (_SAMPLES, len(FEATURE_NAMES)))
    features[::2, 128:164] = np.nan
    expected = model.svm.predict_proba(features)
    same = np.array_equal(expected, saved.predict_proba(features))
    if not same or np.abs(expected - CalibratedSvm.of(saved).predict_proba(features)).max() > _ROUNDING:
        raise OutputError("the saved SVM gives other probabilities than the trained one: nothing was written")


def _probe() -> tuple[F32, F32]:
    rng = np.random.default_rng(0)
    shape = (_SAMPLES, 3, 3, FACE_SIZE, FACE_SIZE)
    frames = rng.uniform(0.0, 1.3, shape).astype(np.float32)
    flows = rng.normal(0.0, 1.0, shape).astype(np.float32)
    frames[::3] = 0.0
    flows[::4, 1:] = 0.0
    flows[-1] = 0.0
    return frames, flows
