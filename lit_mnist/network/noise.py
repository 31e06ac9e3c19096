"""Modules that draw random numbers in training and pass values on in evaluation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .. import spec as s
from .affine import Affine, resampled, rotation, translation, zoom


class GaussianNoise(nn.Module):
    """Normal noise of deviation `stddev` added."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) * self.stddev if self.training and self.stddev else x


class GaussianDropout(nn.Module):
    """Values times normal noise of mean 1 and deviation ``sqrt(rate / (1 - rate))``."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.stddev = math.sqrt(rate / (1 - rate))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + torch.randn_like(x) * self.stddev) if self.training and self.stddev else x


class RandomChange(nn.Module):
    """A random change of each image, in training alone."""


class RandomFlip(RandomChange):
    """Every second image mirrored; `mode` names the directions, both at once where it names two."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.axes = tuple(
            axis for axis, word in ((3, "horizontal"), (2, "vertical")) if word in mode
        )

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        if not self.training:
            return x
        chosen = torch.rand(len(x), 1, 1, 1, device=x.device) <= 0.5
        return torch.where(chosen, x.flip(self.axes), x)


class RandomContrast(RandomChange):
    """Each channel's distance from its mean times a random number, and clipped to `value_range`."""

    def __init__(self, layer: s.RandomContrast) -> None:
        super().__init__()
        lower, upper = layer.sides
        self.range = (1 - lower, 1 + upper)
        self.value_range = layer.value_range

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        return self.changed(x, uniform(x, self.range)[:, :, None, None]) if self.training else x

    def changed(self, x: Tensor, contrast: Tensor) -> Tensor:
        """Return images at these contrasts (N, 1, 1, 1)."""
        mean = x.mean((2, 3), keepdim=True)
        return ((x - mean) * contrast + mean).clamp(*self.value_range)


class RandomMove(RandomChange):
    """A random change of each image's geometry."""

    def __init__(self, layer: s.Moving) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        return self.moved(x, self.draw(x)) if self.training else x

    def moved(self, x: Tensor, transforms: Affine) -> Tensor:
        """Return images under these transformations (N, 6), of output to input positions."""
        layer = self.layer
        return resampled(x, transforms, layer.fill_mode, layer.fill_value, layer.interpolation)

    def draw(self, x: Tensor) -> Affine:
        """Return random transformations, one an image."""
        height, width = x.shape[2:]
        match self.layer:
            case s.RandomRotation(factor=factor):
                return rotation(uniform(x, s.ends(factor)) * 2 * math.pi, height, width)
            case s.RandomTranslation(height_factor=rows, width_factor=columns):
                return translation(
                    uniform(x, s.ends(rows)) * height, uniform(x, s.ends(columns)) * width
                )
            case s.RandomZoom(height_factor=rows, width_factor=columns):
                vertical = 1 + uniform(x, s.ends(rows))
                return zoom(
                    vertical,
                    vertical if columns is None else 1 + uniform(x, s.ends(columns)),
                    height,
                    width,
                )
        raise TypeError(f"no random change of geometry for a {type(self.layer).__name__}")


def uniform(x: Tensor, ends: tuple[float, float]) -> Tensor:
    """Return one uniform number for each image of `x`, (N, 1) float32."""
    return ends[0] + (ends[1] - ends[0]) * torch.rand(len(x), 1, device=x.device)
