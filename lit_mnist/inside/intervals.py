"""Interval arithmetic: bounds of a layer's outputs for bounds of its inputs, widened by rounding.

Bounds are the lowest and highest values, tensors (1, C, ...) of float64.
"""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network import (
    ActivityRegularization,
    BatchNorm,
    ChannelRescaling,
    Crop,
    Distances,
    Exponential,
    GaussianDropout,
    GaussianNoise,
    GeneralReLU,
    GroupNorm,
    HardSigmoid,
    HardSigmoidKeras2,
    KerasFlatten,
    LayerNorm,
    Normalization,
    Permute,
    PReLU,
    RandomChange,
    Rescaling,
    Reshape,
    SamePool,
    by_channel,
)
from ..spec import Add, Average, Maximum, Merge, Minimum, Multiply, Subtract
from .normalized import EPS, normalized

_EXACT = (  # monotone, and values are not rounded
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool2d,
    nn.Flatten,
    nn.Identity,
    nn.ZeroPad2d,
    Crop,
    KerasFlatten,
    Permute,
    Reshape,
)
# monotone in each input, so that the ends of an interval map to the ends of its image
_MONOTONE = (
    *_EXACT,
    nn.ELU,
    nn.SELU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.AvgPool2d,
    SamePool,
    nn.AdaptiveAvgPool2d,
    GeneralReLU,
    Exponential,
    HardSigmoid,
    HardSigmoidKeras2,
    nn.Upsample,
    nn.AdaptiveMaxPool2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.AlphaDropout,
    ActivityRegularization,
    GaussianNoise,
    GaussianDropout,
    RandomChange,
)
_FEW = 8  # maximum number of roundings per value in activations, averages and normalisations


def output_bounds(module: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bounds of a layer's outputs; raise TypeError for a layer without a rule."""
    centre = (low + high) / 2
    radius = (high - low) / 2
    largest = torch.maximum(low.abs(), high.abs())
    match module:
        case nn.Conv2d() | nn.Linear() | nn.ConvTranspose2d():
            size = by_magnitudes(module, largest) + (
                0 if module.bias is None else by_channel(module.bias.abs(), low)
            )
            return _ball(module(centre), by_magnitudes(module, radius), size, _terms(module) + 2)
        case BatchNorm():
            factor, size = _batch_norm(module, largest)
            return _ball(module(centre), radius * factor, size, _FEW)
        case Rescaling():
            size = largest * abs(module.factor) + abs(module.offset)
            return _ball(module(centre), radius * abs(module.factor), size, _FEW)
        case ChannelRescaling():
            factor = by_channel(module.factor.abs(), low)
            return _ball(
                module(centre),
                radius * factor,
                largest * factor + by_channel(module.offset.abs(), low),
                _FEW,
            )
        case Distances():
            return _distances(module, centre, radius, largest)
        case Normalization():
            return _normalized(module, centre, radius, largest)
        case LayerNorm() | GroupNorm():
            return _scaled(module, *normalized(module, low, high))
        case PReLU():
            return _bent(module, low, high)
        case nn.Softmax():
            return torch.zeros_like(low), torch.ones_like(high)
        case nn.SiLU() | nn.Hardswish() | nn.GELU() | nn.Mish():
            return _valley(module, low, high)
    if not isinstance(module, _MONOTONE):
        raise TypeError(f"no bounds for a {type(module).__name__}")
    low = module(low)
    high = module(high)
    if isinstance(module, _EXACT):
        return low, high
    return widened(low, high, torch.maximum(low.abs(), high.abs()), _FEW)


def _pair(padding: object) -> tuple[int, ...]:
    return tuple(padding) if isinstance(padding, tuple) else ()


def _terms(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> int:
    weight = module.weight
    return weight[:, 0].numel() if isinstance(module, nn.ConvTranspose2d) else weight[0].numel()


def _valley(module: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the box of a function with one minimum, which counts where the inputs contain its
    position.
    """
    grid = torch.linspace(-4.0, 0.0, 40_001, dtype=low.dtype)
    values = module(grid)
    # the grid misses the minimum by less than 1e-6, since slopes there are below 1e-4
    lowest = values.min() - 1e-6
    position = grid[values.argmin()]
    ends = module(low), module(high)
    inside = (low <= position + 1e-3) & (high >= position - 1e-3)
    bottom = torch.where(inside, lowest, torch.minimum(*ends))
    return widened(
        bottom, torch.maximum(*ends), torch.maximum(ends[0].abs(), ends[1].abs()) + 1, _FEW
    )


def _bent(module: PReLU, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the box of two straight lines that meet at zero: the extremes are at the ends or at
    zero.
    """
    at_zero = torch.zeros_like(low).clamp(low, high)
    values = [module(low), module(high), module(at_zero)]
    bottom = reduce(torch.minimum, values)
    top = reduce(torch.maximum, values)
    return widened(bottom, top, torch.maximum(bottom.abs(), top.abs()), _FEW)


def _normalized(
    module: Normalization, centre: Tensor, radius: Tensor, largest: Tensor
) -> tuple[Tensor, Tensor]:
    deviation = by_channel(module.variance.sqrt().clamp_min(1e-7), centre)
    mean = by_channel(module.mean.abs(), centre)
    if module.invert:
        return _ball(module(centre), radius * deviation, largest * deviation + mean, _FEW)
    return _ball(module(centre), radius / deviation, (largest + mean) / deviation, _FEW)


def _distances(
    module: Distances, centre: Tensor, radius: Tensor, largest: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the bounds of distances to centres, which change by at most as much as the point
    moves.
    """
    moved = radius.square().sum(1, keepdim=True).sqrt()
    centres = module.centres
    size = largest.square().sum(1, keepdim=True) + centres.square().sum(1)
    size = size + 2 * largest @ centres.abs().T
    error = 2 * (largest.shape[1] + _FEW) * EPS * size  # of the squared distance
    distance = module(centre)
    low = ((distance - moved).clamp_min(0).square() - error).clamp_min(0).sqrt()
    return low, ((distance + moved).square() + error).sqrt()


def _scaled(module: LayerNorm | GroupNorm, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bounds after scale and shift of a normalisation, by channel or by value."""
    largest = torch.maximum(low.abs(), high.abs())
    centre = (low + high) / 2
    radius = (high - low) / 2
    if module.weight is not None:
        scale = _met(module.weight, low)
        centre, radius, largest = centre * scale, radius * scale.abs(), largest * scale.abs()
    if module.bias is not None:
        shift = _met(module.bias, low)
        centre, largest = centre + shift, largest + shift.abs()
    return _ball(centre, radius, largest, _FEW)


def _met(values: Tensor, like: Tensor) -> Tensor:
    return by_channel(values, like) if values.dim() == 1 else values[None]


def by_magnitudes(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, values: Tensor) -> Tensor:
    """Apply a layer with the absolute values of its weights and without bias."""
    if isinstance(module, nn.Linear):
        return F.linear(values, module.weight.abs())
    if isinstance(module, nn.ConvTranspose2d):
        return F.conv_transpose2d(
            values,
            module.weight.abs(),
            None,
            module.stride,
            _pair(module.padding),
            module.output_padding,
            module.groups,
            module.dilation,
        )
    return F.conv2d(
        values,
        module.weight.abs(),
        None,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
    )


def _batch_norm(module: BatchNorm, largest: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factor of each channel, and the summed magnitudes of the terms of batch
    normalisation.

    These are the terms of ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``.
    """
    factor = (module.running_var + module.epsilon).rsqrt()
    factor = by_channel(
        (factor if module.weight is None else factor * module.weight).abs(), largest
    )
    size = (largest + by_channel(module.running_mean.abs(), largest)) * factor
    return factor, size if module.bias is None else size + by_channel(module.bias.abs(), largest)


def _ball(centre: Tensor, radius: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    return widened(centre - radius, centre + radius, size, roundings)


def widened(low: Tensor, high: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    """Widen a box by the largest error of `roundings` float32 roundings (Higham 2002).

    `size` is the sum of the magnitudes of the rounded terms.
    """
    margin = roundings * EPS * size
    return low - margin, high + margin


def merged_bounds(layer: Merge, lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the bounds of an arithmetic merge of inputs with aligned shapes."""
    low, high, size = _MERGES[type(layer)](lows, highs)
    return widened(low, high, size, _FEW + len(lows))


def _sum(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    sizes = [torch.maximum(low.abs(), high.abs()) for low, high in zip(lows, highs, strict=True)]
    return reduce(torch.add, lows), reduce(torch.add, highs), reduce(torch.add, sizes)


def _mean(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    low, high, size = _sum(lows, highs)
    return low / len(lows), high / len(lows), size


def _difference(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    return _sum([lows[0], -highs[1]], [highs[0], -lows[1]])


def _product(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    low = lows[0]
    high = highs[0]
    for other_low, other_high in zip(lows[1:], highs[1:], strict=True):
        ends = [a * b for a in (low, high) for b in (other_low, other_high)]
        low = reduce(torch.minimum, ends)
        high = reduce(torch.maximum, ends)
    return low, high, torch.maximum(low.abs(), high.abs())


def _largest(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    low = reduce(torch.maximum, lows)
    high = reduce(torch.maximum, highs)
    return low, high, torch.zeros_like(low)  # without rounding


def _smallest(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    low = reduce(torch.minimum, lows)
    high = reduce(torch.minimum, highs)
    return low, high, torch.zeros_like(low)


_MERGES = {
    Add: _sum,
    Average: _mean,
    Subtract: _difference,
    Multiply: _product,
    Maximum: _largest,
    Minimum: _smallest,
}
