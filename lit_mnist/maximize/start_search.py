"""Search of start images by forward passes: random images, scored by every map of a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .checks import need_whole
from .inputs import LONG_WAVES, SEARCH, Constraint, Fluctuations, generator
from .subnetwork import Subnetwork

LONG = Fluctuations(LONG_WAVES, (0.5,) * len(LONG_WAVES))
# number of starts, and of their pixels, at a time, which bounds memory
_BLOCK = 1024
_PIXELS = 2**24


@dataclass(frozen=True)
class Search:
    """Scored start images: `scores` (starts, targets) are activations; an image is recomputed from
    its number.
    """

    scores: np.ndarray
    seed: int
    fluctuations: Fluctuations
    constraint: Constraint
    shape: tuple[int, int, int]

    def best(self, target: int, count: int = 1) -> np.ndarray:
        """Return the numbers of the `count` starts with the highest activation of `target`, best
        first.
        """
        return np.argsort(-self.scores[:, target], kind="stable")[:count]

    def starts(self, numbers: np.ndarray) -> Tensor:
        """Return the start images (n, C, H, W), float64, with these numbers."""
        return _numbered_starts(numbers, self.seed, self.fluctuations, self.constraint, self.shape)


def search(
    network: Network,
    layer: str,
    constraint: Constraint,
    count: int = 3000,
    seed: int = 0,
    fluctuations: Fluctuations = LONG,
) -> Search:
    """Score `count` random starts (default: low-frequency ones) by every map of `layer`; raise
    MaximizeError.
    """
    need_whole("search", count)
    height, width, channels = network.spec.input_shape
    shape = (channels, height, width)
    block = max(1, min(_BLOCK, _PIXELS // math.prod(shape)))
    subnetwork = Subnetwork(network, [layer])
    scores = [
        subnetwork.activations(
            _numbered_starts(
                np.arange(first, min(first + block, count)), seed, fluctuations, constraint, shape
            )
        )
        for first in range(0, count, block)
    ]
    return Search(np.concatenate(scores), seed, fluctuations, constraint, shape)


def _numbered_starts(
    numbers: np.ndarray,
    seed: int,
    fluctuations: Fluctuations,
    constraint: Constraint,
    shape: tuple[int, int, int],
) -> Tensor:
    noise = fluctuations.draw([generator(seed, SEARCH, int(number)) for number in numbers], shape)
    return constraint.begin(torch.as_tensor(noise))
