"""Proves that what was exported computes what was trained."""

from __future__ import annotations

import numpy as np
import torch

from offline.training import TrainedModel
from realtime.errors import OutputError
from realtime.features.spec import FACE_SIZE, FEATURE_NAMES
from realtime.fusion import Scorer
from realtime.inference import CnnSession
from realtime.types import F32

TOLERANCE = 1e-5
"""Largest difference allowed between torch and ONNX, in any output."""
_SAMPLES = 24


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


def check_scorer(model: TrainedModel, saved: Scorer) -> None:
    """Raises OutputError unless what was saved gives exactly the probabilities of what was trained."""
    rng = np.random.default_rng(1)
    features = rng.normal(0.5, 1.0, (_SAMPLES, len(FEATURE_NAMES)))
    features[::2, 128:164] = np.nan
    scores = rng.normal(0.0, 1.0, (_SAMPLES, 2, len(model.classes)))
    expected, found = (scorer.probabilities(scores, features) for scorer in (model.scorer, saved))
    if not np.array_equal(expected, found):
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
