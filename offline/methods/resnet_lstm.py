"""`resnet-lstm`: a residual network looks at every frame, an LSTM at their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from offline.methods._fitting import FitSettings, FittedNetwork, fit_network
from offline.methods._inputs import interpolated_clips
from offline.methods.base import require_classes, require_frames
from offline.samples import SampleSet
from realtime.types import F32

_WIDTHS = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class ResnetLstmSettings(FitSettings):
    """Size of the clip and of the LSTM, length of training."""

    epochs: int = 30
    frames: int = 8
    """Frames of the clip, 3 or more."""
    size: int = 32
    """Pixels, width and height of the clip."""
    hidden: int = 64
    """State of the LSTM."""
    dropout: float = 0.5


class Residual(nn.Module):
    """Two 3×3 convolutions with a way round them (He et al. 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.way_round: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.way_round = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, images: Tensor) -> Tensor:
        out = functional.relu(self.first_norm(self.first(images)))
        return functional.relu(self.second_norm(self.second(out)) + self.way_round(images))


class ResnetLstm(nn.Module):
    """ResNet-18's plan at an eighth of its width, one block per stage instead of two; then one LSTM."""

    def __init__(self, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        stem = [nn.Conv2d(1, _WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU()]
        blocks = [
            Residual(before, after, 2) for before, after in zip((_WIDTHS[0], *_WIDTHS), _WIDTHS, strict=False)
        ]
        self.frames = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.lstm = nn.LSTM(_WIDTHS[-1] * 4, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """float32 (n, 1, frames, size, size) → logits (n, classes), from the LSTM's last state."""
        count, _, frames = clips.shape[:3]
        features = self.frames(clips.transpose(1, 2).flatten(0, 1)).reshape(count, frames, -1)
        last = self.lstm(features)[1][0][-1]
        logits: Tensor = self.head(self.dropout(last))
        return logits


@dataclass(frozen=True, slots=True)
class ResnetLstmMethod:
    """Per-frame residual features and an LSTM, on frames blended from the three key frames."""

    name: ClassVar[str] = "resnet-lstm"
    calibrated: ClassVar[bool] = False
    settings: ResnetLstmSettings = field(default_factory=ResnetLstmSettings)

    def fit(self, samples: SampleSet, seed: int) -> FittedNetwork:
        """Fit the network on the clips."""
        require_classes(samples)
        settings = self.settings
        extract = partial(clips, frames=settings.frames, size=settings.size)
        return fit_network(
            lambda: ResnetLstm(len(samples.classes), settings.hidden, settings.dropout),
            extract,
            samples,
            settings,
            seed,
        )


def clips(samples: SampleSet, frames: int, size: int) -> F32:
    """See `interpolated_clips`. Raises DataError where a sample has no key frames."""
    require_frames(samples, ResnetLstmMethod.name)
    return interpolated_clips(samples, frames, size)


METHOD = ResnetLstmMethod
