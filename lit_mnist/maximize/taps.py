"""The part of a network that an objective needs, as a module that Captum can differentiate."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inside.capture import select
from ..network import Network
from ..spec import Conv, Pool
from .transformations import Transformation

PRE = ":pre"


class Outputs(nn.Module):
    """Hands its inputs on as a tuple: the one place where Captum's hook takes all tapped values."""

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return values


class _OneChannel(torch.autograd.Function):
    """A convolution of one channel, unpadded, with stride 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.size = x.shape[2:]
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        filters = weight.shape[0]
        by_place = gradient.permute(0, 2, 3, 1).flatten(1, 2)  # (N, places, filters)
        patches = weight.reshape(filters, -1).T @ by_place.transpose(1, 2)
        return F.fold(patches, ctx.size, weight.shape[2:]), None, None


class OneChannel(nn.Module):
    """The same as a convolution of one channel, for gradients with respect to images alone.

    They are a matrix product and a fold, which on a CPU takes half of the time of oneDNN's way.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:  # (N, 1, H, W) -> (N, filters, H', W')
        return _OneChannel.apply(x, self.conv.weight, self.conv.bias)

    @classmethod
    def of(cls, module: nn.Module) -> nn.Module:
        """Return `module`, wrapped where it is such a convolution."""
        plain = isinstance(module, nn.Conv2d) and module.in_channels == 1 and module.padding == (0, 0) \
            and module.stride == (1, 1) and module.dilation == (1, 1)
        return cls(module) if plain else module


class Taps(nn.Module):
    """Images (N, C, H, W), and each transformation's draws, in; the images and the named activations out.

    A frozen copy in evaluation mode of the layers up to the deepest name (``NAME`` or ``NAME:pre``), on the
    network's device and type; the network itself is neither hooked nor changed. Channels last, and
    with each max-pool before its activation where that activation is not asked for: the same values
    for less than half of the work.
    """

    def __init__(self, network: Network, names: Sequence[str], transformations: Sequence[Transformation] = ()) -> None:
        super().__init__()
        for name in names:
            select(network, [name])
        self.names = tuple(dict.fromkeys(names))
        self.transformations = tuple(transformations)
        steps = list(_until_last(_steps(network, self.names), self.names))
        self.layers = nn.ModuleList(OneChannel.of(copy.deepcopy(module)) for module, _ in steps)
        self.kept = tuple(name if name in self.names else None for _, name in steps)
        self.outputs = Outputs()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, *draws: Tensor) -> tuple[Tensor, ...]:
        x = images
        for transformation, drawn in zip(self.transformations, draws, strict=True):
            x = transformation(x, drawn)
        found = {}
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, name in zip(self.layers, self.kept, strict=True):
            x = layer(x)
            if name:
                found[name] = x
        return self.outputs(images, *(found[name] for name in self.names))


def _until_last(steps: Iterator[tuple[nn.Module, str]], names: tuple[str, ...]) -> Iterator[tuple[nn.Module, str]]:
    left = set(names)
    for module, name in steps:
        if not left:
            return
        yield module, name
        left.discard(name)


def _steps(network: Network, names: tuple[str, ...]) -> Iterator[tuple[nn.Module, str]]:
    """Modules in order, each with the name of what it gives; empty names for steps in between."""
    late: list[tuple[nn.Module, str]] = []
    layers = network.spec.layers
    for layer, following in zip(layers, (*layers[1:], None), strict=True):
        *before, last = _parts(network, layer.name)
        yield from before
        pooled = isinstance(layer, Conv) and isinstance(following, Pool) and following.kind == "max"
        if pooled and layer.name not in names and before:
            late = [last]
        elif late:  # this is the pool: its layer's name belongs after the activation
            yield last[0], ""
            yield late.pop()[0], layer.name
        else:
            yield last


def _parts(network: Network, layer: str) -> list[tuple[nn.Module, str]]:
    module = getattr(network, layer)
    children = list(module.children())
    if not (isinstance(module, nn.Sequential) and hasattr(module, "activation") and len(children) > 1):
        return [(module, layer)]
    *before, activation = children
    return [*((child, "") for child in before[:-1]), (before[-1], layer + PRE), (activation, layer)]
