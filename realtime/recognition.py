"""From evidence to a class with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from realtime.bundle import Bundle
from realtime.devices import Device
from realtime.errors import BundleError, ConfigError, DeviceError
from realtime.explain import explain
from realtime.features.extract import handcrafted, network_input
from realtime.features.spec import AU_NAMES, BLOCKS, FACE_SIZE, HANDCRAFTED_BLOCKS
from realtime.inference import CnnSession
from realtime.types import F64, Explanation, KeyFrameEvidence, Recognition, Side

PRESENT = 0.5
"""An action unit of at least this probability is taken to be there: its side is given."""
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What network and features say of n movements, before it is weighed."""

    features: F64
    """(n, 224); NaN in handcrafted blocks whose modality is missing."""
    scores: F64
    """(n, 2, classes): of the network's members and of its prior."""
    units: F64
    """(n, 13, 2): logits of the action units, left and right of the person."""


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """What is said about a movement beside its probabilities."""

    uncertain_below: float | None = None
    """Call a label uncertain where the largest probability is below this, 0..1; by default as the bundle
    says, and where it says nothing there is no such verdict."""
    explain: bool = False
    """Measure which regions and features each decision rested on: about a tenth of a second per event."""

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
        self._heard = _heard_blocks(bundle)
        self._try_out()

    @property
    def provider(self) -> str:
        """What the network runs on: "cpu", "cuda" or "tensorrt"."""
        return self._session.provider

    def recognize(self, evidence: KeyFrameEvidence) -> Recognition:
        """Class and calibrated probabilities of one movement."""
        return self.recognize_many([evidence])[0]

    def recognize_many(self, evidence: Sequence[KeyFrameEvidence]) -> list[Recognition]:
        """The same for several movements."""
        if not evidence:
            return []
        measured = self._measure(evidence, self._heard)
        rows = self.bundle.scorer.probabilities(measured.scores, measured.features)
        units = self.bundle.scorer.units
        sides = None if units is None else units.probabilities(measured.units)
        found = [self._recognition(row, None if sides is None else sides[i]) for i, row in enumerate(rows)]
        if not self.config.explain:
            return found
        pairs = zip(found, evidence, strict=True)
        return [replace(item, explanation=self.explain(movement)) for item, movement in pairs]

    def explain(self, evidence: KeyFrameEvidence) -> Explanation:
        """Which regions and blocks the decision on one movement rests on."""
        return explain(self, evidence)

    def probabilities(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """Calibrated probabilities: float64 (n, classes), rows sum to 1."""
        measured = self._measure(evidence, self._heard)
        return self.bundle.scorer.probabilities(measured.scores, measured.features)

    def without_blocks(self, evidence: KeyFrameEvidence) -> Mapping[str, F64]:
        """Block of features that is known → probabilities (classes,) if it were at its mean.

        Without the `cnn` block the network's own scores are gone as well.
        """
        whole = self.measure([evidence])
        known = [name for name, block in BLOCKS.items() if np.isfinite(whole.features[:, block]).any()]
        rows = np.repeat(whole.features, len(known), axis=0)
        scores = np.repeat(whole.scores, len(known), axis=0)
        for index, name in enumerate(known):
            rows[index, BLOCKS[name]] = np.nan  # which the SVM takes for the mean
            scores[index] *= name != "cnn"
        return dict(zip(known, self.bundle.scorer.probabilities(scores, rows), strict=True))

    def action_units(self, evidence: Sequence[KeyFrameEvidence]) -> F64 | None:
        """Probabilities of `AU_NAMES`, left and right of the person: float64 (n, 13, 2).

        None where the bundle knows no action units.
        """
        units = self.bundle.scorer.units
        return None if units is None else units.probabilities(self._measure(evidence, ()).units)

    def features(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """All 224 features: float64 (n, 224); NaN in handcrafted blocks whose modality is missing."""
        return self.measure(evidence).features

    def measure(self, evidence: Sequence[KeyFrameEvidence]) -> Measured:
        """All that the probabilities are made from, and what the bundle does not look at."""
        return self._measure(evidence, HANDCRAFTED_BLOCKS)

    def _measure(self, evidence: Sequence[KeyFrameEvidence], blocks: Container[str]) -> Measured:
        """As `measure`, handcrafted features being NaN outside some blocks."""
        features, scores, units = [], [], []
        for start in range(0, len(evidence), _BATCH):
            batch = evidence[start : start + _BATCH]
            inputs = [network_input(item) for item in batch]
            found = self._session.run(
                np.concatenate([frames for frames, _ in inputs]),
                np.concatenate([flows for _, flows in inputs]),
            )
            by_hand = np.stack(
                [
                    handcrafted(item, flows[0, 0], blocks)
                    for item, (_, flows) in zip(batch, inputs, strict=True)
                ]
            )
            features.append(np.concatenate([found[0], by_hand], axis=1).astype(np.float64))
            scores.append(found[1].astype(np.float64))
            units.append(found[2].astype(np.float64))
        return Measured(np.concatenate(features), np.concatenate(scores), np.concatenate(units))

    def _try_out(self) -> None:
        """Score an empty movement: what cannot be used is refused now, not at the first event."""
        empty = KeyFrameEvidence(None, np.zeros((3, 2, FACE_SIZE, FACE_SIZE), np.float32))
        try:
            probabilities = self.probabilities([empty])
        except DeviceError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own without a common root
            raise BundleError(f"bundle {self.bundle.name} cannot be run: export it again") from error
        wanted = (1, len(self.bundle.classes))
        if probabilities.shape != wanted or not np.isclose(probabilities.sum(), 1.0):
            raise BundleError(f"bundle {self.bundle.name} gives no probabilities: export it again")

    def _recognition(self, probabilities: F64, sides: F64 | None) -> Recognition:
        classes, least = self.bundle.classes, self.uncertain_below
        units = {} if sides is None else dict(zip(AU_NAMES, sides.max(axis=1).tolist(), strict=True))
        moving = {} if sides is None else dict(zip(AU_NAMES, map(_side, sides), strict=True))
        return Recognition(
            label=classes[int(np.argmax(probabilities))],
            probabilities=MappingProxyType(
                {name: float(p) for name, p in zip(classes, probabilities, strict=True)}
            ),
            uncertain=None if least is None else bool(probabilities.max() < least),
            action_units=MappingProxyType(units),
            sides=MappingProxyType({name: moving[name] for name in units if units[name] >= PRESENT}),
        )


def _heard_blocks(bundle: Bundle) -> frozenset[str]:
    """Handcrafted blocks that the support vector machine looks at: one that is off has infinite scales."""
    scale = bundle.scorer.svm.scale
    return frozenset(name for name in HANDCRAFTED_BLOCKS if np.isfinite(scale[BLOCKS[name]]).any())


def _side(pair: F64) -> Side:
    """Where a unit moves, from its probabilities on the person's left and right."""
    left, right = pair
    if min(left, right) >= 0.5 * max(left, right):
        return "both"
    return "left" if left > right else "right"


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
