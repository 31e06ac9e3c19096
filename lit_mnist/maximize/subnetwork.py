"""The part of a network that an objective needs, as a module that Captum can differentiate.

Its convolutions compute the same numbers as torch's; their gradients with respect to images need
less work.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeGuard, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inside.capture import PRE, select
from ..inside.passes import as_array, batch_size, by_map
from ..network import Network, SamePool
from ..spec import INPUT, Step
from ..spec.wiring import plan
from .rows import CHUNK
from .transformations import Transformation


class _OneChannel(torch.autograd.Function):
    """A convolution of one channel, unpadded, with stride 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.size = x.shape[2:]
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        filters = weight.shape[0]
        by_position = gradients[0].permute(0, 2, 3, 1).flatten(1, 2)  # (N, positions, filters)
        patches = weight.reshape(filters, -1).T @ by_position.transpose(1, 2)
        return F.fold(patches, ctx.size, weight.shape[2:]), None, None


class OneChannel(nn.Module):
    """A convolution of one channel: (N, 1, H, W) -> (N, filters, H', W').

    Its gradient is a matrix product and a fold, which on a CPU takes half the time of oneDNN's.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return _OneChannel.apply(x, self.conv.weight, self.conv.bias)

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Whether `module` is such a convolution."""
        return (
            isinstance(module, nn.Conv2d)
            and module.in_channels == 1
            and module.padding == (0, 0)
            and module.stride == (1, 1)
            and module.dilation == (1, 1)
        )


class OwnMap(nn.Module):
    """A convolution that computes only each row's own map: (N, C, H, W), maps (N,) -> (N, 1, H',
    W').

    The row's kernel is multiplied with every position, and the products are summed by a fold: the
    work of one map instead of all.
    """

    turned: Tensor  # (maps, C, kernel)

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.register_buffer("turned", conv.weight.detach().flip(2, 3).flatten(2))

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        conv = self.conv
        height, width = x.shape[2:]
        padding = cast(tuple[int, int], conv.padding)  # `fits` has checked that
        products = x.permute(0, 2, 3, 1).flatten(1, 2) @ self.turned[maps]  # (N, positions, kernel)
        reach = [
            gap * (size - 1) for gap, size in zip(conv.dilation, conv.kernel_size, strict=True)
        ]
        patches = products.transpose(1, 2).flatten(0, 1)[
            None
        ]  # over rows as channels fold makes no loop
        whole = F.fold(
            patches,
            (height + reach[0], width + reach[1]),
            conv.kernel_size,
            conv.dilation,
        ).transpose(0, 1)
        rows, columns = (
            slice(far - pad, size + pad, step)
            for far, pad, size, step in zip(
                reach, padding, (height, width), conv.stride, strict=True
            )
        )
        outputs = whole[:, :, rows, columns]
        return outputs if conv.bias is None else outputs + conv.bias[maps].view(-1, 1, 1, 1)

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Return whether `module` is a convolution that can be computed map by map."""
        return (
            isinstance(module, nn.Conv2d)
            and module.groups == 1
            and module.padding_mode == "zeros"
            and isinstance(module.padding, tuple)
            and all(
                pad <= gap * (size - 1)
                for pad, gap, size in zip(
                    module.padding, module.dilation, module.kernel_size, strict=True
                )
            )
        )


_MAP_BY_MAP = (
    nn.ReLU,
    nn.ELU,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Identity,
    nn.MaxPool2d,
    nn.AvgPool2d,
    SamePool,
)


class Outputs(nn.Module):
    """Returns its inputs as a tuple: the one module where Captum's hook sees all captured
    values.
    """

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return values


class Subnetwork(nn.Module):
    """Maps images (N, C, H, W), targets (N,) and draws of transformations to images and named
    activations.

    It is a frozen copy, in evaluation mode, of the layers that the names need (``NAME`` or
    ``NAME:pre``), on the network's device and in its type; the network itself is neither hooked nor
    changed. It is channels last, and applies each max-pool before its activation where nothing
    reads that activation: the same values for less than half the work. With `own`, only each row's
    own map of a layer is computed where that is possible (`narrow`): its activations are (N, 1, H,
    W).
    """

    def __init__(
        self,
        network: Network,
        names: Sequence[str],
        transformations: Sequence[Transformation] = (),
        own: bool = False,
    ) -> None:
        super().__init__()
        for name in names:
            select(network, [name])
        self.names = tuple(dict.fromkeys(names))
        self.transformations = tuple(transformations)
        parts = _Parts(network, self.names)
        self.steps = plan(parts.sources, self.names)
        layers = [copy.deepcopy(parts.modules[step.name]) for step in self.steps]
        last = _last_convolution(layers, self.steps) if own and len(self.names) == 1 else None
        self.narrow = last is not None
        if last is not None and OwnMap.fits(convolution := layers[last]):
            layers[last] = OwnMap(convolution)
        self.layers = nn.ModuleList(
            OneChannel(layer) if OneChannel.fits(layer) else layer for layer in layers
        )
        self.outputs = Outputs()
        self.rows = batch_size(network.spec, 2 * CHUNK)  # as much memory as with gradients
        self.eval().requires_grad_(False)

    def forward(
        self, images: Tensor, targets: Tensor | None = None, *draws: Tensor
    ) -> tuple[Tensor, ...]:
        x = images
        for transformation, drawn in zip(self.transformations, draws, strict=True):
            x = transformation(x, drawn)
        values = {INPUT: x.contiguous(memory_format=torch.channels_last)}
        for layer, step in zip(self.layers, self.steps, strict=True):
            inputs = [values[name] for name in step.inputs]
            values[step.name] = (
                layer(*inputs, targets) if isinstance(layer, OwnMap) else layer(*inputs)
            )
            for name in step.last_use_of:
                del values[name]
        return self.outputs(images, *(values[name] for name in self.names))

    @torch.no_grad()
    def activations(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Return the first name's mean activation of each map, or the value of each unit,
        (N, targets).

        As many of the images (N, C, H, W) are computed at a time as fit the memory.
        """
        like = next(self.parameters(), torch.zeros(()))
        parts = torch.as_tensor(images).split(self.rows)
        return np.concatenate([as_array(by_map(self(part.to(like))[1]).mean(2)) for part in parts])


def _last_convolution(layers: Sequence[nn.Module], steps: Sequence[Step]) -> int | None:
    """Return the index of the last convolution if no later layer mixes maps, and if it can be split
    into maps.
    """
    for place in reversed(range(len(layers))):
        if isinstance(layers[place], nn.Conv2d):
            return place if OwnMap.fits(layers[place]) else None
        if not all(
            isinstance(part, (nn.Sequential, *_MAP_BY_MAP)) for part in layers[place].modules()
        ):
            return None
        if place and steps[place].inputs != (steps[place - 1].name,):
            return None
    return None


class _Parts:
    """The network's modules in order, each with the name of its output and its inputs.

    A layer with an activation becomes at least two parts, of which the last ones are ``NAME:pre``
    and ``NAME``. If only a max-pool reads a convolution whose value is not needed, the activation
    follows the pool.
    """

    def __init__(self, network: Network, names: tuple[str, ...]) -> None:
        self.modules: dict[str, nn.Module] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self._cut: set[str] = set()  # layers whose activation comes later
        deferred: dict[str, nn.Module] = {}
        for step in network.spec.plan(*dict.fromkeys(name.removesuffix(PRE) for name in names)):
            inputs = tuple(
                source + PRE if source in self._cut else source for source in step.inputs
            )
            module = network.module_of(step.name)
            pool = network.pool_after.get(step.name)
            parts = _parts(module, step.name)
            if pool is not None and step.name not in names and len(parts) > 1:
                deferred[pool] = parts.pop()[0]
                self._cut.add(step.name)
            elif step.name in deferred:
                parts = [(module, f"{step.name}:whole"), (deferred.pop(step.name), step.name)]
            self._add(parts, inputs)

    def _add(self, parts: Sequence[tuple[nn.Module, str]], inputs: tuple[str, ...]) -> None:
        for module, name in parts:
            self.modules[name], self.sources[name] = module, inputs
            inputs = (name,)


def _parts(module: nn.Module, layer: str) -> list[tuple[nn.Module, str]]:
    children = list(module.named_children())
    if not (isinstance(module, nn.Sequential) and hasattr(module, "activation")):
        return [(module, layer)]
    *first, (_, activation) = children
    _, before = first.pop() if first else ("", nn.Identity())
    return [
        *((child, f"{layer}:{name}") for name, child in first),
        (before, layer + PRE),
        (activation, layer),
    ]
