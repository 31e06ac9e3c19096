"""How a pixel gradient becomes the direction of a step: as it is, blurred, or as Fourier coefficients see it.

Ascending in other coordinates z with ``x = A z`` moves the image along ``A A^T g``. A parametrisation is
therefore a linear filter of the gradient, here a factor for each spatial frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .checks import need_number


class Direction(Protocol):
    """Gradients (N, C, H, W) in, directions of the same shape out, row by row."""

    def __call__(self, gradients: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Blur:
    """Gaussian blur of `sigma` pixels, periodic: fine structure is climbed last."""

    sigma: float = 1.0

    def __post_init__(self) -> None:
        need_number("blur", self.sigma)

    def __call__(self, gradients: Tensor) -> Tensor:
        return _filtered(gradients, torch.exp(-2 * (torch.pi * self.sigma * frequencies(gradients)) ** 2))


@dataclass(frozen=True)
class Fourier:
    """Ascent in Fourier coefficients whose scale falls as ``1 / frequency**decay``, as in natural images.

    Olah, Mordvintsev, Schubert, "Feature Visualization" (2017): x is the inverse transform of
    coefficients divided by max(frequency, 1 / size)**decay; here as the equal filter of the gradient.
    """

    decay: float = 1.0

    def __post_init__(self) -> None:
        need_number("decay", self.decay)

    def __call__(self, gradients: Tensor) -> Tensor:
        lowest = 1 / max(gradients.shape[2:])
        return _filtered(gradients, (lowest / frequencies(gradients).clamp_min(lowest)) ** (2 * self.decay))


def frequencies(images: Tensor) -> Tensor:
    """Return the radial frequency in cycles per pixel of each coefficient of `torch.fft.rfft2`, (H, W // 2 + 1)."""
    height, width = images.shape[2:]
    options = {"dtype": images.dtype, "device": images.device}
    return torch.hypot(torch.fft.fftfreq(height, **options)[:, None], torch.fft.rfftfreq(width, **options)[None])


def _filtered(gradients: Tensor, factors: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(gradients) * factors, s=gradients.shape[2:])
