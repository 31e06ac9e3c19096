"""Random start images on several length scales, and the one rule by which every row's chance is drawn.

Every row of an ascent has random numbers of its own, keyed by what it is (seed, target, restart) and
not by where it stands in a batch: asking for fewer maps, or in another order, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import MaximizeError, need_number, need_whole

SIZES = (3, 7, 14, 28)  # cells of the noise squares, as in the source
WEIGHTS = (0.5, 0.5, 0.5, 0.5)
LONG_WAVES = (3, 7)  # for the search: patterns that a map of large receptive field can react to
START, SEARCH, CHANGE = range(3)  # what random numbers are for: they must not repeat each other


def generator(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one purpose and key, independent of all others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, *key))))


@dataclass(frozen=True)
class Fluctuations:
    """Weighted sum of uniform noise in [-1, 1] on squares of `sizes` cells, bicubically enlarged to the image."""

    sizes: tuple[int, ...] = SIZES
    weights: tuple[float, ...] = WEIGHTS

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.weights) or not self.sizes:
            raise MaximizeError(f"fluctuations: {len(self.sizes)} sizes and {len(self.weights)} weights; "
                                "accepted: one weight for each size, at least one")
        for size, weight in zip(self.sizes, self.weights, strict=True):
            need_whole("fluctuations: size", size)
            need_number("fluctuations: weight", weight)

    def draw(self, generators: Sequence[np.random.Generator], shape: tuple[int, int, int]) -> Tensor:
        """Return float64 (n, C, H, W), one image a generator, for images of `shape` (C, H, W)."""
        channels, *size = shape
        total = torch.zeros(len(generators), *shape, dtype=torch.float64)
        for cells, weight in zip(self.sizes, self.weights, strict=True):
            noise = np.stack([one.uniform(-1, 1, (channels, cells, cells)) for one in generators])
            total += weight * _enlarge(torch.from_numpy(noise), tuple(size))
        return total


def _enlarge(noise: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bicubic, whose kernel (a = -0.5) is TensorFlow's; without antialiasing torch's differs."""
    return F.interpolate(noise, size, mode="bicubic", align_corners=False, antialias=True)
