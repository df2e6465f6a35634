"""Finished folds on disk, so that a run that was killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.explanations import DONORS
from offline.methods.base import Curve, Method
from offline.samples import SampleSet
from offline.versions import all_versions
from realtime.errors import OutputError
from realtime.features.spec import FEATURE_SPEC_ID
from realtime.sinks.files import write_together
from realtime.types import F64, Explanation


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """What one left-out group of subjects gave."""

    subjects: tuple[str, ...]
    indices: NDArray[np.intp]
    """Samples of these subjects."""
    probabilities: F64
    """(samples, classes)."""
    curve: Curve
    timing: Mapping[str, float]
    """Seconds by what they were spent on; they add up to the fold's."""
    explanations: tuple[Explanation, ...] = ()
    """What each decision rested on; empty where that was not asked for."""

    @property
    def seconds(self) -> float:
        """How long the fold took."""
        return math.fsum(self.timing.values())


def fingerprint(samples: SampleSet, method: Method, seed: int, explained: bool = False) -> str:
    """SHA-256 over everything that a fold depends on beside its subjects.

    Method, settings, seed, data, feature spec, and the versions of glimpse and of its libraries.
    """
    about = {
        "method": method.name,
        "settings": asdict(method.settings),
        "seed": seed,
        "explained": DONORS if explained else None,
        "feature_spec": FEATURE_SPEC_ID,
        "versions": all_versions(),
        "classes": samples.classes,
        "subjects": samples.subjects,
        "shapes": [samples.flows.shape, samples.frames.shape],
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for array in (samples.flows, samples.frames, samples.frame_rows, samples.labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class FoldStore:
    """A folder with one JSON file per finished fold."""

    def __init__(self, folder: Path, identity: str) -> None:
        """`identity` is the run's `fingerprint`: folds of another one are not seen.

        Raises OutputError where the folder cannot be made.
        """
        self.folder, self.identity = folder, identity
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error

    def load(self, subjects: tuple[str, ...]) -> FoldResult | None:
        """The fold that left these subjects out; None where it is not there, or not whole."""
        try:
            whole = json.loads(self._path(subjects).read_text(encoding="utf-8"))
            if hashlib.sha256(whole["fold"].encode()).hexdigest() != whole["sha256"]:
                return None
            data = json.loads(whole["fold"])
            if data["fingerprint"] != self.identity or tuple(data["subjects"]) != subjects:
                return None
            return FoldResult(
                subjects,
                np.array(data["indices"], dtype=np.intp),
                np.array(data["probabilities"], dtype=np.float64),
                tuple(data["curve"]),
                {str(name): float(seconds) for name, seconds in data["timing"].items()},
                tuple(Explanation(item["regions"], item["blocks"]) for item in data["explanations"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, result: FoldResult) -> None:
        """Write a fold, whole or not at all. Raises OutputError."""
        data: dict[str, Any] = {
            "fingerprint": self.identity,
            "subjects": list(result.subjects),
            "indices": result.indices.tolist(),
            "probabilities": result.probabilities.tolist(),
            "curve": list(result.curve),
            "timing": dict(result.timing),
            "explanations": [
                {"regions": dict(item.regions), "blocks": dict(item.blocks)} for item in result.explanations
            ],
        }
        text = json.dumps(data)
        whole = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "fold": text}
        write_together({self._path(result.subjects): (json.dumps(whole) + "\n").encode()})

    def _path(self, subjects: tuple[str, ...]) -> Path:
        key = json.dumps([self.identity, subjects])
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
