"""What the decisions of an evaluation rested on: kept beside its results, one row per sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.methods.base import Blocked, Fitted
from offline.samples import SampleSet, sample_set
from realtime.errors import DataError
from realtime.explain import explain
from realtime.geometry import REGION_NAMES
from realtime.sinks.files import OutputFile, output_errors
from realtime.types import F64, Explanation, KeyFrameEvidence

EXPLANATIONS = "explanations.csv"
_REGION, _BLOCK = "region_", "block_"
DONORS = 16
"""Training samples whose features take the place of a sample's, block by block."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedExplainable:
    """Any fitted method as `realtime.explain` asks for it."""

    fitted: Fitted
    classes: tuple[str, ...]
    donors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Blocks of features of other people's samples; empty: what blocks are worth is not measured."""

    def probabilities(self, evidence: Sequence[KeyFrameEvidence]) -> F64:
        """float64 (n, classes)."""
        return self.fitted.predict_proba(self._samples(evidence))

    def without_blocks(self, evidence: KeyFrameEvidence) -> Mapping[str, F64]:
        """Block of features that is known → mean probabilities (classes,) with other people's in its place.

        So a block's worth is its permutation importance (Breiman 2001) for this one sample: the mean fall of
        the label's probability when the block is drawn from the donors. Nothing for a method of one block.
        """
        if len(self.donors) < 2 or not isinstance(self.fitted, Blocked):
            return {}
        own = self.fitted.measure(self._samples([evidence]))
        found = {}
        for name, values in own.items():
            others = self.donors[name]
            others = others[np.isfinite(others.reshape(len(others), -1)).any(axis=1)]
            if len(others) and np.isfinite(values).any():
                mixed = {other: np.repeat(rows, len(others), axis=0) for other, rows in own.items()}
                found[name] = self.fitted.judge({**mixed, name: others}).mean(axis=0)
        return found

    def _samples(self, evidence: Sequence[KeyFrameEvidence]) -> SampleSet:
        frames = [item.frames for item in evidence if item.frames is not None]
        count = len(evidence)
        return sample_set(
            np.stack([item.flows for item in evidence]),
            [-1] * count,
            self.classes,
            [""] * count,
            np.stack(frames) if len(frames) == count else None,
            [""] * count,
        )


def explain_fitted(
    fitted: Fitted, samples: SampleSet, others: SampleSet | None = None
) -> tuple[Explanation, ...]:
    """What a fitted method's decision on each sample rests on; labels are not looked at.

    `others`: samples of other people, whose features take the place of a sample's to see what each block
    is worth; None: that is not measured.
    """
    donors = fitted.measure(others) if others is not None and isinstance(fitted, Blocked) else {}
    method = FittedExplainable(fitted, samples.classes, donors)
    return tuple(explain(method, samples.evidence(index)) for index in range(len(samples)))


def write_explanations(folder: Path, explanations: Sequence[Explanation]) -> None:
    """Write `explanations.csv`, in the order of the samples; without any, take an earlier one away.

    Raises OutputError.
    """
    path = folder / EXPLANATIONS
    if not explanations:
        with output_errors(str(path)):
            path.unlink(missing_ok=True)
        return
    blocks = sorted({name for item in explanations for name in item.blocks})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["sample", *(_REGION + name for name in REGION_NAMES), *(_BLOCK + name for name in blocks)]
    )
    for index, item in enumerate(explanations):
        regions = [f"{item.regions[name]:.4f}" for name in REGION_NAMES]
        table.writerow([index, *regions, *(f"{item.blocks.get(name, 0.0):.4f}" for name in blocks)])
    file = OutputFile(path)
    try:
        file.write(text.getvalue().encode())
        file.commit()
    finally:
        file.abandon()


def read_explanations(folder: Path, samples: int) -> tuple[Explanation, ...]:
    """What `write_explanations` wrote; nothing where the evaluation was not explained.

    Raises DataError where the file is damaged or of another number of samples.
    """
    path = folder / EXPLANATIONS
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        found = tuple(Explanation(_parts(row, _REGION), _parts(row, _BLOCK)) for row in rows)
        if len(found) != samples or any(set(item.regions) != set(REGION_NAMES) for item in found):
            raise ValueError("another run's")
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(
            f"{path} does not belong to this evaluation: evaluate again with --explain"
        ) from error
    return found


def _parts(row: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): float(value) for name, value in row.items() if name.startswith(prefix)}


def mean_explanation(explanations: Sequence[Explanation]) -> Explanation:
    """The mean of several, at least one."""
    regions = {name: _mean([item.regions[name] for item in explanations]) for name in REGION_NAMES}
    blocks = {name: _mean([item.blocks[name] for item in explanations]) for name in explanations[0].blocks}
    return Explanation(regions, blocks)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
