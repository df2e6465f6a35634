"""Training of the spotter's network on passages of living motion with known events.

At every row the network is asked whether a micro-expression has just ended, and where it has, how long ago it
began, peaked and ended. Nothing of a real person is seen.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from offline.member_training import single_thread
from offline.spotter_corpus import Passage
from offline.spotter_mixing import TWINS
from realtime.spotting.network import DILATIONS, END_S, OUTPUTS, REACH, SCHEMA, TAPS, Weights
from realtime.spotting.signal import CHANNELS, INPUTS
from realtime.types import F64

_BLUR_S = 0.035
"""The end of an event is a Gaussian of this width for the network, s."""
_TOLD = 0.1
"""Above this share of it the times are asked for."""
_LEAST_PERCENT = 0.15
"""Smaller events are neither asked for nor taken for nothing, percent of the face's width."""
_TIMES_WEIGHT = 0.25
"""Of the times' error beside the log loss."""
_TIME_SCALE_S = 0.02
_DECAY = 0.995
_AVERAGED_FROM = 0.6
"""The weights are averaged over what comes after this share of the training."""


@dataclass(frozen=True, slots=True)
class SpotterTraining:
    """Settings of a training."""

    steps: int = 11000
    width: int = 96
    batch: int = 17
    rows: int = 640
    """Length of what is seen at once."""
    learning_rate: float = 2e-3
    rendered_share: float = 0.7
    """Share of rendered passages in what is seen."""
    louder: float = 0.4
    """Share of what is seen at another strength, e^±.2; the noise-relative half of the input stays."""
    dropout: float = 0.1
    members: int = 2
    seed: int = 0
    """Of the first member; those after it count up."""


class SpotterNet(nn.Module):
    """`realtime.spotting.network.CausalNetwork` over whole passages."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.entry = nn.Linear(INPUTS, width)
        self.layer = nn.ModuleList(nn.Linear(TAPS * width, width) for _ in DILATIONS)
        self.mix = nn.ModuleList(nn.Linear(width, width) for _ in DILATIONS)
        self.exit = nn.Linear(width, OUTPUTS)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.exit.bias)
        with torch.no_grad():
            self.exit.bias[0] = -4.0  # an end is rare

    def forward(self, rows: Tensor) -> Tensor:
        """(b, n, INPUTS) → (b, n, OUTPUTS)."""
        x = functional.relu(self.entry(rows))
        length = x.shape[1]
        for dilation, layer, mix in zip(DILATIONS, self.layer, self.mix, strict=True):
            past = functional.pad(x, (0, 0, (TAPS - 1) * dilation, 0))
            taps = [past[:, k * dilation : k * dilation + length] for k in range(TAPS)]
            x = x + mix(self.dropout(functional.relu(layer(torch.cat(taps, dim=-1)))))
        with torch.autocast("cpu", enabled=False):  # times to the millisecond
            return torch.as_tensor(self.exit(functional.relu(x.float())))

    def weights(self) -> Weights:
        """What was learned, as the live route reads it."""

        def stack(layers: nn.ModuleList) -> tuple[F64, F64]:
            found = [_arrays(layer) for layer in layers]
            return np.stack([w for w, _ in found]), np.stack([b for _, b in found])

        return Weights(*_arrays(self.entry), *stack(self.layer), *stack(self.mix), *_arrays(self.exit))


def joined(members: Sequence[Weights]) -> Weights:
    """A committee."""
    by_layer = ("layer", "layer_bias", "mix", "mix_bias")
    return Weights(
        **{
            field.name: np.concatenate(
                [getattr(member, field.name) for member in members], axis=1 if field.name in by_layer else 0
            )
            for field in fields(Weights)
        }
    )


def _arrays(layer: nn.Module) -> tuple[F64, F64]:
    assert isinstance(layer, nn.Linear)
    weight, bias = (part.detach().numpy().astype(np.float64) for part in (layer.weight, layer.bias))
    return weight.T[None].copy(), bias[None].copy()


def to_file(weights: Weights) -> bytes:
    """The network's file (`realtime.spotting.network.read_weights`), in single precision."""
    file = io.BytesIO()
    arrays = {field.name: getattr(weights, field.name).astype(np.float32) for field in fields(Weights)}
    np.savez(file, schema=np.array(SCHEMA), **arrays)
    return file.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """A passage, and what is to be said at each of its n rows."""

    rows: Tensor
    """(n, INPUTS)"""
    ends: Tensor
    """(n,): 1 where an event ended `END_S` ago, falling to 0 around it."""
    times: Tensor
    """(n, 3): how long ago onset, apex and offset of that event are, s."""
    asked: Tensor
    """(n,): 0 where the answer does not count."""


def _lesson(passage: Passage) -> _Lesson:
    n = len(passage.time_s)
    ends, times, asked = np.zeros(n), np.zeros((n, 3)), np.ones(n)
    for onset, apex, offset, percent in passage.events:
        off = passage.time_s - (offset + END_S)
        if offset + END_S <= passage.time_s[0]:
            continue
        if percent < _LEAST_PERCENT:
            asked[np.abs(off) < 3.0 * _BLUR_S] = 0.0
            continue
        end = np.exp(-0.5 * (off / _BLUR_S) ** 2)
        nearer = (end > ends) & (end > _TOLD)
        times[nearer] = (passage.time_s[:, None] - np.array([onset, apex, offset]))[nearer]
        ends = np.maximum(ends, end)
    return _Lesson(
        torch.from_numpy(passage.rows), *(torch.from_numpy(part).float() for part in (ends, times, asked))
    )


def _mirror() -> tuple[Tensor, Tensor]:
    """Which input stands where in a mirrored face, and by what it is multiplied there."""
    one = [2 * index + axis for index in TWINS for axis in (0, 1)]
    order = [*one, *(CHANNELS + index for index in one), *range(2 * CHANNELS, INPUTS)]
    sign = [*([-1.0, 1.0] * (2 * len(TWINS))), *([1.0] * (INPUTS - 2 * CHANNELS))]
    return torch.tensor(order), torch.tensor(sign)


_ORDER, _SIGN = _mirror()


def _varied(rows: Tensor, rng: np.random.Generator, louder: float) -> Tensor:
    """The same seen in a mirror, or moving more or less."""
    if rng.random() < louder:
        gain = float(np.exp(rng.normal(0.0, 0.2)))
        size = torch.asinh(torch.sinh(rows[:, :CHANNELS]) * gain)
        state = rows[:, 2 * CHANNELS :].clone()
        state[:, :2] += float(np.log(gain))
        rows = torch.cat([size, rows[:, CHANNELS : 2 * CHANNELS], state], dim=1)
    return rows[:, _ORDER] * _SIGN if rng.random() < 0.5 else rows


class _Class:
    """Draws batches of lessons."""

    def __init__(self, lessons: Sequence[_Lesson], shares: F64, settings: SpotterTraining) -> None:
        self._lessons, self._shares, self._settings = lessons, shares, settings
        self._rng = np.random.default_rng(settings.seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows, ends, times and what counts, each (batch, rows, …)."""
        size, length = self._settings.batch, self._settings.rows
        rows, ends = torch.zeros(size, length, INPUTS), torch.zeros(size, length)
        times, asked = torch.zeros(size, length, 3), torch.zeros(size, length)
        for b, chosen in enumerate(self._rng.choice(len(self._lessons), size, p=self._shares)):
            lesson = self._lessons[chosen]
            n = len(lesson.rows)
            start = int(self._rng.integers(-REACH, max(n - length // 2, 1)))
            # in mid-passage the first rows lack their past, which at its beginning is truly not there
            blind, start = (REACH, start) if start >= 0 else (0, 0)
            end = min(start + length, n)
            known = end - start
            rows[b, :known] = _varied(lesson.rows[start:end], self._rng, self._settings.louder)
            ends[b, :known], times[b, :known] = lesson.ends[start:end], lesson.times[start:end]
            asked[b, blind:known] = lesson.asked[start:end][blind:]
        return rows, ends, times, asked


def fit_network(
    direct: Sequence[Passage],
    rendered: Sequence[Passage],
    settings: SpotterTraining,
    tell: Callable[[int, float], None] = lambda step, loss: None,
) -> Weights:
    """One member that learns from passages; the same ones and settings give the same on one machine.

    `tell(step, log_loss)` is called every hundred steps.
    """
    lessons = [_lesson(passage) for passage in (*direct, *rendered)]
    shares = _shares(direct, rendered, settings.rendered_share)
    with single_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = SpotterNet(settings.width, settings.dropout)
        _fit(net, _Class(lessons, shares, settings), settings, tell)
        return net.eval().weights()


def _shares(direct: Sequence[Passage], rendered: Sequence[Passage], rendered_share: float) -> F64:
    lengths = [np.array([len(p.time_s) for p in part], dtype=np.float64) for part in (direct, rendered)]
    wanted = [1.0 - rendered_share, rendered_share] if direct and rendered else [1.0, 1.0]
    shares = np.concatenate(
        [w * part / max(part.sum(), 1.0) for w, part in zip(wanted, lengths, strict=True)]
    )
    return np.asarray(shares / shares.sum())


def _fit(
    net: SpotterNet, lessons: _Class, settings: SpotterTraining, tell: Callable[[int, float], None]
) -> None:
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps + 1, pct_start=0.1
    )
    averaged: dict[str, Tensor] = {}
    told = 0.0
    net.train()
    for step in range(1, settings.steps + 1):
        rows, ends, times, asked = lessons.draw()
        with torch.autocast("cpu", dtype=torch.bfloat16):  # twice as fast where the processor knows it
            said = net(rows)
        log_loss = functional.binary_cross_entropy_with_logits(said[..., 0], ends, reduction="none")
        log_loss = (log_loss * asked).sum() / asked.sum().clamp(min=1.0)
        during = (ends > 0.3) * asked
        off = functional.smooth_l1_loss(said[..., 1:], times, reduction="none", beta=_TIME_SCALE_S).sum(
            dim=-1
        )
        loss = log_loss + _TIMES_WEIGHT * (off * during).sum() / during.sum().clamp(min=1.0)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimiser.step()
        schedule.step()
        told += float(log_loss.detach())
        if step % 100 == 0:
            tell(step, told / 100.0)
            told = 0.0
        if step > _AVERAGED_FROM * settings.steps:
            for name, value in net.state_dict().items():
                known = averaged.get(name)
                averaged[name] = value.clone() if known is None else known * _DECAY + value * (1.0 - _DECAY)
    if averaged:
        net.load_state_dict(averaged)
