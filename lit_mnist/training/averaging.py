"""An exponential moving average of the weights (Polyak averaging), kept beside them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """``average += (1 - decay) (weights - average)`` after each step, bias-corrected at the start.

    The decay is ``min(decay, (1 + n) / (10 + n))`` after n updates (the rule of
    TensorFlow's ExponentialMovingAverage with `num_updates`), so that early averages forget the
    initial weights. Counts, which are whole numbers, are not averaged.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.names = [name for name, t in network.state_dict().items() if t.is_floating_point()]
        self.values = [weight.clone() for weight in self._weights()]

    def follow(self) -> None:
        """Move the average to the network's device and precision."""
        self.values = [
            value.to(weight) for value, weight in zip(self.values, self._weights(), strict=True)
        ]

    def ema_weight(self, step: int) -> float:
        """Return the weight of the new values after `step` updates: 1 - decay."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, ema_weight: float | Tensor) -> None:
        """Add the network's present weights; `ema_weight` may be a 0-dim tensor on their device."""
        differences = torch._foreach_sub(self._weights(), self.values)
        torch._foreach_mul_(differences, ema_weight)
        torch._foreach_add_(self.values, differences)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the average."""
        weights = self._weights()
        kept = [weight.clone() for weight in weights]
        torch._foreach_copy_(weights, self.values)
        torch._foreach_copy_(self.values, kept)

    def states(self, trained: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return a state dict with the averaged weights, and the state for `restore`."""
        averaged = {
            f"network.{name}": value.clone()
            for name, value in zip(self.names, self.values, strict=True)
        }
        return trained | averaged, {"weights": {key: trained[key] for key in averaged}}

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Read the average from a checkpoint, and put the trained weights in its place."""
        state = checkpoint["state_dict"]
        trained = checkpoint["trained_state"]
        self.values = [
            state[f"network.{name}"].clone().to(value.device)
            for name, value in zip(self.names, self.values, strict=True)
        ]
        state.update(trained["weights"])

    def _weights(self) -> list[Tensor]:
        state = self.network.state_dict()
        return [state[name].detach() for name in self.names]
