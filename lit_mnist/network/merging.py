"""Modules of several inputs, and calls of another layer's module."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn

from .. import spec as s


class Merge(nn.Module):
    """Combines inputs value by value, two at a time from the left; a vector counts as one pixel."""

    def __init__(self, layer: s.Merge) -> None:
        super().__init__()
        self.combine = _COMBINE[type(layer)]
        self.mean = isinstance(layer, s.Average)

    def forward(self, *inputs: Tensor) -> Tensor:  # (N, C, H, W) or (N, units) each
        total = reduce(self.combine, aligned(inputs))
        return total / len(inputs) if self.mean else total


class Concatenate(nn.Module):
    """Inputs one after another along axis `axis` of torch's order."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, self.axis)


class Shared(nn.Module):
    """Another call of `owner`, a layer's module, with its weights and statistics.

    `twin` is a module of the same type without weights of its own, so that hooks on it see only
    this call. The owner is kept in a tuple, so that its weights are not counted, moved or saved
    twice.
    """

    def __init__(self, twin: nn.Module, owner: nn.Module) -> None:
        super().__init__()
        self.twin = twin
        self._owner = (owner,)
        for module in twin.modules():
            for weights in (module._parameters, module._buffers):
                persistent = [
                    name for name in weights if name not in module._non_persistent_buffers_set
                ]
                weights |= dict.fromkeys(persistent)

    @property
    def owner(self) -> nn.Module:
        """The module whose weights are used."""
        return self._owner[0]

    def forward(self, *inputs: Tensor) -> Tensor:
        state = {**dict(self.owner.named_parameters()), **dict(self.owner.named_buffers())}
        return torch.func.functional_call(self.twin, state, inputs)


def aligned(inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the inputs, with vectors (N, units) as images of one pixel beside images."""
    if all(x.dim() == inputs[0].dim() for x in inputs):
        return list(inputs)
    return [x if x.dim() == 4 else x[:, :, None, None] for x in inputs]


_COMBINE: dict[type[s.Merge], Callable[[Tensor, Tensor], Tensor]] = {
    s.Add: torch.add,
    s.Average: torch.add,
    s.Subtract: torch.sub,
    s.Multiply: torch.mul,
    s.Maximum: torch.maximum,
    s.Minimum: torch.minimum,
}
