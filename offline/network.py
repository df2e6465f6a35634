"""The convolutional network: 128 features of a movement, and the head that they are trained with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features.spec import CNN_SIZE

FIELDS = 3
_CHANNELS = (16, 32, 32, 64, 64)
_STRIDES = (1, 2, 1, 2, 1)
_GRID = 4


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Shape of the network."""

    flow_size: int = 16
    """Pixels: flow fields are averaged down to this first; coarse motion is what transfers."""
    frame_size: int = 32
    """The same for the key frames."""
    dropout: float = 0.5
    """Share of the branches' features and of the 128 features dropped in training."""

    def __post_init__(self) -> None:
        for name in ("flow_size", "frame_size"):
            if getattr(self, name) not in (8, 16, 32, 64):
                raise ConfigError(f"network.{name} must be 8, 16, 32 or 64, not {getattr(self, name)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"network.dropout must lie in 0..1, not {self.dropout}")


class _Branch(nn.Module):
    """One branch's way through the shared convolutions, with normalisation of its own."""

    def __init__(self, convolutions: nn.ModuleList, size: int) -> None:
        super().__init__()
        self.size = size
        self._shared = [convolutions]  # in a list: the weights belong to the network, once
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in _CHANNELS)

    def forward(self, images: Tensor) -> Tensor:
        out = _averaged(images, self.size)
        for convolution, norm in zip(self._shared[0], self.norms, strict=True):
            out = functional.relu(norm(convolution(out)))
        return _averaged(out, _GRID).flatten(1)


def _averaged(images: Tensor, size: int) -> Tensor:
    factor = images.shape[-1] // size
    return functional.avg_pool2d(images, factor) if factor > 1 else images


class GlimpseNet(nn.Module):
    """Five shared convolutions, a frame branch, a flow branch, and two fully connected layers.

    The flow branch sees three fields (onset→apex, apex→offset, onset→offset) of three channels (u, v,
    optical strain); the frame branch sees each RGB key frame by itself. A key frame or field that is all
    zeros is missing: its features are zeros.
    """

    def __init__(self, classes: int, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        inputs = (3, *_CHANNELS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
            for before, after, stride in zip(inputs, _CHANNELS, _STRIDES, strict=True)
        )
        self.frame_branch = _Branch(self.convolutions, settings.frame_size)
        self.flow_branch = _Branch(self.convolutions, settings.flow_size)
        self.width = _CHANNELS[-1] * _GRID * _GRID
        self.fuse = nn.Linear(self.width * (FIELDS + 1), CNN_SIZE)
        self.head = nn.Linear(CNN_SIZE, classes)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of whole movements: the frame branch is averaged over time.

        Args:
            frames: float32 (n, 3, 3, 64, 64): key frame, RGB. In training 32×32, averaged down, will do.
            flows: float32 (n, 3, 3, 64, 64): field, (u, v, strain). The same.

        Returns:
            features (n, 128), >= 0, and logits (n, classes).
        """
        per_frame = self._images(self.frame_branch, frames)
        return self._fused(per_frame.mean(dim=1), self._images(self.flow_branch, flows).flatten(1))

    def expanded(self, frames: Tensor, flows: Tensor) -> Tensor:
        """Logits (n, 3, classes) with each key frame as a sample of its own (temporal expansion)."""
        per_frame = self._images(self.frame_branch, frames)
        fields = self._images(self.flow_branch, flows).flatten(1)
        logits = [self._fused(per_frame[:, k], fields)[1] for k in range(per_frame.shape[1])]
        return torch.stack(logits, dim=1)

    def _fused(self, frame_features: Tensor, flow_features: Tensor) -> tuple[Tensor, Tensor]:
        both = self.dropout(torch.cat([frame_features, flow_features], dim=1))
        features = functional.relu(self.fuse(both))
        return features, self.head(self.dropout(features))

    def _images(self, branch: nn.Module, images: Tensor) -> Tensor:
        """(n, 3, 3, size, size) → (n, 3, width), zeros where an image is missing."""
        flat = images.flatten(0, 1)
        known = flat.abs().amax(dim=(1, 2, 3)) > 0
        if self.training:  # what is missing must not enter the batch statistics
            out = flat.new_zeros(len(flat), self.width)
            if int(known.sum()) > 1:
                out[known] = branch(flat[known])
        else:
            out = branch(flat) * known[:, None].to(flat.dtype)
        return out.reshape(-1, images.shape[1], self.width)
