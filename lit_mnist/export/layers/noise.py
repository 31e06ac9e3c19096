"""Layers that act in training only: dropout, noise, and types that torch has no equivalent for."""

from __future__ import annotations

import math

from ... import spec as s
from .calls import Call, Code, code, number


@code.register
def _(layer: s.Dropout, call: Call) -> Code:
    function = "F.dropout2d" if layer.spatial else "F.dropout"
    return Code((f"{function}({{x}}, {layer.rate}, self.training)",))


@code.register
def _(layer: s.AlphaDropout, call: Call) -> Code:
    return Code((f"F.alpha_dropout({{x}}, {layer.rate}, self.training)",))


@code.register
def _(layer: s.GaussianNoise, call: Call) -> Code:
    return Code(training=f"{{x}} + {layer.stddev} * torch.randn_like({{x}})")


@code.register
def _(layer: s.GaussianDropout, call: Call) -> Code:
    deviation = number(math.sqrt(layer.rate / (1 - layer.rate)))
    return Code(training=f"{{x}} * (1 + {deviation} * torch.randn_like({{x}}))")


@code.register
def _(layer: s.Stochastic, call: Call) -> Code:
    return Code(note=f"{layer.name} ({layer.type}) changes values in training only")
