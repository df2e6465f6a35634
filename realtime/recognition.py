"""From evidence to a class with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from realtime.bundle import Bundle
from realtime.errors import BundleError, ConfigError
from realtime.explain import explain
from realtime.features.extract import handcrafted, network_input
from realtime.features.spec import BLOCKS, FACE_SIZE
from realtime.inference import CnnSession, Device
from realtime.types import F64, Explanation, KeyFrameEvidence, Recognition

_BATCH = 64


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """What is said about a movement beside its probabilities."""

    uncertain_below: float | None = None
    """Call a label uncertain where the largest probability is below this, 0..1; by default as the bundle
    says, and where it says nothing there is no such verdict."""
    explain: bool = False
    """Measure which regions and features each decision rested on: tens of milliseconds per event."""

    def __post_init__(self) -> None:
        if self.uncertain_below is not None and not 0.0 <= self.uncertain_below <= 1.0:
            raise ConfigError(f"uncertain_below must lie in 0..1, not {self.uncertain_below}")


class Recognizer:
    """The recogniser of one bundle on one device. Keeps no state between movements."""

    def __init__(
        self, bundle: Bundle, device: Device = "auto", config: RecognitionConfig | None = None
    ) -> None:
        """Raises DeviceError where the device cannot be used, BundleError for an unusable network."""
        self.bundle = bundle
        self.config = config or RecognitionConfig()
        self.uncertain_below = _threshold(bundle, self.config)
        """Threshold on the largest probability; None: there is none."""
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
        found = [self._recognition(row) for row in self.probabilities(evidence)]
        if not self.config.explain:
            return found
        pairs = zip(found, evidence, strict=True)
        return [replace(item, explanation=self.explain(movement)) for item, movement in pairs]

    def explain(self, evidence: KeyFrameEvidence) -> Explanation:
        """Which regions and blocks the decision on one movement rests on."""
        return explain(self, evidence)

    def probabilities(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """Calibrated probabilities: float64 (n, classes), rows sum to 1."""
        probabilities: F64 = self.bundle.svm.predict_proba(self.features(evidence))
        return probabilities

    def without_blocks(self, evidence: KeyFrameEvidence) -> Mapping[str, F64]:
        """Block of features that is known → probabilities (classes,) if it were at its mean."""
        whole = self.features([evidence])
        known = [name for name, block in BLOCKS.items() if np.isfinite(whole[:, block]).any()]
        rows = np.repeat(whole, len(known), axis=0)
        for row, name in zip(rows, known, strict=True):
            row[BLOCKS[name]] = np.nan  # which the SVM takes for the mean
        return dict(zip(known, self.bundle.svm.predict_proba(rows), strict=True))

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
        classes, least = self.bundle.classes, self.uncertain_below
        return Recognition(
            label=classes[int(np.argmax(probabilities))],
            probabilities=MappingProxyType(
                {name: float(p) for name, p in zip(classes, probabilities, strict=True)}
            ),
            uncertain=None if least is None else bool(probabilities.max() < least),
        )


def _threshold(bundle: Bundle, config: RecognitionConfig) -> float | None:
    """The settings' threshold, or else the bundle's. Raises BundleError where the bundle's is none."""
    if config.uncertain_below is not None:
        return config.uncertain_below
    value = bundle.description.get("uncertain_below")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise BundleError(f"bundle {bundle.name} has a wrong uncertain_below ({value!r}): use 0..1, or none")
    return float(value)
