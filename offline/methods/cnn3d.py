"""`cnn3d`: a small 3D convolutional network over a clip filled in between the key frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from offline.methods._fitting import FitSettings, FittedNetwork, fit_network
from offline.methods._inputs import interpolated_clips
from offline.methods.base import require_classes, require_frames
from offline.samples import SampleSet
from realtime.types import F32

_CHANNELS = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Cnn3dSettings(FitSettings):
    """Size of the clip, length of training."""

    epochs: int = 30
    frames: int = 16
    """Frames of the clip, 3 or more."""
    size: int = 32
    """Pixels, width and height of the clip."""
    dropout: float = 0.5


class VolumeNet(nn.Module):
    """Three 3×3×3 convolutions, each halving the picture (the last two also the time), then one dense layer.

    The last maps are averaged to 1×4×4, so that where something moved is not lost.
    """

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for index, channels in enumerate(_CHANNELS):
            stride = (1 if index == 0 else 2, 2, 2)
            convolution = nn.Conv3d(before, channels, 3, stride=stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm3d(channels), nn.ReLU()]
            before = channels
        pool = nn.AdaptiveAvgPool3d((1, 4, 4))
        head = nn.Linear(before * 16, classes)
        self.layers = nn.Sequential(*layers, pool, nn.Flatten(), nn.Dropout(dropout), head)

    def forward(self, clips: Tensor) -> Tensor:
        """float32 (n, 1, frames, size, size) → logits (n, classes)."""
        logits: Tensor = self.layers(clips)
        return logits


@dataclass(frozen=True, slots=True)
class Cnn3d:
    """A 3D CNN as of Reddy et al. (2019), narrow, on 16 frames blended from the three key frames."""

    name: ClassVar[str] = "cnn3d"
    calibrated: ClassVar[bool] = False
    settings: Cnn3dSettings = field(default_factory=Cnn3dSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedNetwork:
        """Fit the network on the clips."""
        require_classes(samples)
        settings = self.settings
        extract = partial(clips, frames=settings.frames, size=settings.size)
        return fit_network(
            lambda: VolumeNet(len(samples.classes), settings.dropout), extract, samples, settings, seed
        )


def clips(samples: SampleSet, frames: int, size: int) -> F32:
    """See `interpolated_clips`. Raises DataError where a sample has no key frames."""
    require_frames(samples, Cnn3d.name)
    return interpolated_clips(samples, frames, size)


METHOD = Cnn3d
