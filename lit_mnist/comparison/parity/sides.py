"""The protocol that both frameworks' sides implement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ...spec import NetworkSpec
from ...spec.weights import Weights
from ...training.slots import Slots

Array = np.ndarray


@dataclass(frozen=True)
class State:
    """All that a training step reads and changes: weights, slots, shared values, step count."""

    weights: Weights
    slots: Slots = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    step: int = 0


class Side(Protocol):
    """A network with its optimiser. Images (n, H, W, C), labels (n,); arrays in Keras' layout."""

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        ...

    def structure(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Return layer name -> (output shape, parameters)."""
        ...

    def layers(self, images: Array) -> dict[str, Array]:
        """Return every layer's output in evaluation, the last one's after softmax or sigmoid."""
        ...

    def loss_and_gradients(self, images: Array, labels: Array) -> tuple[float, Weights]:
        """Return the training loss, regularisers included, and its gradient by weight."""
        ...

    def rates(self, steps: int) -> Array:
        """Return the learning rates of the first `steps` updates."""
        ...

    def train_step(self, images: Array, labels: Array) -> float:
        """Make one update and return the loss before it."""
        ...

    def evaluate(self, images: Array, labels: Array, batch_size: int) -> tuple[float, float]:
        """Return loss (regularisers included) and accuracy, weighted by batch size."""
        ...

    def state(self) -> State:
        """Return a copy of weights and optimiser state."""
        ...

    def load(self, state: State) -> None:
        """Take over weights and optimiser state; slots that `state` lacks become zero."""
        ...
