"""A fault for every layer of `layer_types.NETWORKS`, and the check that must notice it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lit_mnist.comparison.parity.torch_side import TorchSide
from lit_mnist.network import (
    ChannelRescaling,
    GeneralReLU,
    HardSigmoidKeras2,
)

Fault = Callable[[nn.Module], None]  # breaks one layer's module


def _weight(change: Callable[[Tensor], Tensor], path: str = "conv") -> Fault:
    """Change what a kernel is used as, after every loading of weights."""

    def plant(module: nn.Module) -> None:
        inner = module.get_submodule(path)
        plain = inner._conv_forward if isinstance(inner, nn.Conv2d) else inner.forward
        if isinstance(inner, nn.Conv2d):
            inner._conv_forward = (  # type: ignore[method-assign]
                lambda x, weight, bias: plain(x, change(weight), bias)
            )
        else:
            inner.forward = lambda x: nn.functional.conv_transpose2d(
                x,
                change(inner.weight),
                inner.bias,
                inner.stride,
                inner.padding,
                inner.output_padding,
                inner.groups,
                inner.dilation,
            )

    return plant


def _set(**values: Any) -> Fault:
    def plant(module: nn.Module) -> None:
        for key, value in values.items():
            setattr(module, key, value)

    return plant


def _inner(path: str, **values: Any) -> Fault:
    return lambda module: _set(**values)(module.get_submodule(path))


def _shifted(module: nn.Module) -> None:
    """One row further down: the output's padding at the other end."""
    module.register_forward_hook(lambda _, inputs, output: output.roll(1, 2))


def _activation(other: nn.Module) -> Fault:
    return lambda module: module.register_module("activation", other)


def _replaced(forward: Callable[..., Tensor]) -> Fault:
    return lambda module: setattr(module, "forward", forward)


def _always_training(module: nn.Module) -> None:
    for inner in module.modules():
        nn.Module.train(inner, True)
        inner.train = lambda mode=True, inner=inner: nn.Module.train(inner, True)


def _depthwise_order(weight: Tensor) -> Tensor:
    """Read the filters multiplier first, as (multiplier, in) instead of (in, multiplier)."""
    return weight.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1)


def _groups_swapped(weight: Tensor) -> Tensor:
    return weight.unflatten(0, (2, -1)).flip(0).flatten(0, 1)


class _Identity(nn.Module):
    """Forgets its activation."""

    def forward(self, x: Tensor) -> Tensor:
        return x


FAULTS: dict[tuple[str, str], tuple[Fault, str]] = {
    ("kernels", "Dilated"): (_weight(_groups_swapped), "forward"),
    ("kernels", "Depthwise"): (_weight(_depthwise_order), "forward"),
    ("kernels", "Separable"): (
        _weight(lambda weight: weight.transpose(2, 3), "depthwise"),
        "forward",
    ),
    ("kernels", "Transposed"): (_weight(lambda weight: weight.flip(2, 3)), "forward"),
    ("kernels", "TransposedValid"): (_weight(lambda weight: weight.flip(2, 3)), "forward"),
    ("transposed", "TransposedMore"): (_shifted, "forward"),
    ("transposed", "TransposedMost"): (_weight(lambda weight: weight.flip(2, 3)), "forward"),
    ("dilated", "Dilated"): (_weight(lambda weight: weight.flip(2, 3)), "forward"),
    ("dilated", "DilatedValid"): (_shifted, "forward"),
    ("scales", "LayerNorm"): (_set(epsilon=1e-5), "forward"),
    ("scales", "LayerNormAll"): (_set(epsilon=1e-5), "forward"),
    ("scales", "GroupNorm"): (_set(epsilon=1e-5), "forward"),
    ("scales", "Stored"): (_replaced(lambda x: x - 1), "forward"),
    ("scales", "Constant"): (_replaced(lambda x: x), "forward"),
    ("scales", "Inverted"): (_set(invert=False), "forward"),
    ("scales", "PerChannel"): (
        _replaced(ChannelRescaling((1.0, -2.0, 1.5, 0.5), 0.1).double().forward),
        "forward",
    ),
    ("scales", "PReLU"): (_activation(_Identity()), "structure"),
    ("scales", "Activity"): (_set(l1=0.02), "loss"),
    ("scales", "ReLU"): (_activation(GeneralReLU(0.1, 0.0, 1.5)), "forward"),
    ("scales", "BatchNorm"): (_set(epsilon=1e-5), "forward"),
    ("scales", "LayerNormVector"): (_set(epsilon=1e-5), "forward"),
    ("distances", "Distances"): (_replaced(lambda x: x[:, :5].abs()), "forward"),
    ("distances", "Again"): (_replaced(lambda x: x[:, :4].abs()), "forward"),
    ("distances", "Scaled"): (_replaced(lambda x: x - 1), "forward"),
    ("shapes", "ZeroPad"): (_inner("pad", padding=(2, 0, 1, 0)), "forward"),
    ("shapes", "Cropping"): (_inner("crop", sides=((1, 0), (1, 2))), "forward"),
    ("shapes", "Upsampling"): (_inner("upsampling", mode="bilinear"), "forward"),
    ("shapes", "Permute"): (_replaced(lambda x: x.permute(0, 3, 1, 2).flip(3)), "forward"),
    ("shapes", "Reshape"): (
        lambda module: module.register_module(
            "reshape", nn.Sequential(nn.Flatten(), nn.Unflatten(1, (11, 3, 3)))
        ),
        "forward",
    ),
    ("shapes", "Averaged"): (
        lambda module: module.register_module("pool", nn.AdaptiveMaxPool2d(1)),
        "forward",
    ),
    ("shapes", "Largest"): (
        lambda module: module.register_module("pool", nn.AdaptiveAvgPool2d(1)),
        "forward",
    ),
    ("shapes", "Both"): (_replaced(lambda a, b: torch.cat([b, a], 1)), "forward"),
    ("merges", "Add"): (_set(mean=True), "forward"),
    ("merges", "Subtract"): (_replaced(lambda a, b: b - a), "forward"),
    ("merges", "Maximum"): (_set(combine=torch.minimum), "forward"),
    ("merges", "Minimum"): (_set(combine=torch.maximum), "forward"),
    ("merges", "Average"): (_set(mean=False), "forward"),
    ("merges", "Again"): (_replaced(lambda x: x), "forward"),
    ("merges", "PReLUAgain"): (_replaced(lambda x: (x + x.detach()) / 2), "gradient"),
    ("merges", "Multiply"): (_replaced(lambda a, b: a[:, :, None, None] + b), "forward"),
    ("merges", "Concatenate"): (_replaced(lambda a, b, c: torch.cat([b, a, c], 3)), "forward"),
    ("merges", "Image"): (
        lambda module: module.register_module("flatten", nn.Flatten()),
        "forward",
    ),
    ("merges", "Joined"): (
        _replaced(lambda a, b: torch.cat([(a + a.detach()) / 2, b], 1)),
        "gradient",
    ),
    ("activations", "Relu"): (_activation(nn.ReLU6()), "forward"),
    ("activations", "Elu"): (_activation(nn.SELU()), "forward"),
    ("activations", "Leaky_Relu"): (_activation(nn.LeakyReLU(0.01)), "forward"),
    ("activations", "Tanh"): (_activation(nn.Hardtanh()), "forward"),
    ("activations", "Sigmoid"): (_activation(nn.Hardsigmoid()), "forward"),
    ("activations", "Linear"): (_activation(nn.Tanh()), "forward"),
    ("activations", "Relu6"): (_activation(nn.ReLU()), "forward"),
    ("activations", "Selu"): (_activation(nn.ELU()), "forward"),
    ("activations", "Softplus"): (_activation(nn.Softplus(threshold=5.0)), "forward"),
    ("activations", "Softsign"): (_activation(nn.Tanh()), "forward"),
    ("activations", "Exponential"): (_activation(nn.Softplus()), "forward"),
    ("activations", "Hard_Sigmoid"): (_activation(HardSigmoidKeras2()), "forward"),
    ("activations", "Hard_Sigmoid_Keras2"): (_activation(nn.Hardsigmoid()), "forward"),
    ("activations", "Silu"): (_activation(nn.Hardswish()), "forward"),
    ("activations", "Hard_Swish"): (_activation(nn.SiLU()), "forward"),
    ("activations", "Mish"): (_activation(nn.SiLU()), "forward"),
    ("activations", "Softmax"): (_activation(nn.Softmax(2)), "forward"),
    ("gelu", "Gelu"): (_activation(nn.GELU("tanh")), "forward"),
    ("gelu", "Gelu_Tanh"): (_activation(nn.GELU()), "forward"),
    ("bilinear", "Bilinear"): (_inner("upsampling", align_corners=True), "forward"),
} | {
    ("noise", name): (_always_training, "forward")
    for name in (
        "Flip",
        "Rotation",
        "Translation",
        "Zoom",
        "Contrast",
        "Dropout",
        "Noise",
        "GaussianDropout",
        "AlphaDropout",
    )
}


def planted(name: str) -> Callable[[TorchSide], TorchSide]:
    """Return what breaks layer `name` of our side by its fault."""
    (_, fault_name), (fault, _) = next(
        (key, value) for key, value in FAULTS.items() if key[1] == name
    )

    def plant(ours: TorchSide) -> TorchSide:
        fault(getattr(ours.network, fault_name))
        return ours

    return plant
