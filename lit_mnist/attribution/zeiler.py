"""The deconvolution of Zeiler & Fergus (2013, arXiv:1311.2901), step by step, without gradients.

A value of a layer is projected back to the pixels: max-pools return it to the position of the
maximum (the switches), activations pass positive values, convolutions are applied transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network import BatchNorm, Network, Rescaling, Reshape, SamePool
from .method import flat_modules, pair, require_chain, require_relu
from .targets import AttributionError, checked_images


@dataclass(frozen=True)
class Projection:
    """One map's strongest activations (or those at one position), projected back to the pixels.

    `pixels` are (N, C, H, W), `values` (N,) the projected activations, and `positions` (N, 2) their
    row and column (0, 0 for units of a vector).
    """

    layer: str
    map: int
    pixels: Tensor
    values: Tensor
    positions: Tensor


def project_map(
    network: Network, images: Tensor, layer: str, map: int, position: tuple[int, int] | None = None
) -> Projection:
    """Keep only one activation of `map` in `layer`, the strongest or that at `position`, and
    project it.

    Raises AttributionError for a map or position that does not exist, and for networks without
    ReLUs.
    """
    images = checked_images(network, images)
    require_chain(network, "deconvolution", layer)
    shape = network.spec[layer].output_shape
    if not 0 <= map < shape[-1]:
        raise AttributionError(f"layer {layer!r}: no map {map}; accepted: 0 to {shape[-1] - 1}")
    with torch.no_grad():
        activations = _forward(network, images, layer)[-1][1]
    flat = activations[:, map].reshape(len(images), -1)
    width = shape[1] if len(shape) == 3 else 1
    index = (
        flat.argmax(1)
        if position is None
        else torch.full_like(flat[:, 0], _flat(position, shape, layer), dtype=torch.long)
    )
    kept = torch.zeros_like(flat).scatter(1, index[:, None], flat.gather(1, index[:, None]))
    seed = torch.zeros_like(activations)
    seed[:, map] = kept.reshape(activations[:, map].shape)
    values = flat.gather(1, index[:, None])[:, 0]
    return Projection(
        layer,
        map,
        project(network, images, layer, seed),
        values,
        torch.stack([index // width, index % width], 1),
    )


def _flat(position: tuple[int, int], shape: tuple[int, ...], layer: str) -> int:
    if len(shape) != 3 or not (0 <= position[0] < shape[0] and 0 <= position[1] < shape[1]):
        raise AttributionError(f"layer {layer!r}: no position {position}; its output is {shape}")
    return position[0] * shape[1] + position[1]


@torch.no_grad()
def project(network: Network, images: Tensor, layer: str, seed: Tensor) -> Tensor:
    """Project `seed`, with the shape of `layer`'s output for `images`, back to the pixels (N, C, H,
    W).

    The activation of the layer itself does not rectify the seed: from one-hot logits at the last
    layer, the result equals Captum's `Deconvolution`.
    """
    images = checked_images(network, images)
    require_chain(network, "deconvolution", layer)
    require_relu(network, "deconvolution", layer)
    steps = _forward(network, images, layer)
    if seed.shape != steps[-1][1].shape:
        raise AttributionError(
            f"seed of shape {tuple(seed.shape)}; accepted for {layer!r}: "
            f"{tuple(steps[-1][1].shape)}"
        )
    if isinstance(steps[-1][0], nn.ReLU):
        steps.pop()
    back = seed.to(images)
    inputs = [images, *(output for _, output in steps)]
    for (module, _), before in reversed(list(zip(steps, inputs, strict=False))):
        back = _backward(module, before, back)
    return back


def _forward(network: Network, images: Tensor, layer: str) -> list[tuple[nn.Module, Tensor]]:
    steps = []
    x = images
    for _, module in flat_modules(network, layer):
        x = module(x)
        steps.append((module, x))
    return steps


def _backward(module: nn.Module, x: Tensor, back: Tensor) -> Tensor:
    """Return the projection of `back`, given at the output of `module`, to its input, which was
    `x`.
    """
    match module:
        case nn.ReLU():
            return back.clamp_min(0)
        case nn.Identity() | nn.Dropout() | nn.Dropout2d():
            return back
        case nn.Conv2d():
            return _transposed(module, x, back)
        case nn.Linear():
            return back @ module.weight
        case nn.MaxPool2d():
            return _unpool(x, back, pair(module.kernel_size), pair(module.stride))
        case nn.AvgPool2d():
            return _spread(x, back, pair(module.kernel_size), pair(module.stride))
        case SamePool():
            return _same_unpool(module, x, back)
        case nn.AdaptiveMaxPool2d():
            return _unpool(x, back, pair(x.shape[2:]), pair(x.shape[2:]))
        case nn.AdaptiveAvgPool2d():
            return back.expand_as(x) / (x.shape[2] * x.shape[3])
        case nn.ZeroPad2d():
            left, right, top, bottom = module.padding
            return back[:, :, top : back.shape[2] - bottom, left : back.shape[3] - right]
        case nn.Flatten():
            return back.reshape(x.shape)
        case Reshape():
            return module.undo(back).reshape(x.shape)
        case Rescaling():
            return back * module.factor
        case BatchNorm():
            slope = (module.running_var + module.epsilon).rsqrt() * (
                1 if module.weight is None else module.weight
            )
            return back * slope.reshape(1, -1, *[1] * (x.dim() - 2))
    raise AttributionError(f"deconvolution: no way back through a {type(module).__name__}")


def _transposed(conv: nn.Conv2d, x: Tensor, back: Tensor) -> Tensor:
    """Apply the filters transposed; rows and columns that a stride left over get zeros."""
    padding = cast(tuple[int, int], conv.padding)  # never the words that torch also accepts
    extra = [
        size - ((out - 1) * s - 2 * p + k)
        for size, out, s, p, k in zip(
            x.shape[2:], back.shape[2:], conv.stride, padding, conv.kernel_size, strict=True
        )
    ]
    return F.conv_transpose2d(back, conv.weight, None, conv.stride, padding, extra)


def _unpool(x: Tensor, back: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Return each value to the position of its window's maximum; values of overlapping windows add
    up.
    """
    _, switches = F.max_pool2d(x, size, stride, return_indices=True)
    flat = torch.zeros_like(x).flatten(2)
    return flat.scatter_add(2, switches.flatten(2), back.flatten(2)).view_as(x)


def _spread(x: Tensor, back: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Give equal parts of a value to all positions of its window."""
    rows, columns = size
    channels = x.shape[1]
    fraction = back.new_full((channels, 1, rows, columns), 1 / (rows * columns))
    spread = F.conv_transpose2d(back, fraction, stride=stride, groups=channels)
    return F.pad(spread, (0, x.shape[3] - spread.shape[3], 0, x.shape[2] - spread.shape[2]))


def _same_unpool(pool: SamePool, x: Tensor, back: Tensor) -> Tensor:
    """As for plain pools, on the padded image, whose padding is then removed."""
    left, right, top, bottom = pool.padding
    if pool.kind == "max":
        wide = _unpool(F.pad(x, pool.padding, value=-torch.inf), back, pool.size, pool.stride)
    else:
        padded = F.pad(x, pool.padding)
        counted = F.avg_pool2d(
            F.pad(torch.ones_like(x[:1, :1]), pool.padding), pool.size, pool.stride
        )
        wide = _spread(padded, back / counted, pool.size, pool.stride)
    return wide[:, :, top : wide.shape[2] - bottom, left : wide.shape[3] - right]
