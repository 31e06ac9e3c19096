"""Interval bounds of layer and group normalisation, whose statistics depend on the values
themselves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..network import GroupNorm, LayerNorm

EPS = 2.0**-23  # float32's spacing at 1, twice its unit roundoff


def normalized(module: LayerNorm | GroupNorm, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bounds of a normalisation's output, before its scale and shift, for inputs (1,
    C, ...).
    """
    if isinstance(module, GroupNorm):
        grouped = (1, module.groups, -1, *low.shape[2:])
        low_end, high_end = standardized(
            low.view(grouped), high.view(grouped), module.epsilon, tuple(range(2, low.dim() + 1))
        )
        return low_end.view_as(low), high_end.view_as(high)
    axes = (1,) if len(module.shape) == 1 else (1, 2, 3)
    return standardized(low, high, module.epsilon, axes)


def standardized(
    low: Tensor, high: Tensor, epsilon: float, axes: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Return the bounds of ``(x - mean) / sqrt(variance + epsilon)`` with the statistics over
    `axes`.

    Interval arithmetic bounds the deviation d of each of N values from their mean. The variance is
    at least ``d^2 / (N - 1)``, which bounds the quotient by ``sqrt(N - 1)`` for inputs of any size,
    and at least ``gap^2 / 2N`` where two values are at least `gap` apart. It is at most the mean
    square distance from any one point. Sums of N terms may be wrong by as much as float32 allows.
    """
    count = math.prod(low.shape[axis] for axis in axes)
    total_low, total_high = (end.sum(axes, keepdim=True) for end in (low, high))
    deviation_low = low - (total_high - high + low) / count
    deviation_high = high - (total_low - low + high) / count
    variance = Variance(low, high, epsilon, axes, count)
    return -variance.quotient(-deviation_low), variance.quotient(deviation_high)


class Variance:
    """Bounds of the variance over `axes` of values between `low` and `high`, and of its rounding
    errors.
    """

    def __init__(
        self, low: Tensor, high: Tensor, epsilon: float, axes: tuple[int, ...], count: int
    ) -> None:
        largest = torch.maximum(low.abs(), high.abs()).amax(axes, keepdim=True)
        gap = (low.amax(axes, keepdim=True) - high.amin(axes, keepdim=True)).clamp_min(0)
        middle = ((low + high) / 2).mean(axes, keepdim=True)
        farthest = torch.maximum((low - middle).abs(), (high - middle).abs())
        self.epsilon = epsilon
        self.others = max(count - 1, 1)
        self.lowest = gap.square() / (2 * count)
        self.highest = farthest.square().mean(axes, keepdim=True)
        # rounding errors in float32
        self.error = (count + 8) * EPS * largest.square()
        self.deviation_error = (count + 8) * EPS * largest

    def quotient(self, deviation: Tensor) -> Tensor:
        """Return the highest quotient of deviations up to `deviation`, which may be negative."""
        # beyond this deviation, rounding can reduce the quotient
        kink = (self.others * self.error).sqrt()
        raised = torch.maximum(
            self._over_lowest(deviation.clamp_min(0)),
            self._over_lowest(torch.minimum(deviation.clamp_min(0), kink)),
        )
        below = deviation.clamp_max(0) / (self.highest + self.error + self.epsilon).sqrt()
        error = self.deviation_error / self._smallest_divisor(torch.zeros_like(deviation))
        return raised + below + error + 8 * EPS * (raised - below)

    def _over_lowest(self, deviation: Tensor) -> Tensor:
        return deviation / self._smallest_divisor(deviation)

    def _smallest_divisor(self, deviation: Tensor) -> Tensor:
        """Return the smallest possible divisor of a value with this deviation from the mean."""
        variance = torch.maximum(self.lowest, deviation.square() / self.others)
        return ((variance - self.error).clamp_min(0) + self.epsilon).sqrt()
