"""Changes at every step: of the image, so that a pattern must work at any position, and of the
gradient.

A transformation draws its numbers for one row and all steps at once (`draw`) and applies the
numbers of one step to a batch (`__call__`); the gradient flows back through it.

A filter turns the gradient into the direction of a step. An ascent in other coordinates z with ``x
= A z`` moves the image along ``A A^T g``: a parametrisation is a factor for each spatial frequency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import need_number


class Transformation(Protocol):
    """A random change of images; `draw` returns float64 (steps, k) for one row of images (C, H,
    W).
    """

    def draw(
        self, generator: np.random.Generator, steps: int, shape: tuple[int, ...]
    ) -> np.ndarray: ...

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Jitter:
    """Roll each image by up to `fraction` of its height and width (the second source: 0.05)."""

    fraction: float = 0.05

    def __post_init__(self) -> None:
        need_number("jitter", self.fraction, 0, 1)

    def draw(
        self, generator: np.random.Generator, steps: int, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return whole pixels down and right, (steps, 2), each at most ``round(fraction * size)``
        in both directions.
        """
        most = [round(self.fraction * size) for size in shape[1:]]
        return np.stack(
            [generator.integers(-m, m, steps, endpoint=True) for m in most], axis=1
        ).astype(np.float64)

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        return roll(images, drawn.long())


def roll(images: Tensor, shifts: Tensor) -> Tensor:
    """Return each image (C, H, W) rolled down and right by its own `shifts` (N, 2)."""
    n, channels, height, width = images.shape
    rows = (torch.arange(height, device=images.device) - shifts[:, :1]) % height  # (N, H)
    columns = (torch.arange(width, device=images.device) - shifts[:, 1:]) % width  # (N, W)
    indices = (
        (rows[:, :, None] * width + columns[:, None, :]).view(n, 1, -1).expand(-1, channels, -1)
    )
    return images.reshape(n, channels, -1).gather(2, indices).view_as(images)


@dataclass(frozen=True)
class Rotation:
    """Rotate each image about its centre by up to `degrees` in both directions; border pixels fill
    the corners.
    """

    degrees: float = 5.0

    def __post_init__(self) -> None:
        need_number("rotation", self.degrees, 0, 180)

    def draw(
        self, generator: np.random.Generator, steps: int, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return radians, (steps, 1)."""
        return np.radians(generator.uniform(-self.degrees, self.degrees, (steps, 1)))

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        cos = drawn[:, 0].cos()
        sin = drawn[:, 0].sin()
        return _resample(images, torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2))


@dataclass(frozen=True)
class Scale:
    """Enlarge or shrink each image about its centre by up to `fraction`."""

    fraction: float = 0.05

    def __post_init__(self) -> None:
        need_number("scale", self.fraction, 0, 0.9)

    def draw(
        self, generator: np.random.Generator, steps: int, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return the logarithm of the factor, (steps, 1), so that enlarging and shrinking are
        equally likely.
        """
        most = math.log1p(self.fraction)
        return generator.uniform(-most, most, (steps, 1))

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        factor = (-drawn[:, 0]).exp()
        return _resample(images, torch.diag_embed(torch.stack([factor, factor], dim=1)))


def _resample(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample bilinearly; `matrices` (N, 2, 2) act on (x, y) in pixels, so that images need not be
    square.
    """
    height, width = images.shape[2:]
    aspect = torch.tensor(
        [[1, height / width], [width / height, 1]], dtype=images.dtype, device=images.device
    )
    theta = F.pad(matrices.to(images.dtype) * aspect, (0, 1))
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


class GradientFilter(Protocol):
    """Maps gradients (N, C, H, W) to directions of the same shape, row by row."""

    def __call__(self, gradients: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Blur:
    """Periodic Gaussian blur of `sigma` pixels, which delays fine structure."""

    sigma: float = 1.0

    def __post_init__(self) -> None:
        need_number("blur", self.sigma)

    def __call__(self, gradients: Tensor) -> Tensor:
        return _filtered(
            gradients, torch.exp(-2 * (torch.pi * self.sigma * frequencies(gradients)) ** 2)
        )


@dataclass(frozen=True)
class Fourier:
    """Ascent in Fourier coefficients whose scale falls as ``1 / frequency**decay``, as in natural
    images.

    Olah, Mordvintsev, Schubert, "Feature Visualization" (2017): x is the inverse transform of
    coefficients divided by max(frequency, 1 / size)**decay; here as the equal filter of the
    gradient.
    """

    decay: float = 1.0

    def __post_init__(self) -> None:
        need_number("decay", self.decay)

    def __call__(self, gradients: Tensor) -> Tensor:
        lowest = 1 / max(gradients.shape[2:])
        return _filtered(
            gradients, (lowest / frequencies(gradients).clamp_min(lowest)) ** (2 * self.decay)
        )


def frequencies(images: Tensor) -> Tensor:
    """Return the radial frequency in cycles per pixel of each coefficient of `torch.fft.rfft2`,
    (H, W // 2 + 1).
    """
    height, width = images.shape[2:]
    options = {"dtype": images.dtype, "device": images.device}
    return torch.hypot(
        torch.fft.fftfreq(height, **options)[:, None], torch.fft.rfftfreq(width, **options)[None]
    )


def _filtered(gradients: Tensor, factors: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(gradients) * factors, s=gradients.shape[2:])
