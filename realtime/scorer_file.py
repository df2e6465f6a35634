"""A scorer on disk: plain arrays in an `.npz`, so that reading it runs nothing and needs no other library.

Names: `svm_mean svm_scale svm_vectors svm_duals svm_intercepts svm_support svm_gamma`
(`realtime.svm.RbfSvm`), `weights offsets` (`realtime.fusion.Fusion`) and, where the network knows action
units, `unit_slopes unit_offsets`. Everything is float64 but `svm_support`, which is int64.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import BundleError
from realtime.features.spec import AU_NAMES, FEATURE_NAMES
from realtime.fusion import SOURCES, Fusion, Scorer, UnitCalibration
from realtime.plain_arrays import UnfitError, read_arrays
from realtime.svm import RbfSvm
from realtime.types import F64, readonly

_UNITS = ("unit_slopes", "unit_offsets")
_MOST_BYTES = 64_000_000
"""An archive that unpacks to more is none of ours."""
_MOST_ARRAYS = 20


def scorer_bytes(scorer: Scorer) -> bytes:
    """The scorer as a file; the same scorer always gives the same bytes."""
    svm, units = scorer.svm, scorer.units
    arrays: dict[str, NDArray[Any]] = {
        "svm_mean": svm.mean,
        "svm_scale": svm.scale,
        "svm_vectors": svm.vectors,
        "svm_duals": svm.duals,
        "svm_intercepts": svm.intercepts,
        "svm_support": np.array(svm.support, dtype=np.int64),
        "svm_gamma": np.array(svm.gamma, dtype=np.float64),
        "weights": scorer.fusion.weights,
        "offsets": scorer.fusion.offsets,
    }
    if units is not None:
        arrays |= dict(zip(_UNITS, (units.slopes, units.offsets), strict=True))
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # writes no times
    return out.getvalue()


def read_scorer(data: bytes, name: str) -> Scorer:
    """The scorer in a file's bytes; `name` is the file's, for messages.

    Raises BundleError for anything that is no archive of just these arrays, holds objects, unpacks to
    more than `_MOST_BYTES`, announces more than it holds, or whose numbers do not fit together or are not
    finite.
    """
    try:
        return _scorer(
            read_arrays(data, (np.float64, np.int64), most_arrays=_MOST_ARRAYS, most_bytes=_MOST_BYTES)
        )
    except UnfitError as error:
        raise BundleError(f"{name} is not a readable scorer ({error}): export the bundle again") from error


def _scorer(arrays: Mapping[str, NDArray[Any]]) -> Scorer:
    found = dict(arrays)
    features = len(FEATURE_NAMES)
    support = found.pop("svm_support", np.zeros(0))
    if support.dtype != np.int64 or support.ndim != 1 or len(support) < 2 or support.min(initial=0) < 0:
        raise UnfitError("svm_support is wrong")
    classes, vectors = len(support), int(support.sum())
    svm = RbfSvm(
        # a block that no sample had has no mean, and an infinite scale turns a feature off
        mean=_taken(found, "svm_mean", (features,), finite=False),
        scale=_taken(found, "svm_scale", (features,), finite=False),
        vectors=_taken(found, "svm_vectors", (vectors, features)),
        duals=_taken(found, "svm_duals", (classes - 1, vectors)),
        intercepts=_taken(found, "svm_intercepts", (classes * (classes - 1) // 2,)),
        support=tuple(int(count) for count in support),
        gamma=float(_taken(found, "svm_gamma", ())),
    )
    fusion = Fusion(_taken(found, "weights", (len(SOURCES),)), _taken(found, "offsets", (classes,)))
    units = None
    if _UNITS[0] in arrays:
        units = UnitCalibration(*(_taken(found, unit, (len(AU_NAMES),)) for unit in _UNITS))
    if found:
        raise UnfitError(f"it has the unknown array {min(found)[:60]!r}")
    return Scorer(svm, fusion, units)


def _taken(arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], *, finite: bool = True) -> F64:
    if name not in arrays:
        raise UnfitError(f"{name} is missing")
    array = arrays.pop(name)
    if array.dtype != np.float64 or array.shape != shape or (finite and not np.isfinite(array).all()):
        raise UnfitError(f"{name} is of another type or shape, or not finite")
    return readonly(np.ascontiguousarray(array)) if shape else array
