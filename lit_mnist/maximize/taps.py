"""The part of a network that an objective needs, as a module that Captum can differentiate."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..inside.capture import select
from ..network import Network, SamePool
from ..spec import INPUT, Step
from ..spec.wiring import plan
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

    A frozen copy in evaluation mode of the layers that the names need (``NAME`` or ``NAME:pre``), on the
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
        parts = _Parts(network, self.names)
        self.steps = plan(parts.sources, self.names)
        layers = [copy.deepcopy(parts.modules[step.name]) for step in self.steps]
        last = _last_convolution(layers, self.steps) if own and len(self.names) == 1 else None
        self.narrow = last is not None
        if last is not None and OwnMap.fits(convolution := layers[last]):
            layers[last] = OwnMap(convolution)
        self.layers = nn.ModuleList(OneChannel(layer) if OneChannel.fits(layer) else layer for layer in layers)
        self.outputs = Outputs()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, targets: Tensor | None = None, *draws: Tensor) -> tuple[Tensor, ...]:
        x = images
        for transformation, drawn in zip(self.transformations, draws, strict=True):
            x = transformation(x, drawn)
        values = {INPUT: x.contiguous(memory_format=torch.channels_last)}
        for layer, step in zip(self.layers, self.steps, strict=True):
            inputs = [values[name] for name in step.inputs]
            values[step.name] = layer(*inputs, targets) if isinstance(layer, OwnMap) else layer(*inputs)
            for name in step.last_use_of:
                del values[name]
        return self.outputs(images, *(values[name] for name in self.names))


def _last_convolution(layers: Sequence[nn.Module], steps: Sequence[Step]) -> int | None:
    """Place of the last convolution if nothing after it mixes maps, and if it can be taken apart into them."""
    for place in reversed(range(len(layers))):
        if isinstance(layers[place], nn.Conv2d):
            return place if OwnMap.fits(layers[place]) else None
        if not all(isinstance(part, (nn.Sequential, *_MAP_BY_MAP)) for part in layers[place].modules()):
            return None
        if place and steps[place].inputs != (steps[place - 1].name,):
            return None
    return None


class _Parts:
    """The network's modules one by one, each under the name of what it gives, and what each reads.

    A layer with an activation is two parts at least, the last ones called ``NAME:pre`` and ``NAME``. Where a
    max-pool alone reads a convolution whose own value is not asked for, the activation follows the pool.
    """

    def __init__(self, network: Network, names: tuple[str, ...]) -> None:
        self.modules: dict[str, nn.Module] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self._cut: set[str] = set()  # layers whose activation comes later
        deferred: dict[str, nn.Module] = {}
        for step in network.spec.plan(*dict.fromkeys(name.removesuffix(PRE) for name in names)):
            inputs = tuple(source + PRE if source in self._cut else source for source in step.inputs)
            module, pool = network.module_of(step.name), network.pool_after.get(step.name)
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
    return [*((child, f"{layer}:{name}") for name, child in first), (before, layer + PRE), (activation, layer)]
