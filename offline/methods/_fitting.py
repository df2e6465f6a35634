"""Fits a small network for a fixed number of epochs: nothing is chosen by a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from offline.member_training import class_weights, single_thread
from offline.methods.base import Curve
from offline.samples import SampleSet
from realtime.types import F32, F64

Extract = Callable[[SampleSet], F32]
_PREDICTED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast."""

    epochs: int = 60
    batch: int = 32
    learning_rate: float = 1e-3
    """First learning rate of Adam; it falls to 0 along a cosine."""
    weight_decay: float = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A network with what it was fitted on the output of."""

    network: nn.Module
    extract: Extract
    curve: Curve
    channels: tuple[str, ...] = ()
    """Names of the inputs' channels (axis 1); empty: they are one block."""

    def predict_proba(self, samples: SampleSet) -> F64:
        return self.judge(self.measure(samples))

    def measure(self, samples: SampleSet) -> dict[str, NDArray[Any]]:
        inputs = self.extract(samples)
        if not self.channels:
            return {"inputs": inputs}
        return {name: inputs[:, i : i + 1] for i, name in enumerate(self.channels)}

    def judge(self, blocks: Mapping[str, NDArray[Any]]) -> F64:
        inputs = np.concatenate(list(blocks.values()), axis=1)
        with single_thread(), torch.no_grad():
            parts = [
                self.network(torch.from_numpy(inputs[start : start + _PREDICTED_AT_ONCE])).double()
                for start in range(0, len(inputs), _PREDICTED_AT_ONCE)
            ]
        return np.asarray(torch.cat(parts).softmax(dim=1).numpy(), dtype=np.float64)


def fit_network(
    build: Callable[[], nn.Module],
    extract: Extract,
    samples: SampleSet,
    settings: FitSettings,
    seed: int,
    channels: tuple[str, ...] = (),
) -> FittedNetwork:
    """Fit with Adam, a cosine schedule and class-weighted cross-entropy; deterministic for a seed.

    Args:
        build: makes the network, float32 (n, ...) → logits (n, classes).
        extract: samples → its inputs; raises DataError where they lack what it needs.
        samples: at least two, of every class at least one.
        settings: epochs, batch, learning rate, weight decay.
        seed: of weights, order and dropout. The caller's random state is left alone.
        channels: names of the inputs' channels, where each is a block of its own.
    """
    inputs, labels = torch.from_numpy(extract(samples)), torch.from_numpy(samples.labels.copy())
    weights = class_weights(samples)
    order = np.random.default_rng(seed)
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build().train()
        optimiser = torch.optim.Adam(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs)
        curve = []
        for epoch in range(settings.epochs):
            batches = np.array_split(order.permutation(len(samples)), max(len(samples) // settings.batch, 1))
            loss, accuracy = _epoch(network, optimiser, inputs, labels, weights, batches)
            schedule.step()
            curve.append({"epoch": epoch + 1.0, "loss": loss, "accuracy": accuracy})
    return FittedNetwork(network.eval(), extract, tuple(curve), channels)


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: Tensor,
    labels: Tensor,
    weights: Tensor,
    batches: list[np.ndarray[tuple[int], np.dtype[np.int64]]],
) -> tuple[float, float]:
    """One pass; mean loss and share of samples right while learning."""
    losses, right = 0.0, 0
    for batch in map(torch.from_numpy, batches):
        logits = network(inputs[batch])
        loss = functional.cross_entropy(logits, labels[batch], weight=weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses += float(loss.detach()) * len(batch)
        right += int((logits.detach().argmax(dim=1) == labels[batch]).sum())
    return losses / len(inputs), right / len(inputs)
