"""Precursor search: which of many random starts does each map react to, found by forward passes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .ascent import CHUNK
from .checks import need_whole
from .constraint import Constraint
from .quality import activations
from .starts import LONG_WAVES, SEARCH, Fluctuations, generator
from .taps import Taps

LONG = Fluctuations(LONG_WAVES, (0.5,) * len(LONG_WAVES))
_BLOCK = 16 * CHUNK  # starts drawn at a time, to bound memory


@dataclass(frozen=True)
class Search:
    """`scores` (starts, targets): how strongly each start raises each map; starts are rebuilt from their number."""

    scores: np.ndarray
    seed: int
    fluctuations: Fluctuations
    constraint: Constraint
    shape: tuple[int, int, int]

    def best(self, target: int, count: int = 1) -> np.ndarray:
        """Return the numbers of the `count` starts that raise `target` most, best first; ties by number."""
        return np.argsort(-self.scores[:, target], kind="stable")[:count]

    def starts(self, numbers: np.ndarray) -> Tensor:
        """Return the start images (n, C, H, W), float64, of these numbers."""
        return _starts(numbers, self.seed, self.fluctuations, self.constraint, self.shape)


def search(network: Network, layer: str, constraint: Constraint, count: int = 3000, seed: int = 0,
           fluctuations: Fluctuations = LONG) -> Search:
    """Score `count` random starts, long waves by default, against every map of `layer`; raise MaximizeError."""
    need_whole("search", count)
    height, width, channels = network.spec.input_shape
    shape = (channels, height, width)
    taps = Taps(network, [layer])
    scores = [activations(taps, _starts(np.arange(first, min(first + _BLOCK, count)), seed, fluctuations,
                                        constraint, shape))
              for first in range(0, count, _BLOCK)]
    return Search(np.concatenate(scores), seed, fluctuations, constraint, shape)


def _starts(numbers: np.ndarray, seed: int, fluctuations: Fluctuations, constraint: Constraint,
            shape: tuple[int, int, int]) -> Tensor:
    noise = fluctuations.draw([generator(seed, SEARCH, int(number)) for number in numbers], shape)
    return constraint.begin(torch.as_tensor(noise))
