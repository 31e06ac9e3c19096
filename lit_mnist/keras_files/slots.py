"""Optimiser state in Keras files: which variable stands where, by optimiser and release.

Keras writes an optimiser's variables as a bare list. First come scalars (the step count, and in Keras 3
the learning rate), then the slots, one for each trainable weight. New optimisers (TensorFlow 2.11, Keras 3)
write the slots of one weight next to each other where one call made them; those before write one kind of
slot after the other. Read from files of nine releases; see docs/keras_files.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..weights import Weights

Slots = dict[str, Weights]


@dataclass(frozen=True)
class OptimizerState:
    """An optimiser's class name, its settings by Keras' names, and its state.

    `slots` holds ``slot -> {"Layer/kernel": array}`` under the names of `lit_mnist.training.optimizers`
    (velocity, momentum, average_gradient, norm, velocity_hat); `scalars` holds ``u_product`` of Nadam.
    """

    name: str
    settings: Mapping[str, Any]
    iteration: int
    slots: Slots
    learning_rate: float | None = None
    scalars: Mapping[str, np.ndarray] = field(default_factory=dict)


def slot_groups(name: str, settings: Mapping[str, Any]) -> list[list[str]] | None:
    """Return the slots in Keras 3's order, those of one call together; None for an optimiser we do not know."""
    match name:
        case "SGD":
            return [["momentum"]] if settings.get("momentum") else []
        case "RMSprop":
            return [["velocity"], *([["momentum"]] if settings.get("momentum") else []),
                    *([["average_gradient"]] if settings.get("centered") else [])]
        case "Adam" | "AdamW":
            return [["momentum", "velocity"], *([["velocity_hat"]] if settings.get("amsgrad") else [])]
        case "Nadam":
            return [["momentum", "velocity"]]
        case "Adamax":
            return [["momentum", "norm"]]
    return None


def interpret(name: str, settings: Mapping[str, Any], arrays: Sequence[np.ndarray], weights: Mapping[str, tuple[int, ...]],
              together: bool) -> OptimizerState | str:
    """Return the state that a list of variables holds, or in words why it cannot be told.

    `weights` are the trainable weights' shapes in Keras' order; `together` says that the slots of one
    call stand together, weight by weight.
    """
    groups = slot_groups(name, settings)
    if groups is None or settings.get("use_ema"):
        return f"{name}{' with a moving average of the weights' if groups is not None else ''} is not known here"
    if not together:
        groups = [[slot] for group in groups for slot in group]
    order = [(slot, weight) for group in groups for weight in weights for slot in group]
    scalars = [array for array in arrays if array.shape == ()]
    tensors = [array for array in arrays if array.shape != ()]
    if name == "Adam" and not settings.get("amsgrad") and [a.shape for a in tensors[len(order):]] == [(1,)] * len(weights):
        tensors = tensors[:len(order)]  # Keras 2.1 to 2.3 kept a placeholder for each weight
    if [array.shape for array in tensors] != [tuple(weights[weight]) for _, weight in order]:
        return f"its {len(tensors)} slots are not those of {name} on {len(weights)} trainable weights"
    slots: Slots = {slot: {} for group in groups for slot in group}
    for (slot, weight), array in zip(order, tensors, strict=True):
        slots[slot][weight] = array
    counts = [int(array) for array in scalars if array.dtype.kind in "iu"]
    reals = [array for array in scalars if array.dtype.kind == "f"]
    rate = float(reals.pop(0)) if reals and not isinstance(settings.get("learning_rate"), Mapping) and together else None
    product = {"u_product": reals[-1]} if name == "Nadam" and reals else {}
    return OptimizerState(name, settings, counts[0] if counts else 0, slots, rate, product)


def listed(state: OptimizerState, weights: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return (path, array) of every variable as Keras 3 writes them, for the trainable `weights` in its order."""
    variables: list[tuple[str, np.ndarray]] = [("iteration", np.int64(state.iteration))]
    if not isinstance(state.settings.get("learning_rate"), Mapping):
        rate = state.settings.get("learning_rate", 1e-3) if state.learning_rate is None else state.learning_rate
        variables.append(("learning_rate", np.float32(rate)))
    for group in slot_groups(state.name, state.settings) or []:
        variables += [(f"{weight.replace('/', '_')}_{slot}", state.slots[slot][weight])
                      for weight in weights for slot in group]
    return variables + [("variable", np.asarray(value)) for value in state.scalars.values()]
