"""Augmentation of network inputs: in training alone, drawn anew for every batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """How far a training sample may stray. Flow is in units of its own RMS (see `normalise_flow`)."""

    brightness: float = 0.1
    """Frames × U(1 − b, 1 + b)."""
    rotation_deg: float = 5.7
    """Faces are turned by up to this, either way."""
    noise: float = 0.01
    """σ of the pixel noise of frames, and of the flow."""
    flow_scale: float = 0.0
    """Flow × U(1 − s, 1 + s)."""
    mirror: float = 0.5
    """Share of samples mirrored left to right, u negated."""
    shift: float = 0.05
    """Faces are shifted by up to this share of their width and height."""
    zoom: float = 0.1
    """Faces are enlarged or shrunk by up to this."""
    channel_gain: float = 0.3
    """u, v and strain each × e^U(−g, g)."""
    channel_offset: float = 0.15
    """u, v and strain each + U(−o, o)."""
    grid_noise: float = 0.15
    """σ of smooth flow noise on a 5×5 grid."""
    drop_strain: float = 0.0
    """Share of samples whose strain channels are zeroed."""
    drop_frames: float = 0.5
    """Share of samples that lose their key frames (modality dropout)."""
    drop_later_flows: float = 0.5
    """Share of samples that keep the flow onset→apex alone (modality dropout)."""


class Augmenter:
    """Draws an augmentation for every sample of a batch; the same seed draws the same ones."""

    def __init__(self, settings: AugmentSettings, seed: int) -> None:
        self._settings = settings
        self._random = torch.Generator().manual_seed(seed)

    def __call__(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Augment one batch.

        Args:
            frames: float32 (n, 3, 3, size, size), all zeros where missing.
            flows: float32 (n, k, 3, size, size), k <= 3, all zeros where missing; its size may be another.

        Returns:
            New tensors of the same shapes, what was missing still being zeros; and which samples are
            mirrored, bool (n,).
        """
        frames, flows = self._drop(frames, flows)
        known_frames, known_flows = _known(frames), _known(flows)
        flip = self._chance(len(flows), self._settings.mirror)
        theta = self._draw_transform(flip)
        flows = self._disturb_flows(_warp(flows, theta), flip)
        if bool(known_frames.any()):
            frames = self._disturb_frames(_warp(frames, theta))
        return frames * known_frames, flows * known_flows, flip

    def _drop(self, frames: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        count, settings = len(flows), self._settings
        keep_frames = ~self._chance(count, settings.drop_frames)
        keep_later = ~self._chance(count, settings.drop_later_flows)
        keep_strain = ~self._chance(count, settings.drop_strain)
        mask = torch.ones(count, flows.shape[1], 3, 1, 1)
        mask[:, 1:] *= keep_later.float()[:, None, None, None, None]
        mask[:, :, 2] *= keep_strain.float()[:, None, None, None]
        return frames * keep_frames.float()[:, None, None, None, None], flows * mask

    def _draw_transform(self, flip: Tensor) -> Tensor:
        count, settings = len(flip), self._settings
        angle = self._uniform(count) * math.radians(settings.rotation_deg)
        scale = 1.0 + self._uniform(count) * settings.zoom
        theta = torch.empty(count, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * scale, -angle.sin() * scale
        theta[:, 1, 0], theta[:, 1, 1] = angle.sin() * scale, angle.cos() * scale
        theta[:, :, 2] = self._uniform(count, 2) * 2.0 * settings.shift
        theta[:, :, 0] *= 1.0 - 2.0 * flip.float()[:, None]
        return theta

    def _disturb_flows(self, flows: Tensor, flip: Tensor) -> Tensor:
        count, fields, settings = len(flows), flows.shape[1], self._settings
        gain = torch.exp(self._uniform(count, 1, 3, 1, 1) * settings.channel_gain)
        gain = gain * (1.0 + self._uniform(count, 1, 1, 1, 1) * settings.flow_scale)
        gain[:, :, 0] *= (1.0 - 2.0 * flip.float())[:, None, None, None]
        offset = self._uniform(count, fields, 3, 1, 1) * settings.channel_offset
        coarse = torch.randn(count, 3 * fields, 5, 5, generator=self._random) * settings.grid_noise
        smooth = functional.interpolate(coarse, size=flows.shape[-2:], mode="bilinear", align_corners=True)
        fine = torch.randn(flows.shape, generator=self._random) * settings.noise
        return flows * gain + offset + smooth.reshape(flows.shape) + fine

    def _disturb_frames(self, frames: Tensor) -> Tensor:
        settings = self._settings
        gain = 1.0 + self._uniform(len(frames), 1, 1, 1, 1) * settings.brightness
        fine = torch.randn(frames.shape, generator=self._random) * settings.noise
        return frames * gain + fine

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._random) * 2.0 - 1.0

    def _chance(self, count: int, share: float) -> Tensor:
        return torch.rand(count, generator=self._random) < share


def _known(images: Tensor) -> Tensor:
    return (images.abs().amax(dim=(2, 3, 4), keepdim=True) > 0).float()


def _warp(images: Tensor, theta: Tensor) -> Tensor:
    flat = images.flatten(1, 2)
    grid = functional.affine_grid(theta, list(flat.shape), align_corners=False)
    warped = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return warped.reshape(images.shape)
