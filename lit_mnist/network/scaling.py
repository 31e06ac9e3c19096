"""Modules that scale and shift: by constants, by learned weights, by statistics."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import spec as s
from .activations import as_float32


class BatchNorm(nn.Module):
    """Batch normalisation by Keras' rule.

    Running statistics move by 1 - momentum, with the biased variance.

    With `trainable` false they are not updated, and training uses them too.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        channels: int,
        momentum: float,
        epsilon: float,
        center: bool,
        scale: bool,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.trainable = trainable
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if center else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...) -> the same
        if self.training and self.trainable:
            axes = (0, 2, 3) if x.dim() == 4 else (0,)
            with torch.no_grad():
                # in float32 at least: under autocast `x` is in half precision
                values = x.to(torch.promote_types(x.dtype, torch.float32))
                variance, mean = torch.var_mean(values, axes, correction=0)
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), 1 - self.momentum)
                self.running_var.lerp_(variance.to(self.running_var.dtype), 1 - self.momentum)
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.epsilon)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.epsilon
        )


class LayerNorm(nn.Module):
    """Normalises each image by itself: over the channels of each position, or over all values."""

    def __init__(self, shape: tuple[int, ...], epsilon: float, center: bool, scale: bool) -> None:
        super().__init__()
        self.shape = shape
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(shape)) if scale else None
        self.bias = nn.Parameter(torch.zeros(shape)) if center else None

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (N, C, H, W), `shape` (C,) or (C, H, W); or (N, units)
        if x.dim() == 4 and len(self.shape) == 1:
            last = F.layer_norm(
                x.permute(0, 2, 3, 1), self.shape, self.weight, self.bias, self.epsilon
            )
            return last.permute(0, 3, 1, 2)
        return F.layer_norm(x, self.shape, self.weight, self.bias, self.epsilon)


class GroupNorm(nn.Module):
    """Each image normalised by itself, over all positions of each group of channels."""

    def __init__(
        self, channels: int, groups: int, epsilon: float, center: bool, scale: bool
    ) -> None:
        super().__init__()
        self.groups = channels if groups == -1 else groups
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if center else None

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...) -> the same
        return F.group_norm(x, self.groups, self.weight, self.bias, self.epsilon)


class Normalization(nn.Module):
    """``(x - mean) / max(sqrt(variance), 1e-7)`` by stored statistics, or back."""

    mean: Tensor
    variance: Tensor

    def __init__(self, layer: s.Normalization, shape: s.Shape) -> None:
        super().__init__()
        self.invert = layer.invert
        mean, variance = (
            (torch.zeros(shape), torch.ones(shape))
            if layer.mean is None
            else (torch.tensor(layer.mean), torch.tensor(layer.variance))
        )
        self.register_buffer("mean", mean, persistent=layer.mean is None)
        self.register_buffer("variance", variance, persistent=layer.mean is None)
        if layer.mean is None:  # Keras' count of the images that the statistics come from
            self.register_buffer("count", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...) -> the same
        deviation = self.variance.sqrt().clamp_min(as_float32(1e-7))
        mean, deviation = (by_channel(values, x) for values in (self.mean, deviation))
        return x * deviation + mean if self.invert else (x - mean) / deviation


class Rescaling(nn.Module):
    """``x * factor + offset`` with one factor and one offset for all values, rounded to float32."""

    def __init__(self, factor: float, offset: float) -> None:
        super().__init__()
        self.factor = as_float32(factor)
        self.offset = as_float32(offset)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.offset


class ChannelRescaling(nn.Module):
    """``x * factor + offset`` with constants for each channel."""

    factor: Tensor
    offset: Tensor

    def __init__(
        self, factor: float | tuple[float, ...], offset: float | tuple[float, ...]
    ) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float32), persistent=False)
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...) -> the same
        return x * by_channel(self.factor, x) + by_channel(self.offset, x)


class ActivityRegularization(nn.Module):
    """Passes values on and keeps ``l1 sum(|x|) + l2 sum(x^2)`` as `penalty`.

    It is a mean over the images of the last pass.
    """

    def __init__(self, l1: float, l2: float) -> None:
        super().__init__()
        self.l1 = as_float32(l1)
        self.l2 = as_float32(l2)
        self.penalty = torch.zeros(())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the last pass, whose autograd graph can be neither copied nor saved."""
        return self.__dict__ | {"penalty": torch.zeros(())}

    def forward(self, x: Tensor) -> Tensor:
        self.penalty = (self.l1 * x.abs().sum() + self.l2 * x.square().sum()) / len(x)
        return x


def by_channel(values: Tensor, x: Tensor) -> Tensor:
    """Return one number, or one for each channel (C,), shaped to meet `x` (N, C, ...)."""
    return values if values.dim() == 0 else values.view(1, -1, *[1] * (x.dim() - 2))
