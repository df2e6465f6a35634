"""From evidence to a class with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from realtime.bundle import Bundle
from realtime.errors import BundleError
from realtime.features.extract import handcrafted, network_input
from realtime.features.spec import FACE_SIZE
from realtime.inference import CnnSession, Device
from realtime.types import F64, KeyFrameEvidence, Recognition

_BATCH = 64


class Recognizer:
    """The recogniser of one bundle on one device. Keeps no state between movements."""

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        """Raises DeviceError where the device cannot be used, BundleError for an unusable network."""
        self.bundle = bundle
        self._session = CnnSession(bundle.network, device)
        self._try_out()

    @property
    def provider(self) -> str:
        """What the network runs on: "cpu" or "cuda"."""
        return self._session.provider

    def recognize(self, evidence: KeyFrameEvidence) -> Recognition:
        """Class and calibrated probabilities of one movement."""
        return self.recognize_many([evidence])[0]

    def recognize_many(self, evidence: Sequence[KeyFrameEvidence]) -> list[Recognition]:
        """The same for several movements."""
        if not evidence:
            return []
        return [self._recognition(row) for row in self.probabilities(evidence)]

    def probabilities(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """Calibrated probabilities: float64 (n, classes), rows sum to 1."""
        probabilities: F64 = self.bundle.svm.predict_proba(self.features(evidence))
        return probabilities

    def features(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """All 224 features: float64 (n, 224); NaN in handcrafted blocks whose modality is missing."""
        parts = []
        for start in range(0, len(evidence), _BATCH):
            batch = evidence[start : start + _BATCH]
            inputs = [network_input(item) for item in batch]
            cnn = self._session.features(
                np.concatenate([frames for frames, _ in inputs]),
                np.concatenate([flows for _, flows in inputs]),
            )
            by_hand = np.stack([handcrafted(item) for item in batch])
            parts.append(np.concatenate([cnn, by_hand], axis=1).astype(np.float64))
        return np.concatenate(parts)

    def _try_out(self) -> None:
        """Score an empty movement: what cannot be used is refused now, not at the first event."""
        empty = KeyFrameEvidence(None, np.zeros((3, 2, FACE_SIZE, FACE_SIZE), np.float32))
        try:
            probabilities = self.probabilities([empty])
        except Exception as error:  # ONNX Runtime raises classes of its own without a common root
            raise BundleError(f"bundle {self.bundle.name} cannot be run: export it again") from error
        wanted = (1, len(self.bundle.classes))
        if probabilities.shape != wanted or not np.isclose(probabilities.sum(), 1.0):
            raise BundleError(f"bundle {self.bundle.name} gives no probabilities: export it again")

    def _recognition(self, probabilities: F64) -> Recognition:
        classes = self.bundle.classes
        return Recognition(
            label=classes[int(np.argmax(probabilities))],
            probabilities=MappingProxyType(
                {name: float(p) for name, p in zip(classes, probabilities, strict=True)}
            ),
        )
