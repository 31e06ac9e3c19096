"""Interval bounds: what values a map can take at all, for any image, proved rather than tried.

Interval bound propagation (Gowal et al. 2018, arXiv:1810.12715): a linear layer sends the box with centre c
and radius r to centre ``W c + b`` and radius ``|W| r``; monotone layers send both ends through. Computed
in float64 and widened after every layer by more than float32 rounding can do, so that the bounds hold for
the network as it runs in float32, not for its ideal alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network import BatchNorm, Network, Rescaling
from ..runs.model import Model
from .capture import PRE, PROBABILITIES

_EPS = 2.0**-23  # float32's spacing at 1, twice its unit roundoff: leaves room for any order of summation
_FEW = 8  # roundings that activations, averages and normalisations make at most per value


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest value (maps, rows, columns), or (units,), float64, over all images allowed."""

    low: np.ndarray
    high: np.ndarray

    @property
    def zero(self) -> np.ndarray:
        """Which maps (maps,) are proved to be zero everywhere, whatever the image."""
        exact = (self.low == 0) & (self.high == 0)
        return exact.reshape(len(exact), -1).all(1)


def layer_bounds(model: Model) -> dict[str, Bounds]:
    """Return the bounds of every point that `capture` offers (probabilities as 0 to 1), over pixels 0 to 255."""
    shape = model.spec.input_shape
    ends = [np.full((1, *shape), end) if shape[2] > 1 else np.full((1, *shape[:2]), end) for end in (0.0, 255.0)]
    low, high = (model.tensor(end).double().cpu() for end in ends)
    return propagate(model.network, low, high)


def propagate(network: Network, low: Tensor, high: Tensor) -> dict[str, Bounds]:
    """Return the bounds of every layer in evaluation mode for inputs between `low` and `high`, (1, C, H, W) float64."""
    network = copy.deepcopy(network).eval().double().cpu()
    found: dict[str, Bounds] = {}
    with torch.no_grad():
        low, high = _widened(low, high, torch.maximum(low.abs(), high.abs()), 1)
        for name in network.spec.names:
            layer = getattr(network, name)
            for step, module in _steps(layer):
                if step == "activation":
                    found[name + PRE] = _record(low, high)
                low, high = _through(module, low, high)
            found[name] = _record(low, high)
    last = found[network.spec.names[-1]]
    found[network.spec.names[-1] + PROBABILITIES] = Bounds(np.zeros_like(last.low), np.ones_like(last.high))
    return found


def _steps(layer: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(layer.named_children()) if isinstance(layer, nn.Sequential) else [("", layer)]


def _record(low: Tensor, high: Tensor) -> Bounds:
    return Bounds(low[0].numpy(), high[0].numpy())


def _through(module: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    centre, radius, largest = (low + high) / 2, (high - low) / 2, torch.maximum(low.abs(), high.abs())
    match module:
        case nn.Conv2d() | nn.Linear():
            size = _absolute(module, largest) + (0 if module.bias is None else _per_channel(module.bias.abs(), low))
            return _ball(module(centre), _absolute(module, radius), size, module.weight[0].numel() + 2)
        case BatchNorm():
            factor, size = _batch_norm(module, largest)
            return _ball(module(centre), radius * factor, size, _FEW)
        case Rescaling():
            size = largest * abs(module.factor) + abs(module.offset)
            return _ball(module(centre), radius * abs(module.factor), size, _FEW)
    low, high = module(low), module(high)  # every other layer is monotone in each of its inputs
    if isinstance(module, nn.ReLU | nn.MaxPool2d | nn.Flatten | nn.Identity | nn.ZeroPad2d):
        return low, high  # these move values without rounding them
    return _widened(low, high, torch.maximum(low.abs(), high.abs()), _FEW)


def _absolute(module: nn.Conv2d | nn.Linear, values: Tensor) -> Tensor:
    """The layer with the magnitudes of its weights and no bias."""
    if isinstance(module, nn.Linear):
        return F.linear(values, module.weight.abs())
    return F.conv2d(values, module.weight.abs(), None, module.stride, module.padding)


def _batch_norm(module: BatchNorm, largest: Tensor) -> tuple[Tensor, Tensor]:
    """The factor of each channel, and the size of ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``'s terms."""
    factor = (module.running_var + module.epsilon).rsqrt()
    factor = _per_channel((factor if module.weight is None else factor * module.weight).abs(), largest)
    size = (largest + _per_channel(module.running_mean.abs(), largest)) * factor
    return factor, size if module.bias is None else size + _per_channel(module.bias.abs(), largest)


def _per_channel(vector: Tensor, like: Tensor) -> Tensor:
    return vector.view((1, -1) + (1,) * (like.dim() - 2))


def _ball(centre: Tensor, radius: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    return _widened(centre - radius, centre + radius, size, roundings)


def _widened(low: Tensor, high: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    """Add the most that `roundings` float32 roundings of terms summing to `size` in magnitude can do (Higham 2002)."""
    margin = roundings * _EPS * size
    return low - margin, high + margin
