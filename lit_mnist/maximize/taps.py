"""The part of a network that an objective needs, as a module that Captum can differentiate."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..inside.capture import select
from ..network import Network, SamePool
from ..spec import Conv, Pool
from .convolutions import OneChannel, OwnMap
from .transformations import Transformation

PRE = ":pre"
_MAP_BY_MAP = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.MaxPool2d, nn.AvgPool2d, SamePool)


class Outputs(nn.Module):
    """Hands its inputs on as a tuple: the one place where Captum's hook takes all tapped values."""

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return values


class Taps(nn.Module):
    """Images (N, C, H, W) in, with each row's target (N,) and transformations' draws; images and named activations out.

    A frozen copy in evaluation mode of the layers up to the deepest name (``NAME`` or ``NAME:pre``), on the
    network's device and type; the network itself is neither hooked nor changed. Channels last, and
    with each max-pool before its activation where that activation is not asked for: the same values
    for less than half of the work. With `own`, of a layer with maps each row's own map alone is worked
    out where that can be done (`narrow` says so): its activations are (N, 1, H, W).
    """

    def __init__(self, network: Network, names: Sequence[str], transformations: Sequence[Transformation] = (),
                 own: bool = False) -> None:
        super().__init__()
        for name in names:
            select(network, [name])
        self.names = tuple(dict.fromkeys(names))
        self.transformations = tuple(transformations)
        steps = list(_until_last(_steps(network, self.names), self.names))
        layers = [copy.deepcopy(module) for module, _ in steps]
        last = _last_convolution(layers) if own and len(self.names) == 1 else None
        self.narrow = last is not None
        if last is not None:
            layers[last] = OwnMap(layers[last])
        self.layers = nn.ModuleList(OneChannel(layer) if OneChannel.fits(layer) else layer for layer in layers)
        self.kept = tuple(name if name in self.names else None for _, name in steps)
        self.outputs = Outputs()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, targets: Tensor | None = None, *draws: Tensor) -> tuple[Tensor, ...]:
        x = images
        for transformation, drawn in zip(self.transformations, draws, strict=True):
            x = transformation(x, drawn)
        found = {}
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, name in zip(self.layers, self.kept, strict=True):
            x = layer(x, targets) if isinstance(layer, OwnMap) else layer(x)
            if name:
                found[name] = x
        return self.outputs(images, *(found[name] for name in self.names))


def _last_convolution(layers: Sequence[nn.Module]) -> int | None:
    """Place of the last convolution if nothing after it mixes maps, and if it can be taken apart into them."""
    for place in reversed(range(len(layers))):
        if isinstance(layers[place], nn.Conv2d):
            return place if OwnMap.fits(layers[place]) else None
        if not all(isinstance(part, (nn.Sequential, *_MAP_BY_MAP)) for part in layers[place].modules()):
            return None
    return None


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
