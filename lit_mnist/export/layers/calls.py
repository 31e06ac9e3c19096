"""A call of a layer, the code that it becomes, and the forms that several layer types share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
from torch import Tensor

from ... import spec as s
from ...spec.weights import torch_name

SAME = "Keras' 'same' padding: the odd row or column comes after the image"


@dataclass(frozen=True)
class Call:
    """One call of a layer: its shapes, and the attribute of the module that holds its weights.

    `owner` is the layer that owns the weights (another one where they are shared), and `attribute`
    its name as a Python attribute. `pads_itself` is false where calls on images of several sizes
    share one module: its padding is then written before each call.
    """

    spec: s.NetworkSpec
    info: s.LayerInfo
    owner: str
    attribute: str
    pads_itself: bool = True

    @property
    def shape(self) -> s.Shape:
        """Shape of the (first) input."""
        return self.info.input_shape

    @property
    def is_image(self) -> bool:
        """Whether the (first) input is an image."""
        return len(self.shape) == 3

    def key(self, weight: str) -> str:
        """Return the key of a weight in `Network.state_dict`."""
        return torch_name(self.spec, f"{self.owner}/{weight}")


@dataclass(frozen=True)
class Code:
    """The code that a layer becomes.

    `steps` are expressions of ``{x}``, applied in order; ``name := expression`` leaves ``{x}`` as
    it is. `definitions` maps attributes to constructors. `weights` maps keys of the exported file
    to keys of `Network.state_dict`; `constants` holds tensors that the state dict lacks. `note` is
    a comment above the steps; `training` is an expression of ``{x}`` for training only. The keys in
    `variances` are stored as standard deviations.
    """

    steps: tuple[str, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    note: str | None = None
    training: str | None = None
    variances: tuple[str, ...] = ()


@singledispatch
def code(layer: s.Layer, call: Call) -> Code:
    """Return the code of a layer at its call."""
    raise TypeError(f"no PyTorch code for a {type(layer).__name__} layer")


def plain_module(
    call: Call,
    constructor: str,
    weights: Sequence[str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    note: str | None = None,
) -> Code:
    """Return a layer that is one module of torch; `weights` become its ``weight`` and ``bias``."""
    name = call.attribute
    shapes = call.spec[call.owner].weights
    keys = {
        f"{name}.{plain}": call.key(weight)
        for weight, plain in zip(weights, ("weight", "bias"), strict=True)
        if weight in shapes
    }
    return Code((*before, f"self.{name}({{x}})", *after), {name: constructor}, keys, note=note)


def pad_step(sides: tuple[tuple[int, int], ...], value: str = "") -> str:
    """Return the step that pads rows and columns; `value` is ``F.pad``'s last argument, if any."""
    (top, bottom), (left, right) = sides
    return f"F.pad({{x}}, ({left}, {right}, {top}, {bottom}){value})"


def pair(values: tuple[int, ...]) -> str:
    """Return ``3`` for (3, 3), ``(3, 2)`` for (3, 2)."""
    return str(values[0]) if values[0] == values[1] else str(values)


def channels_first(sizes: s.Shape) -> str:
    """Return a shape as text in PyTorch's order, ``3, 28, 28`` for (28, 28, 3)."""
    order = (sizes[2], sizes[0], sizes[1]) if len(sizes) == 3 else sizes
    return ", ".join(map(str, order))


def number(value: float) -> str:
    """Return the shortest text of a float32, such as 0.001, 1e-07 or 0.3."""
    short = repr(float(str(np.float32(value))))
    return short if float(np.float32(short)) == float(np.float32(value)) else repr(float(value))
