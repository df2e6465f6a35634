"""Fits what comes after the network: the SVM on the 224 features and the fusion of all scores.

Everything rests on scores of samples whose subjects the scored source had not seen: of the network's
members those that left the subject out, of the SVM one fitted on the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from offline.svm_fitting import SvmSettings, svm_front
from offline.timing import part
from realtime.features.spec import AU_NAMES
from realtime.fusion import SOURCES, Fusion, Scorer, UnitCalibration
from realtime.svm import RbfSvm
from realtime.types import F64

RIDGE = 1e-3
"""Penalty on the squares of weights and offsets."""
_UNEQUAL = 0.3
"""Penalty on the squares of the weights' distances from their mean, each source on its own scale: from a few
hundred samples, equal trust is a better guess than fitted weights."""
_WORTH = 2.0
"""Samples × nats by which a source must lower the log loss to be heard: one factor fitted to chance lowers it
by half a nat on average, and by this much once in twenty times."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Samples with honest scores, to fit SVM and fusion by."""

    features: F64
    """(n, 224); NaN where a modality is missing."""
    scores: F64
    """(n, 2, classes): of the members that had not seen the sample's subject, and of the prior."""
    labels: NDArray[np.intp]
    fold: NDArray[np.intp]
    """(n,): samples of one subject are in one fold."""
    importance: F64
    """(n,): weight of each sample in the fusion."""


@part("svm")
def fit_scorer(
    stack: Stack, active: NDArray[np.bool_], settings: SvmSettings
) -> tuple[Scorer, dict[str, float]]:
    """Fit SVM and fusion; returns a scorer without action units, and what was chosen.

    Args:
        stack: the samples.
        active: (224,): features that the SVM sees; where there are none, its weight is 0.
        settings: penalties and kernel widths to choose from, by the log loss of the fused probabilities.
    """
    best: tuple[float, Fusion, float, float] | None = None
    for c, gamma in product(settings.c, settings.gamma):
        scores = stacked_scores(stack, active, c, gamma)
        fusion, loss = fit_fusion(scores, stack.labels, stack.importance)
        if best is None or loss < best[0]:
            best = loss, fusion, c, gamma
    assert best is not None
    loss, fusion, c, gamma = best
    svm = fit_machine(stack.features, stack.labels, active, c, gamma)
    weights = {f"weight_{name}": float(w) for name, w in zip(SOURCES, fusion.weights, strict=True)}
    return Scorer(RbfSvm.of(svm), fusion, None), {"C": c, "gamma": gamma, "log_loss": loss, **weights}


def stacked_scores(stack: Stack, active: NDArray[np.bool_], c: float, gamma: float) -> F64:
    """Scores of all three sources about samples that each had not seen: float64 (n, 3, classes)."""
    decisions = np.zeros((len(stack.labels), stack.scores.shape[2]))
    if active.any():
        for left_out in np.unique(stack.fold):
            out = stack.fold == left_out
            machine = fit_machine(stack.features[~out], stack.labels[~out], active, c, gamma)
            decisions[out] = RbfSvm.of(machine).decisions(stack.features[out])
    return np.concatenate([stack.scores, decisions[:, None]], axis=1)


def fit_machine(
    features: F64, labels: NDArray[np.intp], active: NDArray[np.bool_], c: float, gamma: float
) -> Pipeline:
    """Scaler, zero for what is missing, balanced RBF SVC; features that are off are scaled to nothing."""
    front = Pipeline(svm_front())
    with np.errstate(invalid="ignore"):  # a block that no sample has stays NaN in the scaler, then 0
        front.fit(features)
        scaler = front.steps[0][1]
        scaler.scale_ = np.where(active, scaler.scale_, np.inf)
        machine = SVC(C=c, kernel="rbf", gamma=gamma, class_weight="balanced")
        machine.fit(front.transform(features), labels)
    return Pipeline([*front.steps, ("svc", machine)])


def fit_fusion(scores: F64, labels: NDArray[np.intp], importance: F64) -> tuple[Fusion, float]:
    """Weights >= 0 per source, near to equal, then a common factor and an offset per class of least mean log
    loss; and that loss, nats.

    A source that says nothing about the labels gets no weight.
    """
    centred = scores - scores.mean(axis=2, keepdims=True)
    spread = centred.std(axis=(0, 2))
    scaled = centred / np.maximum(spread, 1e-9)[:, None]
    share = importance / importance.sum()
    deaf = _least_loss(scaled[:, :0], labels, share)[2] - _WORTH / len(labels)
    heard = np.array(
        [s for s in range(len(spread)) if _least_loss(scaled[:, [s]], labels, share)[2] < deaf], dtype=np.intp
    )
    scaled = scaled[:, heard]
    trust, _, _ = _least_loss(scaled, labels, share)
    together = np.tensordot(scaled, trust, axes=(1, 0))[:, None]
    factor, offsets, loss = _least_loss(together, labels, share)
    weights = np.zeros(scores.shape[1])
    weights[heard] = factor[0] * trust / spread[heard]
    return Fusion(weights, offsets), loss


def _least_loss(scores: F64, labels: NDArray[np.intp], share: F64) -> tuple[F64, F64, float]:
    """Weights and offsets of least penalised log loss, and that; scores (n, sources, classes)."""
    sources, classes = scores.shape[1:]
    wanted = np.eye(classes)[labels]

    def loss(values: F64) -> tuple[float, F64]:
        weights, offsets = values[:sources], values[sources:]
        logs = log_softmax(np.tensordot(scores, weights, axes=(1, 0)) + offsets, axis=1)
        slope = (np.exp(logs) - wanted) * share[:, None]
        gradient = np.concatenate([np.einsum("nsc,nc->s", scores, slope), slope.sum(axis=0)])
        unequal = np.zeros_like(values)
        unequal[:sources] = weights - weights.sum() / max(sources, 1)
        value = -float((share * logs[np.arange(len(labels)), labels]).sum())
        penalty = RIDGE * float(values @ values) + _UNEQUAL * float(unequal @ unequal)
        return value + penalty, gradient + 2.0 * RIDGE * values + 2.0 * _UNEQUAL * unequal

    start = np.concatenate([np.full(sources, 0.3), np.zeros(classes)])
    limits = [(0.0, None)] * sources + [(None, None)] * classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits)
    return found.x[:sources].copy(), found.x[sources:].copy(), float(found.fun)


def fit_units(logits: F64, targets: F64) -> UnitCalibration:
    """The sigmoids that turn logits (n, 13, 2) into probabilities.

    Targets are 0, 1 or NaN for not known. A unit that is always there or never keeps its logits.
    """
    slopes, offsets = np.ones(len(AU_NAMES)), np.zeros(len(AU_NAMES))
    for unit in range(len(AU_NAMES)):
        wanted, given = targets[:, unit].ravel(), logits[:, unit].ravel()
        known = np.isfinite(wanted)
        if len(np.unique(wanted[known])) == 2:
            slopes[unit], offsets[unit] = _sigmoid(given[known], wanted[known])
    return UnitCalibration(slopes, offsets)


def _sigmoid(values: F64, wanted: F64) -> tuple[float, float]:
    def loss(pair: F64) -> tuple[float, F64]:
        total = pair[0] * values + pair[1]
        slope = 1.0 / (1.0 + np.exp(-total)) - wanted
        value = float(np.mean(np.logaddexp(0.0, total) - wanted * total))
        return value + RIDGE * float((pair[0] - 1.0) ** 2), np.array(
            [np.mean(slope * values) + 2.0 * RIDGE * (pair[0] - 1.0), np.mean(slope)]
        )

    found = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)]
    )
    return float(found.x[0]), float(found.x[1])
