"""Positions of a layer's units in the image: coarse maps on the pixels, and pixels that reach no
output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..spec import INPUT, Layer, LayerInfo, Merge, NetworkSpec, Shape
from ..spec.windows import Number


def place(maps: Tensor, info: LayerInfo, size: Sequence[int], keep_sum: bool = False) -> Tensor:
    """Return maps (N, M, h, w) of layer `info` on the pixels, (N, M, *size), each unit at its
    field's centre.

    Values between centres are interpolated linearly and held beyond the outermost: fading them out
    would give every map the same dome, which any network's maps would then share. Stretching a map
    over the whole image instead would move it: a 3 x 3 map whose fields' centres are pixels 8.5,
    12.5 and 16.5 would be drawn at 4.7, 14 and 23.3. With `keep_sum`, the pixels' parts of each
    unit add up to its value.
    """
    rows, columns = (
        _weights(length, size[axis], info, axis, keep_sum).to(maps)
        for axis, length in enumerate(maps.shape[2:])
    )
    return torch.einsum("nmij,ai,bj->nmab", maps, rows, columns)


def _weights(units: int, pixels: int, info: LayerInfo, axis: int, keep_sum: bool) -> Tensor:
    """Weight of each unit in each pixel along one axis, (pixels, units)."""
    first = info.start[axis] + (info.receptive_field[axis] - 1) / 2
    where = ((torch.arange(pixels, dtype=torch.float64) - first) / info.jump[axis]).clamp(
        0, units - 1
    )
    weights = (1 - (where[:, None] - torch.arange(units, dtype=torch.float64)).abs()).clamp_min(0)
    return weights / weights.sum(0).clamp_min(1e-12) if keep_sum else weights


def reach(spec: NetworkSpec, layer: str | None = None) -> np.ndarray:
    """Return which pixels can influence the output (or `layer`), bool (H, W), by arithmetic alone.

    Windows that do not fit are dropped at the right and bottom: of the default network's 28 rows
    and columns the last two reach nothing.
    """
    target = spec.output if layer is None else layer
    seen = {target: _all(spec[target].output_shape)}
    for step in reversed(spec.plan(target)):
        info = spec[step.name]
        for source, shape in zip(step.inputs, info.input_shapes, strict=True):
            back = _back(spec.layer(step.name), info, shape, seen[step.name])
            seen[source] = tuple(a | b for a, b in zip(back, seen.get(source, back), strict=True))
    return np.outer(*seen[INPUT])


def _back(
    layer: Layer, info: LayerInfo, shape: Shape, seen: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Return which rows and columns of an input of this shape the used outputs depend on."""
    window = layer.window(info.input_shape)
    moved = (
        isinstance(layer, Merge) and shape[:2] != info.output_shape[:2]
    )  # broadcast, or a part of the rows
    if window is None or moved or len(shape) != 3 or layer.mixes_positions(info.input_shape):
        return _all(shape)
    return tuple(
        _axis(used, window.kernel[a], window.stride[a], window.before[a], shape[a])
        for a, used in enumerate(seen)
    )


def _all(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.ones(length, bool) for length in shape[:2]) if len(shape) == 3 else ()


def _axis(
    used: np.ndarray, kernel: Number, stride: Number, before: Number, length: int
) -> np.ndarray:
    """Inputs along one axis that a used output depends on."""
    seen = np.zeros(length, bool)
    for unit in np.flatnonzero(used).tolist():
        start = unit * stride - before
        seen[max(0, math.floor(start)) : max(0, math.ceil(start + kernel))] = True
    return seen
