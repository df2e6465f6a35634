"""The convolutional network: 128 features of a movement, class scores and action units.

It is a committee: several small networks with weights of their own, and one that has learned from
synthetic flow alone (the prior). The flow on a few cells and the prior's features make up the `cnn` block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features.spec import AU_NAMES, CNN_SIZE

FIELDS = 3
SIDES = 2
TEMPORAL = ("mean", "attention")
_STRIDES = (1, 2, 1, 2, 1)
_GRID = 4


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Shape of the network."""

    members: int = 8
    """Networks in the committee, without the prior. Each leaves out one part of the people."""
    member_features: int = 24
    """Numbers that a member tells the classes by."""
    coarse: int = 6
    """Cells along each side of the coarse flow (u, v, strain), which makes up the `cnn` block with what the
    prior adds; 0: the members' own features do, which know by heart the samples that they were fitted on."""
    channels: tuple[int, ...] = (8, 16, 16, 32, 32)
    """Of the five convolutions of one member."""
    flow_size: int = 14
    """Pixels: flow fields are averaged down to this first; coarse motion is what transfers."""
    frame_size: int = 32
    """The same for the key frames."""
    dropout: float = 0.5
    """Share of the convolutions' output dropped in training."""
    feature_dropout: float = 0.2
    """Share of a member's features dropped in training."""
    flows: bool = True
    """Whether there is a flow branch (the block `cnn-flow`)."""
    frames: bool = False
    """Whether there is a frame branch (the block `cnn-frames`)."""
    strain: bool = True
    """Whether the strain is looked at; that of synthetic flow does not carry over to real flow."""
    compression: float = 0.0
    """c: u and v are shortened from length r to asinh(c·r)/c before networks and coarse cells see them; 0: as
    they are. Lids and borders then count for less beside weak, wide motion, which helps networks that learn
    from synthetic flow."""
    temporal: str = "mean"
    """How the key frames of the frame branch become one: their "mean", or weights by "attention"."""

    def __post_init__(self) -> None:
        for name in ("flow_size", "frame_size"):
            if not 8 <= getattr(self, name) <= 64:
                raise ConfigError(f"network.{name} must lie in 8..64, not {getattr(self, name)}")
        for name in ("dropout", "feature_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"network.{name} must lie in 0..1, not {getattr(self, name)}")
        if self.temporal not in TEMPORAL:
            raise ConfigError(f"network.temporal is {self.temporal!r}: use one of {', '.join(TEMPORAL)}")
        if len(self.channels) != len(_STRIDES) or min(self.channels) < 1:
            raise ConfigError(
                f"network.channels must be {len(_STRIDES)} numbers above 0, not {self.channels}"
            )
        for name in ("members", "member_features"):
            if getattr(self, name) < 1:
                raise ConfigError(f"network.{name} must be above 0, not {getattr(self, name)}")
        if not 0.0 <= self.compression <= 100.0:
            raise ConfigError(f"network.compression must lie in 0..100, not {self.compression}")
        if self.coarse < 0 or 3 * self.coarse**2 > CNN_SIZE:
            raise ConfigError(f"network.coarse must lie in 0..6, not {self.coarse}")
        if self.prior_features < 0:
            raise ConfigError(
                f"network.members × network.member_features is {self.members} × {self.member_features}: "
                f"without network.coarse it must lie in 1..{CNN_SIZE}"
            )

    @property
    def own_features(self) -> int:
        """Numbers of the `cnn` block that are not the prior's."""
        return 3 * self.coarse**2 if self.coarse else self.members * self.member_features

    @property
    def prior_features(self) -> int:
        """Numbers of the `cnn` block that are left for the prior."""
        return CNN_SIZE - self.own_features


class _Branch(nn.Module):
    """One branch's way through the shared convolutions, with normalisation of its own."""

    def __init__(self, convolutions: nn.ModuleList, channels: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.size = size
        self._shared = [convolutions]  # in a list: the weights belong to the member, once
        self.norms = nn.ModuleList(nn.BatchNorm2d(int(count)) for count in channels)

    def forward(self, images: Tensor) -> Tensor:
        out = averaged(images, self.size)
        for convolution, norm in zip(self._shared[0], self.norms, strict=True):
            out = functional.relu(norm(convolution(out)))
        return averaged(out, _GRID).flatten(1)


class Member(nn.Module):
    """Five shared convolutions, a frame branch, a flow branch, and two fully connected layers.

    The flow branch sees three fields (onset→apex, apex→offset, onset→offset) of three channels (u, v,
    optical strain); the frame branch sees each RGB key frame by itself. A key frame or field that is all
    zeros is missing: its features are zeros. The second fully connected layer is the training head: the
    classes, then 13 action units on the left and on the right.
    """

    def __init__(self, class_names: tuple[str, ...], features: int, settings: NetworkSettings) -> None:
        super().__init__()
        channels = tuple(int(count) for count in settings.channels)
        inputs = (3, *channels[:-1])
        self.class_names = class_names
        self.classes = len(class_names)
        self.strain = settings.strain
        self.compression = settings.compression
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
            for before, after, stride in zip(inputs, channels, _STRIDES, strict=True)
        )
        self.frame_branch = (
            _Branch(self.convolutions, channels, settings.frame_size) if settings.frames else None
        )
        self.flow_branch = (
            _Branch(self.convolutions, channels, settings.flow_size) if settings.flows else None
        )
        self.width = channels[-1] * _GRID * _GRID
        self.attention = nn.Linear(self.width, 1) if settings.temporal == "attention" else None
        self.fuse = nn.Linear(self.width * (FIELDS + 1), features)
        self.head = nn.Linear(features, self.classes + len(AU_NAMES) * SIDES)
        self.dropout = nn.Dropout(settings.dropout)
        self.feature_dropout = nn.Dropout(settings.feature_dropout)

    def forward(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, class scores and action units of whole movements.

        Args:
            frames: float32 (n, 3, 3, size, size): key frame, RGB.
            flows: float32 (n, k, 3, size, size), k <= 3: field, (u, v, strain); the rest is missing.

        Returns:
            features (n, features), >= 0; logits of the classes (n, classes); logits of the action units
            (n, 13, 2), left and right of the person.
        """
        per_frame = self._images(self.frame_branch, frames)
        return self._fused(self._over_time(per_frame), self._fields(flows))

    def expanded(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes (n, k, classes) and of the action units (n, 13, 2), for training.

        Where key frames are averaged, each is a sample of its own (temporal expansion, k = 3).
        """
        per_frame = self._images(self.frame_branch, frames)
        fields = self._fields(flows)
        _, logits, units = self._fused(self._over_time(per_frame), fields)
        if self.attention is not None or not bool(per_frame.any()):
            return logits[:, None], units
        each = [self._fused(per_frame[:, k], fields)[1] for k in range(per_frame.shape[1])]
        return torch.stack(each, dim=1), units

    def _fields(self, flows: Tensor) -> Tensor:
        """(n, k, 3, size, size) → (n, k · width)."""
        if not self.strain:
            flows = torch.cat([flows[:, :, :2], torch.zeros_like(flows[:, :, 2:])], dim=2)
        if self.compression and self.flow_branch is not None:
            flows = compressed(averaged(flows, self.flow_branch.size), self.compression)
        return self._images(self.flow_branch, flows).flatten(1)

    def _over_time(self, per_frame: Tensor) -> Tensor:
        if self.attention is None:
            return per_frame.mean(dim=1)
        weights: Tensor = self.attention(per_frame).softmax(dim=1)
        return (weights * per_frame).sum(dim=1)

    def _fused(self, frame_features: Tensor, flow_features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Parts that are missing throughout are not multiplied: they count for nothing."""
        parts = [flow_features] if self.frame_branch is None else [frame_features, flow_features]
        start = self.width if self.frame_branch is None else 0
        weight = self.fuse.weight[:, start : self.width + flow_features.shape[1]]
        both = self.dropout(torch.cat(parts, dim=1))
        features = functional.relu(functional.linear(both, weight, self.fuse.bias))
        logits = self.head(self.feature_dropout(features))
        units = logits[:, self.classes :].reshape(-1, len(AU_NAMES), SIDES)
        return features, logits[:, : self.classes], units

    def _images(self, branch: nn.Module | None, images: Tensor) -> Tensor:
        """(n, k, 3, size, size) → (n, k, width), zeros where an image is missing."""
        if branch is None:
            return images.new_zeros(images.shape[0], images.shape[1], self.width)
        flat = images.flatten(0, 1)
        known = flat.abs().amax(dim=(1, 2, 3)) > 0
        if self.training:  # what is missing must not enter the batch statistics
            out = flat.new_zeros(len(flat), self.width)
            if int(known.sum()) > 1:
                out[known] = branch(flat[known])
        else:
            out = branch(flat) * known[:, None].to(flat.dtype)
        return out.reshape(-1, images.shape[1], self.width)


class UnitReadout(nn.Module):
    """Action units straight from the flow onset→apex: a logistic regression for each side of each."""

    def __init__(self, size: int) -> None:
        """`size`: pixels that u and v are averaged down to."""
        super().__init__()
        self.size = size
        self.linear = nn.Linear(2 * size * size, len(AU_NAMES) * SIDES)

    def forward(self, flows: Tensor) -> Tensor:
        """Fields (n, k, 3, S, S) → logits (n, 13, 2), left and right of the person."""
        coarse = averaged(flows[:, 0, :2], self.size).flatten(1)
        logits: Tensor = self.linear(coarse)
        return logits.reshape(-1, len(AU_NAMES), SIDES)


class Prior(nn.Module):
    """What has learned from synthetic flow alone: a network for the classes, a readout for action units."""

    def __init__(self, member: Member, readout: UnitReadout) -> None:
        super().__init__()
        self.member = member
        self.readout = readout

    def forward(self, flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, class scores and action units, as of a `Member`; it sees the flow onset→apex alone."""
        first = flows[:, :1]
        features, logits, _ = self.member(torch.zeros_like(flows), first)
        return features, logits, self.readout(first)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes, in the order of the scores."""
        return self.member.class_names


class GlimpseNet(nn.Module):
    """The committee and its prior; each movement is seen as it is and mirrored left to right."""

    def __init__(
        self, members: Sequence[Member], prior: Prior | None, settings: NetworkSettings, own_units: bool
    ) -> None:
        """Put fitted members together.

        Args:
            members: one or more, of `settings.member_features` features each.
            prior: one of `settings.prior_features`, or None: then its features and scores are 0. Where
                it knows other classes, its scores are 0 as well.
            settings: the shape of all of them.
            own_units: whether the members have learned action units; they tell them where there is no prior.
        """
        super().__init__()
        self.members = nn.ModuleList(members)
        self.prior = prior
        self.settings = settings
        self.own_units = own_units

    def only(self, indices: Iterable[int]) -> GlimpseNet:
        """The same with some of the members alone; without coarse flow its features are fewer."""
        wanted = set(indices)
        chosen = [member for k, member in enumerate(self.members) if k in wanted]
        return GlimpseNet(cast(list[Member], chosen), self.prior, self.settings, self.own_units).eval()

    def without_prior(self) -> GlimpseNet:
        """The same committee with no prior beside it."""
        return GlimpseNet(cast(list[Member], list(self.members)), None, self.settings, self.own_units).eval()

    def forward(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the recogniser needs of whole movements.

        Args:
            frames: float32 (n, 3, 3, 64, 64): key frame, RGB.
            flows: float32 (n, 3, 3, 64, 64): field, (u, v, strain).

        Returns:
            features (n, 128); scores (n, 2, classes): mean logits of the members, and the prior's;
            action_units (n, 13, 2): logits, left and right of the person.
        """
        mirrored = torch.flip(frames, [-1]), mirrored_flows(flows)
        views = [self._view(frames, flows), self._view(*mirrored)]
        features, scores, units = (torch.stack(parts) for parts in zip(*views, strict=True))
        units = torch.stack([units[0], torch.flip(units[1], [-1])])
        known = features.mean(dim=0)
        if self.settings.coarse:
            known = torch.cat([self._coarse(flows), known], dim=1)
        return known, scores.mean(dim=0), units.mean(dim=0)

    def _coarse(self, flows: Tensor) -> Tensor:
        """The field onset→apex on a few cells: (n, 3 · cells²)."""
        first = flows[:, 0]
        if not self.settings.flows:
            first = 0.0 * first
        if not self.settings.strain:
            first = torch.cat([first[:, :2], 0.0 * first[:, 2:]], dim=1)
        if self.settings.compression:
            first = compressed(averaged(first, self.settings.flow_size), self.settings.compression)
        return averaged(first, self.settings.coarse).flatten(1)

    def _view(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features – the members' own, unless the coarse flow stands in for them, and the prior's –, scores
        and action units."""
        found = [member(frames, flows) for member in self.members]
        features = [] if self.settings.coarse else [item[0] for item in found]
        logits = torch.stack([item[1] for item in found]).mean(dim=0)
        units = torch.stack([item[2] for item in found]).mean(dim=0)
        prior_logits = 0.0 * logits  # made by an operator that a bundle may hold, as are those below
        if self.prior is None:
            features.append(prior_logits[:, :1].expand(-1, self.settings.prior_features))
        else:
            own, found_logits, units = self.prior(flows)
            features.append(own)
            prior_logits = found_logits if self.scored_by_prior else prior_logits
        return torch.cat(features, dim=1), torch.stack([logits, prior_logits], dim=1), units

    @property
    def scored_by_prior(self) -> bool:
        """Whether the prior knows the same classes as the members."""
        return self.prior is not None and self.prior.class_names == self.class_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes, in the order of the scores."""
        return cast(Member, self.members[0]).class_names


def mirrored_flows(flows: Tensor) -> Tensor:
    """Fields (..., 3, H, W) of the face's mirror image: flipped, u negated."""
    sign = torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
    return torch.flip(flows, [-1]) * sign


def compressed(flows: Tensor, strength: float) -> Tensor:
    """Fields (..., 3, H, W) with u and v shortened, the longer the more, and of joint RMS 1 again."""
    moved, rest = flows[..., :2, :, :], flows[..., 2:, :, :]
    # so that a missing field stays 0; of 1e-9 the exporter to ONNX thinks that it is 0, and drops it
    long = strength * torch.sqrt((moved * moved).sum(dim=-3, keepdim=True) + 1e-6)
    moved = moved * torch.log(long + torch.sqrt(long * long + 1.0)) / long  # asinh, as a bundle may hold it
    size = torch.sqrt((moved * moved).mean(dim=(-3, -2, -1), keepdim=True) + 1e-6)
    return torch.cat([moved / size, rest], dim=-3)


def averaged(images: Tensor, size: int) -> Tensor:
    """Area average of square images (..., S, S) on a grid of `size`; S may be any size >= it."""
    if images.shape[-1] == size:
        return images
    weights = torch.from_numpy(_area_weights(int(images.shape[-1]), size))
    return weights @ images @ weights.T


def _area_weights(before: int, after: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """(after, before): share of each pixel in each cell, rows sum to 1."""
    edges = np.arange(after + 1) * before / after
    pixels = np.arange(before)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.maximum(overlap, 0.0) * after / before, dtype=np.float32)
