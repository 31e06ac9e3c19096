"""What the optimisers of `lit_mnist.training.optimizers` share: groups, slots, decay, checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

from ..errors import UserError, need_number
from ..network import as_float32

Group = dict[str, Any]
Tensors = list[Tensor] | tuple[Tensor, ...]
# the largest value of each setting; the smallest is 0
_MOST = {
    "weight_decay": math.inf,
    "momentum": 1,
    "rho": 1,
    "beta_1": 1,
    "beta_2": 1,
    "epsilon": math.inf,
}


class OptimizerError(UserError):
    """An optimiser's setting that cannot work."""


class KerasOptimizer(torch.optim.Optimizer):
    """Updates one parameter group after another: decoupled weight decay first, then the rule.

    `weight_decay` follows Keras and torch's AdamW: ``w -= w * weight_decay * lr`` before the
    update, for groups whose ``weight_decay`` is above 0.
    """

    def __init__(
        self, params: Iterable, learning_rate: float | Tensor, weight_decay: float, **settings: Any
    ) -> None:
        _check(self, lr=learning_rate, weight_decay=weight_decay, **settings)
        super().__init__(params, {"lr": learning_rate, "weight_decay": weight_decay, **settings})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient; return what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                _decay(params, group)
                self._update(group, params, [p.grad for p in params])
        return loss

    def _update(self, group: Group, params: Tensors, grads: Tensors) -> None:
        raise NotImplementedError

    def slots(self, params: Tensors, name: str) -> Tensors:
        """Return slot `name` of each parameter, zeros at first."""
        for p in params:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p, memory_format=torch.preserve_format)
        return [self.state[p][name] for p in params]

    def shared(self, group: Group, name: str, start: float) -> Tensor:
        """Return a 0-dim tensor of the whole group, kept in the state of its first parameter."""
        first = group["params"][0]
        if name not in self.state[first]:
            self.state[first][name] = torch.full((), start, dtype=first.dtype, device=first.device)
        return self.state[first][name]

    def count(self, group: Group) -> Tensor:
        """Increment and return the group's step count: 1 in the first step."""
        return self.shared(group, "iteration", 0.0).add_(1)


def _decay(params: Tensors, group: Group) -> None:
    if group["weight_decay"] > 0:
        decay = torch._foreach_mul(params, as_float32(group["weight_decay"]))
        torch._foreach_mul_(decay, group["lr"])
        torch._foreach_sub_(params, decay)


def _check(optimizer: KerasOptimizer, lr: float | Tensor, **settings: Any) -> None:
    name = type(optimizer).__name__
    if not isinstance(lr, Tensor):
        need_number(f"{name}: learning_rate", lr, error=OptimizerError)
    for key, value in settings.items():
        if key in _MOST:
            need_number(f"{name}: {key}", value, most=_MOST[key], error=OptimizerError)
        elif not isinstance(value, bool):
            raise OptimizerError(f"{name}: {key} = {value!r} cannot work; accepted: true, false")
