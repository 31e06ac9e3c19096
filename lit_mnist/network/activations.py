"""Activations as modules: one per use and never in place, as hooks and attribution require."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import spec as s


class ActivationModule(nn.Module):
    """An activation module of this project, as opposed to torch's."""


def activation(layer: s.Activated | s.Activation, is_answer: bool) -> nn.Module:
    """Return a layer's activation.

    Softmax and sigmoid of the network's output are left to the loss.
    """
    match layer.activation:
        case "elu":
            return nn.ELU(1.0 if layer.alpha is None else layer.alpha)
        case "leaky_relu":
            return nn.LeakyReLU(as_float32(0.3 if layer.alpha is None else layer.alpha))
        case "softmax" | "sigmoid" if is_answer:
            return nn.Identity()
    return _PLAIN[layer.activation]()


def as_float32(value: float) -> float:
    """Round to float32, as Keras' TensorFlow backend does with Python floats, in float64 mode too.

    Without a tensor, which a step captured in a CUDA graph could not read.
    """
    return float(np.float32(value))


class Exponential(ActivationModule):
    """``exp(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


class HardSigmoid(ActivationModule):
    """``(x + 3) / 6`` between 0 and 1; torch's own rounds its slope to float32 in float64 too."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3.0) / 6.0


class HardSigmoidKeras2(ActivationModule):
    """``0.2 x + 0.5`` between 0 and 1: the definition of Keras before release 3."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 0.2 + 0.5).clamp(0.0, 1.0)


class GeneralReLU(ActivationModule):
    """``min(x, maximum)`` above `threshold`, ``slope * (x - threshold)`` below."""

    def __init__(self, slope: float, threshold: float, maximum: float | None) -> None:
        super().__init__()
        self.slope = slope
        self.threshold = threshold
        self.maximum = None if maximum is None else as_float32(maximum)

    def forward(self, x: Tensor) -> Tensor:
        above = torch.where(x > as_float32(self.threshold), x, torch.zeros_like(x)).clamp(
            0.0, self.maximum
        )
        return above - self.slope * F.relu(self.threshold - x) if self.slope else above


class PReLU(ActivationModule):
    """``x`` above zero and ``alpha * x`` below, with a learned slope per value (1 where shared)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) - self.alpha * F.relu(-x)


def general_relu(layer: s.ReLU) -> nn.Module:
    """Return the plainest module for these settings."""
    if layer.threshold == 0 and layer.maximum is None:
        return nn.LeakyReLU(as_float32(layer.slope)) if layer.slope else nn.ReLU(inplace=False)
    if layer.threshold == 0 and layer.maximum == 6 and layer.slope == 0:
        return nn.ReLU6()
    return GeneralReLU(layer.slope, layer.threshold, layer.maximum)


_PLAIN: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(1),
    "softplus": lambda: nn.Softplus(threshold=40.0),  # torch's 20 is off by 2e-9 of float64
    "softsign": nn.Softsign,
    "exponential": Exponential,
    "hard_sigmoid": HardSigmoid,
    "hard_sigmoid_keras2": HardSigmoidKeras2,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
    "mish": nn.Mish,
}
