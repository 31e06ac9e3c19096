"""Interval bounds: what values a map can take at all, for any image, proved rather than tried.

Interval bound propagation (Gowal et al. 2018, arXiv:1810.12715): a linear layer sends the box with centre c
and radius r to centre ``W c + b`` and radius ``|W| r``; monotone layers send both ends through. Computed
in float64 and widened after every layer by more than float32 rounding can do, so that the bounds hold for
the network as it runs in float32, not for its ideal alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network import (
    ActivityRegularization,
    BatchNorm,
    ChannelRescaling,
    Concatenate,
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
    Merge,
    Network,
    Normalization,
    Permute,
    PReLU,
    RandomChange,
    Rescaling,
    Reshape,
    SamePool,
    aligned,
    by_channel,
)
from ..runs.model import Model
from ..spec import INPUT, Add, Average, Maximum, Minimum, Multiply, Subtract
from .capture import PRE, PROBABILITIES
from .normalized import EPS, normalized

# rising in each input, whose ends therefore go through; those of the second row without rounding
_RISING = (
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
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Flatten,
    nn.Identity,
    nn.ZeroPad2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.AlphaDropout,
    Crop,
    Distances,
    KerasFlatten,
    Permute,
    Reshape,
    ActivityRegularization,
    GaussianNoise,
    GaussianDropout,
    RandomChange,
)
_EXACT = (
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool2d,
    nn.Flatten,
    nn.Identity,
    nn.ZeroPad2d,
    Crop,
    Distances,
    KerasFlatten,
    Permute,
    Reshape,
)
_VALLEYS = (
    nn.SiLU,
    nn.Hardswish,
    nn.GELU,
    nn.Mish,
)  # falling to one lowest value, rising from there on
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
    ends = [
        np.full((1, *shape), end) if shape[2] > 1 else np.full((1, *shape[:2]), end)
        for end in (0.0, 255.0)
    ]
    low, high = (model.tensor(end).double().cpu() for end in ends)
    return propagate(model.network, low, high)


def propagate(network: Network, low: Tensor, high: Tensor) -> dict[str, Bounds]:
    """Return the bounds of every layer in evaluation mode for inputs between `low` and `high`, (1, C, H, W) float64."""
    network = copy.deepcopy(network).eval().double().cpu()
    result: dict[str, Bounds] = {}
    with torch.no_grad():
        values = {INPUT: _Box(*_widened(low, high, torch.maximum(low.abs(), high.abs()), 1))}
        for name in network.spec.names:
            box = _merged(network, name, [values[source] for source in network.spec.sources[name]])
            for step, module in _steps(network.module_of(name)):
                if step == "activation":
                    result[name + PRE] = box.record()
                box = box.through(module)
            values[name], result[name] = box, box.record()
    last = result[network.spec.output]
    result[network.spec.output + PROBABILITIES] = Bounds(
        np.zeros_like(last.low), np.ones_like(last.high)
    )
    return result


class _Box:
    """Lowest and highest values (1, C, ...) of one layer."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low = low
        self.high = high

    def record(self) -> Bounds:
        """Return the bounds without the axis of images."""
        return Bounds(self.low[0].numpy(), self.high[0].numpy())

    def through(self, module: nn.Module) -> _Box:
        """Return the box behind a module."""
        if isinstance(module, Merge | Concatenate):
            return self  # `_merged` has done it
        return _Box(*_through(module, self.low, self.high))


def _merged(network: Network, name: str, boxes: list[_Box]) -> _Box:
    """Return the box of a layer's inputs put together; of a single input that itself."""
    module = network.module_of(name)
    if not isinstance(module, Merge | Concatenate):
        return boxes[0]
    lows = [box.low for box in boxes]
    highs = [box.high for box in boxes]
    if isinstance(module, Concatenate):
        return _Box(module(*lows), module(*highs))
    low, high, size = _RULES[type(network.spec.layer(name))](
        aligned(tuple(lows)), aligned(tuple(highs))
    )
    return _Box(*_widened(low, high, size, _FEW + len(boxes)))


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
    return low, high, torch.zeros_like(low)  # nothing is rounded


def _smallest(lows: list[Tensor], highs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    low = reduce(torch.minimum, lows)
    high = reduce(torch.minimum, highs)
    return low, high, torch.zeros_like(low)


_RULES = {
    Add: _sum,
    Average: _mean,
    Subtract: _difference,
    Multiply: _product,
    Maximum: _largest,
    Minimum: _smallest,
}


def _steps(layer: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(layer.named_children()) if isinstance(layer, nn.Sequential) else [("", layer)]


def _through(module: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    centre = (low + high) / 2
    radius = (high - low) / 2
    largest = torch.maximum(low.abs(), high.abs())
    match module:
        case nn.Conv2d() | nn.Linear() | nn.ConvTranspose2d():
            size = by_magnitudes(module, largest) + (
                0 if module.bias is None else _per_channel(module.bias.abs(), low)
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
    if not isinstance(module, _RISING):
        raise TypeError(f"no bounds for a {type(module).__name__}")
    low = module(low)
    high = module(high)
    if isinstance(module, _EXACT):
        return low, high  # these move values without rounding them
    return _widened(low, high, torch.maximum(low.abs(), high.abs()), _FEW)


def _pair(padding: object) -> tuple[int, ...]:
    return tuple(padding) if isinstance(padding, tuple) else ()


def _terms(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> int:
    weight = module.weight
    return weight[:, 0].numel() if isinstance(module, nn.ConvTranspose2d) else weight[0].numel()


def _valley(module: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """A function with one lowest value: that, where the box holds its place, else the lower end; the higher end."""
    grid = torch.linspace(-4.0, 0.0, 40_001, dtype=low.dtype)
    values = module(grid)
    # off the grid by less: slopes there are below 1e-4
    lowest = values.min() - 1e-6
    place = grid[values.argmin()]
    ends = module(low), module(high)
    inside = (low <= place + 1e-3) & (high >= place - 1e-3)
    bottom = torch.where(inside, lowest, torch.minimum(*ends))
    return _widened(
        bottom, torch.maximum(*ends), torch.maximum(ends[0].abs(), ends[1].abs()) + 1, _FEW
    )


def _bent(module: PReLU, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Two straight lines that meet at zero: the extremes lie at the ends, or there."""
    at_zero = torch.zeros_like(low).clamp(low, high)
    values = [module(low), module(high), module(at_zero)]
    bottom = reduce(torch.minimum, values)
    top = reduce(torch.maximum, values)
    return _widened(bottom, top, torch.maximum(bottom.abs(), top.abs()), _FEW)


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
    """A distance moves by no more than its point does."""
    moved = radius.square().sum(1, keepdim=True).sqrt()
    centres = module.centres
    size = largest.square().sum(1, keepdim=True) + centres.square().sum(1)
    size = size + 2 * largest @ centres.abs().T
    rounded = 2 * (largest.shape[1] + _FEW) * EPS * size  # of the squared distance
    distance = module(centre)
    low = ((distance - moved).clamp_min(0).square() - rounded).clamp_min(0).sqrt()
    return low, ((distance + moved).square() + rounded).sqrt()


def _scaled(module: LayerNorm | GroupNorm, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of a normalisation, for each channel or for each value."""
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
    return _per_channel(values, like) if values.dim() == 1 else values[None]


def by_magnitudes(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, values: Tensor) -> Tensor:
    """The layer with the magnitudes of its weights and no bias."""
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
    """The factor of each channel, and the size of ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``'s terms."""
    factor = (module.running_var + module.epsilon).rsqrt()
    factor = _per_channel(
        (factor if module.weight is None else factor * module.weight).abs(), largest
    )
    size = (largest + _per_channel(module.running_mean.abs(), largest)) * factor
    return factor, size if module.bias is None else size + _per_channel(module.bias.abs(), largest)


def _per_channel(vector: Tensor, like: Tensor) -> Tensor:
    return vector.view((1, -1) + (1,) * (like.dim() - 2))


def _ball(centre: Tensor, radius: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    return _widened(centre - radius, centre + radius, size, roundings)


def _widened(low: Tensor, high: Tensor, size: Tensor, roundings: int) -> tuple[Tensor, Tensor]:
    """Add the most that `roundings` float32 roundings of terms summing to `size` in magnitude can do (Higham 2002)."""
    margin = roundings * EPS * size
    return low - margin, high + margin
