"""Deliberate faults: each takes our side and returns it broken in one way that has been seen in the
wild.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_mnist.comparison.parity.torch_side import TorchSide
from lit_mnist.network import Network
from lit_mnist.training import optimizers
from lit_mnist.training.losses import data_loss, penalty
from lit_mnist.training.schedules import Constant, Schedule, learning_rates

Fault = Callable[[TorchSide], TorchSide]
FAULTS: dict[str, tuple[Fault, str]] = {}  # what is wrong -> (how, the check that must notice)


def fault(what: str, noticed_by: str) -> Callable[[Fault], Fault]:
    def register(function: Fault) -> Fault:
        FAULTS[what] = (function, noticed_by)
        return function

    return register


def _step(ours: TorchSide, **parts: object) -> TorchSide:
    """Replace parts of the step that training makes."""
    return replace(ours, step=replace(ours.step, **parts))


# ---- optimiser


def _optimizer(
    ours: TorchSide, make: Callable[..., torch.optim.Optimizer], **settings: float
) -> TorchSide:
    return _step(ours, optimizer=make(ours.network.parameters(), **settings))


class TorchRule(optimizers.RMSprop):
    """torch.optim.RMSprop's rule: epsilon outside the root, learning rate outside the buffer."""

    def _update(self, group: dict, params: list[Tensor], grads: list[Tensor]) -> None:
        for p, g in zip(params, grads, strict=True):
            v, m = self.slots([p], "velocity")[0], self.slots([p], "momentum")[0]
            v.mul_(group["rho"]).addcmul_(g, g, value=1 - group["rho"])
            m.mul_(group["momentum"]).addcdiv_(g, v.sqrt().add_(group["epsilon"]))
            p.sub_(m * group["lr"])


@fault("torch's own RMSprop", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, TorchRule, momentum=0.8)


@fault("epsilon 1e-8", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, optimizers.RMSprop, momentum=0.8, epsilon=1e-8)


@fault("rho 0.99", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, optimizers.RMSprop, momentum=0.8, rho=0.99)


@fault("momentum 0.9", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, optimizers.RMSprop, momentum=0.9)


@fault("centered", "slots")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, optimizers.RMSprop, momentum=0.8, centered=True)


class RateOutsideBuffer(optimizers.RMSprop):
    """``m = momentum m + g / sqrt(v + epsilon); w -= lr m``: the same while the rate stays the
    same.
    """

    def _update(self, group: dict, params: list[Tensor], grads: list[Tensor]) -> None:
        for p, g in zip(params, grads, strict=True):
            v, m = self.slots([p], "velocity")[0], self.slots([p], "momentum")[0]
            v.mul_(group["rho"]).add_(g * g * (1 - group["rho"]))
            m.mul_(group["momentum"]).add_(g / (v + group["epsilon"]).sqrt())
            p.sub_(m * group["lr"])


@fault("learning rate outside the buffer", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, RateOutsideBuffer, momentum=0.8)


class VelocityFromOnes(optimizers.RMSprop):
    """TensorFlow 1's habit."""

    def slots(self, params: list[Tensor], name: str) -> list[Tensor]:
        for p in params:
            if name == "velocity" and name not in self.state[p]:
                self.state[p][name] = torch.ones_like(p)
        return super().slots(params, name)


@fault("velocity starting at ones", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, VelocityFromOnes, momentum=0.8)


@fault("plain SGD", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _optimizer(ours, optimizers.SGD, momentum=0.8)


# ---- schedule


def _table(ours: TorchSide, table: Callable[[Schedule, int], list[float]]) -> TorchSide:
    return replace(ours, table=table)


@fault("schedule off by one", "schedule")
def _(ours: TorchSide) -> TorchSide:
    return _table(ours, lambda schedule, steps: learning_rates(schedule, steps + 1)[1:])


@fault("schedule per epoch", "schedule")
def _(ours: TorchSide) -> TorchSide:
    return _table(ours, lambda schedule, steps: [schedule(step // 20) for step in range(steps + 1)])


@fault("schedule constant", "schedule")
def _(ours: TorchSide) -> TorchSide:
    return replace(ours, schedule=Constant(0.001))


@fault("schedule in float64", "schedule")
def _(ours: TorchSide) -> TorchSide:
    return _table(
        ours, lambda schedule, steps: [0.001 / (1 + 0.001 * step) for step in range(steps + 1)]
    )


# ---- loss


def _penalty(ours: TorchSide, rule: Callable[[Network], Tensor | None]) -> TorchSide:
    return _step(ours, penalty=rule)


def _squares(network: Network, weights: list[Tensor], factor: float = 0.001) -> Tensor:
    return float(np.float32(factor)) * sum(weight.square().sum() for weight in weights)


@fault("L2 halved", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(ours, lambda network: penalty(network) / 2)


@fault("L2 missing", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(ours, lambda network: None)


@fault("L2 on one layer", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(ours, lambda network: _squares(network, [network.Dense_1.dense.weight]))


@fault("L2 on biases too", "trajectory")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(
        ours,
        lambda network: (
            penalty(network)
            + _squares(network, [network.Dense_1.dense.bias, network.Dense_2.dense.bias])
        ),
    )


@fault("L2 on all layers", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(
        ours, lambda network: _squares(network, [p for p in network.parameters() if p.dim() > 1])
    )


@fault("L2 left out of what is reported", "evaluation loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(ours, lambda network: penalty(network) if network.training else None)


@fault("L2 factor not rounded to float32", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _penalty(ours, lambda network: 0.001 / float(np.float32(0.001)) * penalty(network))


def _loss(ours: TorchSide, rule: Callable[[Network, Tensor, Tensor], Tensor]) -> TorchSide:
    return _step(
        ours,
        loss=lambda network, logits, labels, smoothing=0.0, total=None: rule(
            network, logits, labels
        ),
    )


@fault("clipped probabilities", "loss (saturated)")
def _(ours: TorchSide) -> TorchSide:
    return _loss(
        ours,
        lambda network, logits, labels: F.nll_loss(
            logits.softmax(1).clamp(1e-7, 1 - 1e-7).log(), labels
        ),
    )


@fault("double softmax", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _loss(
        ours, lambda network, logits, labels: data_loss(network, logits.softmax(1), labels)
    )


@fault("loss summed instead of averaged", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _loss(
        ours, lambda network, logits, labels: data_loss(network, logits, labels) * len(labels)
    )


@fault("swapped labels", "loss")
def _(ours: TorchSide) -> TorchSide:
    return _loss(ours, lambda network, logits, labels: data_loss(network, logits, labels.flip(0)))


# ---- network


def _loading(ours: TorchSide, change: Callable[[Network], None]) -> TorchSide:
    """Change the network after every loading of weights."""
    original = type(ours.network).load_weights

    def load_weights(network: Network, weights: dict[str, np.ndarray]) -> None:
        original(network, weights)
        with torch.no_grad():
            change(network)

    ours.network.load_weights = types.MethodType(load_weights, ours.network)
    with torch.no_grad():
        change(ours.network)
    return ours


@fault("no flatten permutation", "forward")
def _(ours: TorchSide) -> TorchSide:
    height, width, channels = ours.spec["Flatten"].input_shape

    def keras_order(network: Network) -> None:
        weight = network.Dense_1.dense.weight
        weight.copy_(
            weight.view(-1, channels, height, width).permute(0, 2, 3, 1).reshape(weight.shape)
        )

    return _loading(ours, keras_order)


@fault("transposed kernel", "forward")
def _(ours: TorchSide) -> TorchSide:
    def transpose(network: Network) -> None:
        weight = network.Conv2D_2.conv.weight
        weight.copy_(weight.transpose(2, 3).clone())

    return _loading(ours, transpose)


@fault("swapped layers", "forward")
def _(ours: TorchSide) -> TorchSide:
    def swap(network: Network) -> None:
        first, second = network.Conv2D_2.conv.weight, network.Conv2D_3.conv.weight
        kept = first.clone()
        first.copy_(second)
        second.copy_(kept)

    return _loading(ours, swap)


@fault("average instead of maximum", "forward")
def _(ours: TorchSide) -> TorchSide:
    ours.network.Max_Pool_1.pool = nn.AvgPool2d(4)
    return ours


@fault("padding same", "structure")
def _(ours: TorchSide) -> TorchSide:
    ours.network.Conv2D_1.conv.padding = (
        1,
        1,
    )  # 19 x 19 instead of 17 x 17: the pool of 4 hides it from there on
    return ours


@fault("dropout left on in evaluation", "forward")
def _(ours: TorchSide) -> TorchSide:
    for module in ours.network.modules():
        if isinstance(module, nn.Dropout):
            module.train = lambda mode=True, module=module: nn.Module.train(module, True)
    return ours


@fault("leaky slope of 0.01", "forward")
def _(ours: TorchSide) -> TorchSide:
    ours.network.Conv2D_3.activation = nn.LeakyReLU(0.01)
    return ours


@fault("softmax over the batch", "forward")
def _(ours: TorchSide) -> TorchSide:
    ours.network.probabilities = lambda logits: logits.softmax(0)
    return ours


@fault("a NaN among the weights", "forward")
def _(ours: TorchSide) -> TorchSide:
    return _loading(ours, lambda network: network.Dense_2.dense.bias.fill_(torch.nan))
