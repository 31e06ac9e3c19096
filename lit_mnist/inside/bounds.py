"""Interval bounds: the values that a map can take for any image, proved rather than sampled.

Interval bound propagation (Gowal et al. 2018, arXiv:1810.12715): a linear layer maps the box with
centre c and radius r to centre ``W c + b`` and radius ``|W| r``; a monotone layer maps the ends of
the box. Boxes are computed in float64 and widened after every layer by more than float32 can round,
so that the bounds also hold for the network as it runs in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..network import Concatenate, Merge, Network, aligned
from ..runs.model import Model
from ..spec import INPUT
from ..spec import Merge as ArithmeticMerge
from .capture import PRE, PROBABILITIES
from .intervals import merged_bounds, output_bounds, widened


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest values (maps, rows, columns), or (units,), float64, over all allowed
    images.
    """

    low: np.ndarray
    high: np.ndarray

    @property
    def zero(self) -> np.ndarray:
        """Which maps (maps,) are proved to be zero everywhere for any image."""
        exact = (self.low == 0) & (self.high == 0)
        return exact.reshape(len(exact), -1).all(1)


def layer_bounds(model: Model, layers: Sequence[str] | None = None) -> dict[str, Bounds]:
    """Return the bounds of `layers`, as `propagate`, over all images of pixels 0 to 255."""
    shape = model.spec.input_shape
    ends = [
        np.full((1, *shape), end) if shape[2] > 1 else np.full((1, *shape[:2]), end)
        for end in (0.0, 255.0)
    ]
    low, high = (model.tensor(end).double().cpu() for end in ends)
    return propagate(model.network, low, high, layers)


def propagate(
    network: Network, low: Tensor, high: Tensor, layers: Sequence[str] | None = None
) -> dict[str, Bounds]:
    """Return the bounds of layers, in evaluation mode, for inputs from `low` to `high`.

    Both are (1, C, H, W) float64. The result holds every value that `capture` offers; with
    `layers` (``NAME``, ``NAME:pre`` or ``NAME:probabilities``), only those of the layers that they
    need.
    """
    result: dict[str, Bounds] = {}
    needed = network.spec.names
    if layers is not None:
        plan = network.spec.plan(*(layer.partition(":")[0] for layer in layers))
        needed = tuple(step.name for step in plan)
    with torch.no_grad():
        values = {INPUT: _Box(*widened(low, high, torch.maximum(low.abs(), high.abs()), 1))}
        for name in needed:
            box = _merged(network, name, [values[source] for source in network.spec.sources[name]])
            for step, module in _steps(_exact(network.module_of(name))):
                if step == "activation":
                    result[name + PRE] = box.record()
                box = box.through(module)
            values[name], result[name] = box, box.record()
    if network.spec.output not in result:
        return result
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
        """Return the bounds without the batch axis."""
        return Bounds(self.low[0].numpy(), self.high[0].numpy())

    def through(self, module: nn.Module) -> _Box:
        """Return the box of a module's outputs."""
        if isinstance(module, Merge | Concatenate):
            return self  # `_merged` has merged it
        return _Box(*output_bounds(module, self.low, self.high))


def _merged(network: Network, name: str, boxes: list[_Box]) -> _Box:
    """Return the merged box of a layer's inputs, or the box of its only input."""
    module = network.module_of(name)
    if not isinstance(module, Merge | Concatenate):
        return boxes[0]
    lows = [box.low for box in boxes]
    highs = [box.high for box in boxes]
    if isinstance(module, Concatenate):
        return _Box(module(*lows), module(*highs))
    layer = network.spec.layer(name)
    assert isinstance(layer, ArithmeticMerge)
    return _Box(*merged_bounds(layer, aligned(tuple(lows)), aligned(tuple(highs))))


def _exact(layer: nn.Module) -> nn.Module:
    """Return a copy of a layer in float64 and evaluation mode, one layer at a time to save
    memory.
    """
    return copy.deepcopy(layer).eval().double().cpu()


def _steps(layer: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(layer.named_children()) if isinstance(layer, nn.Sequential) else [("", layer)]
