"""Random affine distortion of digits, batched, with all of an epoch's random numbers drawn at once.

Drawn by NumPy from (seed, epoch), so that every device and any number of processes see the same images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .idx import DataError


@dataclass(frozen=True)
class Augmentation:
    """Half widths of uniform distributions: rotation in degrees, scale and shear as fractions, shift in pixels."""

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        for key, limit in (("rotation", 180.0), ("scale", 0.99), ("shear", 0.99), ("shift", 14.0)):
            value = getattr(self, key)
            if not (isinstance(value, int | float) and 0 <= value <= limit):
                raise DataError(f"data.augment.{key} = {value!r} cannot work; accepted: 0 to {limit:g}")

    def __bool__(self) -> bool:
        return any((self.rotation, self.scale, self.shear, self.shift))

    def draw(self, seed: int, epoch: int, n: int, size: int) -> Tensor:
        """Return one matrix (n, 2, 3) an image, for `affine_grid`: output to input coordinates."""
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, 7])))
        angle, scale, shear, right, down = generator.uniform(-1, 1, (5, n))
        angle = angle * math.radians(self.rotation)
        zoom = 1 / (1 + scale * self.scale)
        cos, sin, shear = np.cos(angle) * zoom, np.sin(angle) * zoom, shear * self.shear
        to_unit = 2 * self.shift / size
        matrix = np.stack([cos, cos * shear - sin, right * to_unit, sin, sin * shear + cos, down * to_unit], axis=1)
        return torch.from_numpy(matrix.reshape(n, 2, 3).astype(np.float32))


def distort(images: Tensor, matrices: Tensor, background: Tensor) -> Tensor:
    """Return images (n, C, H, W) moved by `matrices` (n, 2, 3), bilinear; what moves in is `background`.

    `background` (1, C, H, W) is the standardised empty image: it is taken off before and put back after,
    so that with per-pixel standardisation the distortion acts on ink, not on the scaler's pattern.
    """
    grid = F.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images - background, grid, align_corners=False) + background
