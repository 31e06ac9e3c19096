"""Layers that scale values: normalisations and rescaling."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ... import spec as s
from .calls import Call, Code, channels_first, code, number, plain_module


@code.register
def _(layer: s.BatchNorm, call: Call) -> Code:
    kind = "BatchNorm2d" if call.is_image else "BatchNorm1d"
    rate = number(round(1 - layer.momentum, 12))
    arguments = f"{call.shape[-1]}, eps={layer.epsilon}, momentum={rate}"
    name = call.attribute
    scaled = _scaled(call, f"nn.{kind}({arguments}", ("center", "scale"), layer)
    statistics = {
        f"{name}.running_mean": call.key("moving_mean"),
        f"{name}.running_var": call.key("moving_variance"),
    }
    counted = {f"{name}.num_batches_tracked": torch.tensor(0)}
    return Code(
        scaled.steps,
        scaled.definitions,
        scaled.weights | statistics,
        scaled.constants | counted,
    )


@code.register
def _(layer: s.LayerNorm, call: Call) -> Code:
    sizes = tuple(call.shape[axis - 1] for axis in layer.axes(call.shape))
    shape = channels_first(sizes) if len(sizes) == 3 else str(sizes[0])
    shape = f"({shape})" if len(sizes) == 3 else shape
    norm = _scaled(call, f"nn.LayerNorm({shape}, eps={layer.epsilon}", ("center", "scale"), layer)
    if len(sizes) == 3 or not call.is_image:
        return norm
    steps = ("{x}.permute(0, 2, 3, 1)", *norm.steps, "{x}.permute(0, 3, 1, 2)")
    return Code(steps, norm.definitions, norm.weights, norm.constants)


@code.register
def _(layer: s.GroupNorm, call: Call) -> Code:
    channels = call.shape[-1]
    groups = channels if layer.groups == -1 else layer.groups
    start = f"nn.GroupNorm({groups}, {channels}, eps={layer.epsilon}"
    return _scaled(call, start, ("center", "scale"), layer)


def _scaled(
    call: Call,
    start: str,
    flags: tuple[str, str],
    layer: s.BatchNorm | s.LayerNorm | s.GroupNorm,
) -> Code:
    """Return a normalisation; where Keras has only scale or shift, the other is constant in
    torch.
    """
    name = call.attribute
    plain = not (layer.center or layer.scale)
    off = ", elementwise_affine=False" if isinstance(layer, s.LayerNorm) else ", affine=False"
    module = plain_module(call, f"{start}{off if plain else ''})", ("gamma", "beta"))
    if plain:
        return module
    rows = call.spec[call.owner].weights
    shape = rows["gamma" if layer.scale else "beta"]
    first = (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape
    constants: dict[str, Tensor] = {}
    if not layer.scale:
        constants[f"{name}.weight"] = torch.ones(first)
    if not layer.center:
        constants[f"{name}.bias"] = torch.zeros(first)
    return Code(module.steps, module.definitions, module.weights, constants)


@code.register
def _(layer: s.Normalization, call: Call) -> Code:
    mean = f"{call.attribute}_mean"
    deviation = f"{call.attribute}_std"
    formula = (
        f"{{x}} * self.{deviation} + self.{mean}"
        if layer.invert
        else f"({{x}} - self.{mean}) / self.{deviation}"
    )
    own = call.spec[call.owner]
    sizes = layer.weights(call.shape).get("mean", np.shape(layer.mean or 0.0))
    shape = _for_channels(sizes, len(own.input_shape) == 3)
    if layer.mean is None:
        weights = {mean: call.key("mean"), deviation: call.key("variance")}
        constants: dict[str, Tensor] = {}
    else:
        weights = {}
        variance = torch.tensor(layer.variance)
        constants = {mean: torch.tensor(layer.mean), deviation: variance}
    buffers = {
        mean: f"nn.Buffer(torch.zeros({shape}))",
        deviation: f"nn.Buffer(torch.ones({shape}))",
    }
    return Code((formula,), buffers, weights, constants, variances=(deviation,))


@code.register
def _(layer: s.Rescaling, call: Call) -> Code:
    factor, offset = layer.factor, layer.offset
    if not isinstance(factor, tuple) and not isinstance(offset, tuple):
        shift = f" {'-' if offset < 0 else '+'} {number(abs(offset))}" if offset else ""
        return Code((f"{{x}} * {_fraction(factor)}{shift}",))
    texts, definitions, constants = [], {}, {}
    for word, value in (("factor", factor), ("offset", offset)):
        if not isinstance(value, tuple):
            texts.append(number(value))
            continue
        name = f"{call.attribute}_{word}"
        texts.append(f"self.{name}")
        shape = _for_channels((len(value),), call.is_image)
        definitions[name] = f"nn.Buffer(torch.zeros({shape}))"
        constants[name] = torch.tensor(value, dtype=torch.float32)
    return Code((f"{{x}} * {texts[0]} + {texts[1]}",), definitions, {}, constants)


@code.register
def _(layer: s.ActivityRegularization, call: Call) -> Code:
    return Code(note=f"{layer.name} adds to the loss in training and passes values on")


def _for_channels(sizes: s.Shape, is_image: bool) -> str:
    """Return the arguments of ``torch.zeros`` for one number, or for one number a channel."""
    if not sizes:
        return "()"
    return f"{sizes[0]}, 1, 1" if is_image else str(sizes[0])


def _fraction(value: float) -> str:
    whole = round(1 / value) if value else 0
    return f"(1 / {whole})" if whole > 1 and 1 / whole == value else number(value)
