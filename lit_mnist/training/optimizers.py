"""Optimisers that follow Keras 3.15's rules to the last bits, vectorised with ``torch._foreach_*``.

They differ from torch's namesakes: RMSprop has epsilon inside the square root and the learning
rate inside the momentum buffer; Adam, Nadam and Adamax place epsilon and the bias corrections
differently.

Each argument has Keras' name and default, but `learning_rate` becomes the group's ``lr``, so that
torch's schedulers work. ``lr`` may be a float or a 0-dim tensor on the parameters' device; no step
waits for the device, so steps can be captured in a CUDA graph. Parameters are float32 or float64.

Keras' TensorFlow backend casts some Python floats to float32 before a float64 variable uses them.
These constants are always rounded likewise (`as_float32`): in float32 this changes nothing, and in
float64 parity is lost at 1e-9 without it. Source of the formulas:
``keras/src/optimizers/{rmsprop,sgd,adam,nadam,adamax}.py``.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..network import as_float32
from .keras_optimizer import Group, KerasOptimizer, Tensors


class RMSprop(KerasOptimizer):
    """``v = rho v + (1 - rho) g^2; m = momentum m + lr g / sqrt(v + epsilon); w -= m``.

    `centered` subtracts the squared mean gradient from `v` under the root.
    """

    def __init__(
        self,
        params: Iterable,
        learning_rate: float | Tensor = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            learning_rate,
            weight_decay,
            rho=rho,
            momentum=momentum,
            epsilon=epsilon,
            centered=centered,
        )

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        velocity = self.slots(params, "velocity")
        _average(velocity, torch._foreach_mul(grads, grads), group["rho"])
        if group["centered"]:
            mean = self.slots(params, "average_gradient")
            _average(mean, grads, group["rho"])
            variance = torch._foreach_sub(velocity, torch._foreach_mul(mean, mean))
            torch._foreach_add_(variance, group["epsilon"])
        else:
            variance = torch._foreach_add(velocity, group["epsilon"])
        torch._foreach_sqrt_(variance)
        increment = torch._foreach_mul(grads, group["lr"])
        torch._foreach_div_(increment, variance)
        if group["momentum"] > 0:
            momentum = self.slots(params, "momentum")
            torch._foreach_mul_(momentum, group["momentum"])
            torch._foreach_add_(momentum, increment)
            increment = momentum
        torch._foreach_sub_(params, increment)


class SGD(KerasOptimizer):
    """``m = momentum m - lr g; w += m``, with `nesterov` ``w += momentum m - lr g``."""

    def __init__(
        self,
        params: Iterable,
        learning_rate: float | Tensor = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, learning_rate, weight_decay, momentum=momentum, nesterov=nesterov)

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        steps = torch._foreach_mul(grads, group["lr"])
        mu = as_float32(group["momentum"])
        if mu == 0:
            torch._foreach_sub_(params, steps)
            return
        momentum = self.slots(params, "momentum")
        torch._foreach_mul_(momentum, mu)
        torch._foreach_sub_(momentum, steps)
        if group["nesterov"]:
            torch._foreach_add_(params, torch._foreach_sub(torch._foreach_mul(momentum, mu), steps))
        else:
            torch._foreach_add_(params, momentum)


class _AdamFamily(KerasOptimizer):
    """The settings that Adam, Nadam and Adamax share."""

    def __init__(
        self,
        params: Iterable,
        learning_rate: float | Tensor = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, learning_rate, weight_decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon
        )


class Adam(_AdamFamily):
    """``w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)``.

    Source: Kingma & Ba 2015, end of section 2.
    """

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        count = self.count(group)
        beta_1 = as_float32(group["beta_1"])
        beta_2 = as_float32(group["beta_2"])
        alpha = group["lr"] * (1 - beta_2**count).sqrt() / (1 - beta_1**count)
        momentum = self.slots(params, "momentum")
        velocity = self.slots(params, "velocity")
        _approach(momentum, grads, 1 - group["beta_1"])
        _approach(velocity, torch._foreach_mul(grads, grads), 1 - group["beta_2"])
        _subtract_ratio(params, torch._foreach_mul(momentum, alpha), velocity, group["epsilon"])


class Nadam(_AdamFamily):
    """Adam with Nesterov momentum, ``u_t = beta_1 (1 - 0.96^t / 2)`` (Dozat 2016)."""

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        count = self.count(group)
        beta_1 = as_float32(group["beta_1"])
        beta_2 = as_float32(group["beta_2"])
        # Keras rounds the constants of the factors to float32, but not those of their running
        # product
        product = self.shared(group, "u_product", 1.0).mul_(
            group["beta_1"] * (1 - 0.5 * 0.96**count)
        )
        current, following = (
            beta_1 * (1 - 0.5 * as_float32(0.96) ** t) for t in (count, count + 1)
        )
        momentum = self.slots(params, "momentum")
        velocity = self.slots(params, "velocity")
        _approach(momentum, grads, 1 - beta_1)
        _approach(velocity, torch._foreach_mul(grads, grads), 1 - beta_2)
        estimate = torch._foreach_mul(momentum, following)
        torch._foreach_div_(estimate, 1 - product * following)
        gradient_term = torch._foreach_mul(grads, 1 - current)
        torch._foreach_div_(gradient_term, 1 - product)
        torch._foreach_add_(estimate, gradient_term)
        torch._foreach_mul_(estimate, group["lr"])
        _subtract_ratio(
            params, estimate, torch._foreach_div(velocity, 1 - beta_2**count), group["epsilon"]
        )


class Adamax(_AdamFamily):
    """``u = max(beta_2 u, |g|); w -= lr m / ((1 - beta_1^t) (u + epsilon))``.

    Source: Kingma & Ba 2015, section 7.1.
    """

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        count = self.count(group)
        beta_1 = as_float32(group["beta_1"])
        momentum = self.slots(params, "momentum")
        norm = self.slots(params, "norm")
        _approach(momentum, grads, 1 - group["beta_1"])
        torch._foreach_mul_(norm, group["beta_2"])
        torch._foreach_maximum_(norm, torch._foreach_abs(grads))
        denominator = torch._foreach_add(norm, group["epsilon"])
        torch._foreach_mul_(denominator, 1 - beta_1**count)
        step = torch._foreach_mul(momentum, group["lr"])
        torch._foreach_div_(step, denominator)
        torch._foreach_sub_(params, step)


def _average(slots: Tensors, values: Tensors, rho: float) -> None:
    """``slots = rho slots + (1 - rho) values``, in Keras' order of operations."""
    torch._foreach_mul_(slots, rho)
    torch._foreach_add_(slots, torch._foreach_mul(values, 1 - rho))


def _approach(slots: Tensors, values: Tensors, weight: float) -> None:
    """``slots += weight (values - slots)``, in Keras' order of operations."""
    difference = torch._foreach_sub(values, slots)
    torch._foreach_mul_(difference, weight)
    torch._foreach_add_(slots, difference)


def _subtract_ratio(params: Tensors, numerator: Tensors, squares: Tensors, epsilon: float) -> None:
    """``params -= numerator / (sqrt(squares) + epsilon)``; overwrites `numerator`."""
    root = torch._foreach_sqrt(squares)
    torch._foreach_add_(root, epsilon)
    torch._foreach_div_(numerator, root)
    torch._foreach_sub_(params, numerator)
