"""Fits one network of the committee."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from offline.augment import Augmenter
from offline.imbalance import FOCAL_GAMMA, epoch_order
from offline.network import Member, averaged
from offline.samples import SampleSet
from offline.training_settings import EpochRecord, TrainingSettings
from realtime.features.extract import network_frames
from realtime.features.normalise import normalise_flow

Curve = tuple[EpochRecord, ...]


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread: sums over several depend on their number, and so would the model."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fit_member(
    samples: SampleSet, settings: TrainingSettings, seed: int, features: int
) -> tuple[Member, Curve]:
    """Train a network of `features` features; returns it in evaluation mode, with its curve.

    Samples whose label is −1 teach action units alone. The caller's random state is left alone.
    """
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        member = Member(samples.classes, features, settings.network)
        return member, _fit(member, samples, settings, seed)


def _fit(member: Member, samples: SampleSet, settings: TrainingSettings, seed: int) -> Curve:
    batches = max(len(samples) // settings.batch, 1)
    optimiser, schedule = _optimiser(member, settings, batches * settings.epochs)
    augmenter = Augmenter(settings.augment, seed + 1)
    rng = np.random.default_rng(seed)
    flows = training_flows(samples, settings.network.flow_size)
    units = torch.from_numpy(samples.action_units.copy())
    weights = class_weights(samples)
    if settings.imbalance == "oversampling":
        weights = torch.ones_like(weights)
    gamma = FOCAL_GAMMA if settings.imbalance == "focal" else 0.0
    member.train()
    curve = []
    for epoch in range(settings.epochs):
        losses, right = 0.0, 0
        order = epoch_order(rng, samples.labels, settings.imbalance)
        for batch in np.array_split(order, max(len(order) // settings.batch, 1)):
            labels = torch.from_numpy(samples.labels[batch])
            frames = _small_frames(samples, batch, settings)
            frames, fields, flip = augmenter(frames, flows[torch.from_numpy(batch)])
            logits, unit_logits = member.expanded(frames, fields)
            loss = expanded_loss(logits, labels, weights, settings.label_smoothing, gamma)
            wanted = torch.where(flip[:, None, None], units[batch].flip(-1), units[batch])
            total = loss + settings.unit_loss * unit_loss(unit_logits, wanted)
            optimiser.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses += float(loss.detach()) * len(batch)
            right += int((logits.detach().mean(dim=1).argmax(dim=1) == labels).sum())
        curve.append(EpochRecord(epoch + 1, losses / len(order), right / len(order)))
    member.eval()
    return tuple(curve)


def _optimiser(
    member: Member, settings: TrainingSettings, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.schedule == "cosine":
        adam = torch.optim.Adam(member.parameters(), lr=rate, weight_decay=decay)
        return adam, torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    adamw = torch.optim.AdamW(member.parameters(), lr=rate, weight_decay=decay, fused=True)
    return adamw, torch.optim.lr_scheduler.OneCycleLR(adamw, rate, total_steps=steps + 1)


def training_flows(samples: SampleSet, size: int) -> Tensor:
    """Normalised flow, averaged down: float32 (n, k, 3, size, size), k = 1 where the later fields are
    known of no sample."""
    fields = samples.flows if np.isfinite(samples.flows[:, 1:]).any() else samples.flows[:, :1]
    parts = [
        averaged(torch.from_numpy(normalise_flow(part)), size)
        for part in np.array_split(fields, max(len(samples) // 256, 1))
    ]
    return torch.cat(parts)


def _small_frames(samples: SampleSet, batch: NDArray[np.intp], settings: TrainingSettings) -> Tensor:
    """Key frames of a batch averaged down, one pixel of 0 where there are none or no branch for them."""
    if not settings.network.frames or not (samples.frame_rows[batch] >= 0).any():
        return torch.zeros(len(batch), 3, 3, 1, 1)
    return averaged(frame_tensor(samples, batch), settings.network.frame_size)


def frame_tensor(samples: SampleSet, indices: NDArray[np.intp]) -> Tensor:
    """Key frames as the network sees them: float32 (n, 3, 3, 64, 64), zeros where there are none."""
    rows = samples.frame_rows[indices]
    out = np.zeros((len(indices), 3, 3, *samples.flows.shape[-2:]), dtype=np.float32)
    if (rows >= 0).any():
        out[rows >= 0] = network_frames(samples.frames[rows[rows >= 0]])
    return torch.from_numpy(out)


def expanded_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float, gamma: float = 0.0
) -> Tensor:
    """Class-weighted cross-entropy of logits (n, k, classes), over the samples whose label is not −1.

    With γ > 0 each is multiplied by (1 − p)^γ, p being the probability of its class (Lin et al. 2017).
    """
    logits, labels = logits[labels >= 0], labels[labels >= 0]
    if not len(labels):
        return logits.sum()
    copies, flat = labels[:, None].expand(-1, logits.shape[1]).reshape(-1), logits.flatten(0, 1)
    if gamma == 0.0:
        return functional.cross_entropy(flat, copies, weight=weights, label_smoothing=smoothing)
    losses = functional.cross_entropy(
        flat, copies, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    missed = 1.0 - flat.softmax(dim=1).gather(1, copies[:, None])[:, 0]
    return (missed**gamma * losses).sum() / weights[copies].sum()


def unit_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of action units (n, 13, 2) where they are known; 0 where none is."""
    known = torch.isfinite(targets)
    if not bool(known.any()):
        return logits.sum() * 0.0
    return functional.binary_cross_entropy_with_logits(logits[known], targets[known])


def class_weights(samples: SampleSet) -> Tensor:
    """n / (classes · n_class): float32 (classes,)."""
    labels = samples.labels[samples.labels >= 0]
    counts = np.bincount(labels, minlength=len(samples.classes))
    return torch.tensor(len(labels) / (len(counts) * counts), dtype=torch.float32)
