"""Distances of vectors to centres."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..spec.layers import LEAST_SQUARE
from .activations import as_float32

_LEAST = as_float32(LEAST_SQUARE)


class Distances(nn.Module):
    """Euclidean distances to `units` centres, by ``|x|^2 + |c|^2 - 2 x c``."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.empty(units, features))

    def forward(self, x: Tensor) -> Tensor:  # (N, features) -> (N, units)
        lengths = x.square().sum(1, keepdim=True) + self.centres.square().sum(1)
        return (lengths - 2 * x @ self.centres.T).clamp_min(_LEAST).sqrt()
