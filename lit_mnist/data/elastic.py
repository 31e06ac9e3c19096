"""Elastic distortion: pictures bent by smooth random displacements, as handwriting varies.

Simard, Steinkraus and Platt (2003) blur a random displacement of every pixel. Here displacements
are drawn at control points and interpolated between them: as smooth, with a fraction of the random
numbers.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def control_points(seed: int, epoch: int, n: int, size: tuple[int, int], spacing: float) -> Tensor:
    """Return normal numbers (n, 2, rows, columns) for control points about `spacing` pixels apart.

    `size` is (rows, columns) of the pictures; the first and last control points lie on their
    outermost pixels.
    """
    rows, columns = (max(2, 1 + math.ceil((side - 1) / spacing)) for side in size)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, 9])))
    return torch.from_numpy(generator.standard_normal((n, 2, rows, columns), np.float32))


def displacement(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return displacements (n, rows, columns, 2) in the units of ``grid_sample``, x first.

    `points` (n, 2, ...) are displacements of the control points in pixels, x before y, interpolated
    bicubically.
    """
    bent = F.interpolate(points, size, mode="bicubic", align_corners=True)
    side = torch.tensor([size[1], size[0]], dtype=points.dtype, device=points.device)
    return bent.permute(0, 2, 3, 1) * (2 / side)
