"""What a recognition method is, and what all of them ask of their samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from offline.samples import SampleSet
from realtime.errors import DataError
from realtime.types import F64

Curve = tuple[dict[str, float], ...]
"""Per epoch: its number from 1, and `loss` (nats) and `accuracy` (0..1) on the training samples."""


class Fitted(Protocol):
    """A method after its training."""

    @property
    def curve(self) -> Curve:
        """Training curve; empty for a method that has no epochs."""

    def predict_proba(self, samples: SampleSet) -> F64:
        """Float64 (n, classes), >= 0, rows sum to 1; the class of a sample is the argmax of its row.

        Labels and subjects of the samples are not looked at, and no sample's row depends on the others.
        Raises DataError where a sample lacks what the method needs.
        """


@runtime_checkable
class Blocked(Protocol):
    """A fitted method whose features fall into blocks: `judge(measure(samples))` are its probabilities."""

    def measure(self, samples: SampleSet) -> dict[str, NDArray[Any]]:
        """Name of a block → its features, (n, …), NaN where not known; a row depends on its sample alone."""

    def judge(self, blocks: Mapping[str, NDArray[Any]]) -> F64:
        """Float64 (n, classes) of what `measure` gives, whatever samples its blocks are from."""


class Method(Protocol):
    """A way to learn to recognise, before its training. Never changed by `fit`."""

    name: ClassVar[str]
    calibrated: ClassVar[bool]
    """Whether its probabilities are meant as such, or only order the classes."""

    @property
    def settings(self) -> Any:
        """Frozen dataclass of everything that `fit` depends on beside samples and seed."""

    def fit(self, samples: SampleSet, seed: int) -> Fitted:
        """Learn from the samples; the same samples, settings and seed give the same predictions.

        Raises DataError where samples lack what the method needs, or a class has too few of them.
        """


@dataclass(frozen=True, slots=True, eq=False)
class FittedDecision:
    """A fitted support vector machine behind a feature extractor.

    Its row is the softmax of the one-vs-rest decision values, so that the argmax is the machine's own
    decision (with ties between the votes broken by confidence). It orders the classes; it is not
    calibrated.
    """

    machine: Any
    """Pipeline with `decision_function`, float64 (n, classes) out."""
    extract: Any
    """SampleSet → float64 (n, features)."""
    blocks: Mapping[str, slice] = field(default_factory=lambda: {"features": slice(None)})
    """Names of the blocks, one after the other, and their features."""

    @property
    def curve(self) -> Curve:
        return ()

    def predict_proba(self, samples: SampleSet) -> F64:
        return self.judge(self.measure(samples))

    def measure(self, samples: SampleSet) -> dict[str, NDArray[Any]]:
        features = self.extract(samples)
        return {name: features[:, block] for name, block in self.blocks.items()}

    def judge(self, blocks: Mapping[str, NDArray[Any]]) -> F64:
        values = self.machine.decision_function(np.concatenate(list(blocks.values()), axis=1))
        if values.ndim == 1:  # scikit-learn gives one column for two classes
            values = np.stack([-values, values], axis=1)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def require_classes(samples: SampleSet, least: int = 1) -> None:
    """Raises DataError where a class has fewer than `least` samples."""
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    if counts.min() < least:
        name = samples.classes[int(np.argmin(counts))]
        raise DataError(f"class {name!r} has {counts.min()} sample(s) to train on: every class needs {least}")


def require_flow(samples: SampleSet, method: str) -> None:
    """Raises DataError where a sample's flow onset→apex is not known."""
    lacking = int((~np.isfinite(samples.flows[:, 0])).any(axis=(1, 2, 3)).sum())
    if lacking:
        raise DataError(
            f"{method} needs the flow from onset to apex, which {lacking} of {len(samples)} samples lack: "
            "leave them out, or use a method that works on key frames"
        )


def require_frames(samples: SampleSet, method: str) -> None:
    """Raises DataError where a sample has no key frames."""
    lacking = int((samples.frame_rows < 0).sum())
    if lacking:
        raise DataError(
            f"{method} needs key frames, which {lacking} of {len(samples)} samples lack: "
            "give clips (--dataset manifest=FILE.csv) or --rendered M, or use a method that works on flow"
        )
