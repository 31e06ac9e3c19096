"""Optimiser state in Keras files: the order of variables, by optimiser and release.

Keras writes an optimiser's variables as a bare list. First come scalars (the step count, and in
Keras 3 the learning rate), then the slots, one for each trainable weight. New optimisers
(TensorFlow 2.11, Keras 3) group the slots of one weight if one call created them; older ones write
one kind of slot after the other. Found in files of nine releases; see docs/keras_files.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..spec import Shape
from ..spec.weights import Weights
from .names import MODEL_NAME

Slots = dict[str, Weights]


@dataclass(frozen=True)
class OptimizerState:
    """An optimiser's class name, its settings by Keras' names, and its state.

    `slots` holds ``slot -> {"Layer/kernel": array}`` under the names of
    `lit_mnist.training.optimizers` (velocity, momentum, average_gradient, norm, velocity_hat), and
    Keras' own for Adadelta and Adagrad; `scalars` holds ``u_product`` of Nadam.
    """

    name: str
    settings: Mapping[str, Any]
    iteration: int | None  # None: not in the file (RMSprop before Keras 2.3)
    slots: Slots
    learning_rate: float | None = None
    scalars: Mapping[str, np.ndarray] = field(default_factory=dict)


_SETTINGS = {
    "SGD": ("momentum", "nesterov"),
    "RMSprop": ("rho", "momentum", "epsilon", "centered"),
    "Adam": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "AdamW": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "Nadam": ("beta_1", "beta_2", "epsilon"),
    "Adamax": ("beta_1", "beta_2", "epsilon"),
    "Adadelta": ("rho", "epsilon"),
    "Adagrad": ("initial_accumulator_value", "epsilon"),
}
_COMMON = ("name", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
_SCHEDULES = (
    "InverseTimeDecay",
    "ExponentialDecay",
    "PolynomialDecay",
    "PiecewiseConstantDecay",
    "CosineDecay",
    "CosineDecayRestarts",
)


def known_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in Keras 3's names, for files of any release.

    Keras 2 called the learning rate ``lr``; its ``decay`` is InverseTimeDecay at every step.
    Schedules other than Keras' own are left out.
    """
    known = {
        key: settings[key]
        for key in (*_COMMON, *_SETTINGS.get(name, ()))
        if isinstance(settings.get(key), bool | int | float | str)
    }
    rate = settings.get("learning_rate", settings.get("lr"))
    decay = settings.get("decay")
    if isinstance(rate, Mapping):
        if rate.get("class_name") in _SCHEDULES and isinstance(rate.get("config"), Mapping):
            known["learning_rate"] = _schedule(rate["class_name"], rate["config"])
    elif isinstance(rate, int | float):
        known["learning_rate"] = rate
        if isinstance(decay, int | float) and decay > 0:
            settings_ = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
            known["learning_rate"] = _schedule("InverseTimeDecay", settings_)
    return known


def _schedule(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "module": "keras.optimizers.schedules",
        "class_name": name,
        "config": dict(config),
        "registered_name": None,
    }


def slot_groups(name: str, settings: Mapping[str, Any]) -> list[list[str]] | None:
    """Return the slots in Keras 3's order, grouped by call; None for an unknown optimiser."""
    match name:
        case "SGD":
            return [["momentum"]] if settings.get("momentum") else []
        case "RMSprop":
            return [
                ["velocity"],
                *([["momentum"]] if settings.get("momentum") else []),
                *([["average_gradient"]] if settings.get("centered") else []),
            ]
        case "Adam" | "AdamW":
            return [
                ["momentum", "velocity"],
                *([["velocity_hat"]] if settings.get("amsgrad") else []),
            ]
        case "Nadam":
            return [["momentum", "velocity"]]
        case "Adamax":
            return [["momentum", "norm"]]
        case "Adadelta":
            return [["accumulated_grad", "accumulated_delta_var"]]
        case "Adagrad":
            return [["accumulator"]]
    return None


def interpret(
    name: str,
    settings: Mapping[str, Any],
    arrays: Sequence[np.ndarray],
    weights: Mapping[str, Shape],
    together: bool,
) -> OptimizerState | str:
    """Return the state in a list of variables, or the reason why it is unknown.

    `weights` are the trainable weights' shapes in Keras' order; `together` means that the slots of
    one call are grouped by weight.
    """
    if settings.get("use_ema"):
        return f"{name} with a moving average of the weights is not known here"
    settings = known_settings(name, settings)
    groups = slot_groups(name, settings)
    if groups is None:
        return f"{name} is not known here"
    if not together:
        groups = [[slot] for group in groups for slot in group]
    order = [(slot, weight) for group in groups for weight in weights for slot in group]
    tensors = _without_placeholders(
        name, [array for array in arrays if array.shape != ()], len(order), weights
    )
    if [array.shape for array in tensors] != [tuple(weights[weight]) for _, weight in order]:
        return (
            f"its {len(tensors)} slots are not those of {name} on {len(weights)} trainable weights"
        )
    slots: Slots = {slot: {} for group in groups for slot in group}
    for (slot, weight), array in zip(order, tensors, strict=True):
        slots[slot][weight] = array
    return _with_scalars(
        name, settings, [array for array in arrays if array.shape == ()], slots, together
    )


def _without_placeholders(
    name: str, tensors: list[np.ndarray], needed: int, weights: Mapping[str, Shape]
) -> list[np.ndarray]:
    """Drop unused slots of Keras 2.1 to 2.3: AMSGrad's as (1,), SGD's without momentum."""
    spare = [array.shape for array in tensors[needed:]]
    unused = {"Adam": [(1,)] * len(weights), "SGD": [tuple(shape) for shape in weights.values()]}
    return tensors[:needed] if spare == unused.get(name) else tensors


def _with_scalars(
    name: str,
    settings: Mapping[str, Any],
    scalars: Sequence[np.ndarray],
    slots: Slots,
    together: bool,
) -> OptimizerState:
    counts = [int(array) for array in scalars if array.dtype.kind in "iu"]
    reals = [array for array in scalars if array.dtype.kind == "f"]
    scheduled = isinstance(settings.get("learning_rate"), Mapping)
    rate = float(reals.pop(0)) if reals and together and not scheduled else None
    product = {"u_product": reals[-1]} if name == "Nadam" and reals else {}
    return OptimizerState(name, settings, counts[0] if counts else None, slots, rate, product)


def listed(state: OptimizerState, weights: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return (path, array) of every variable in Keras 3's order, for the trainable `weights`."""
    variables: list[tuple[str, np.ndarray]] = [
        ("iteration", np.asarray(state.iteration or 0, np.int64))
    ]
    if not isinstance(state.settings.get("learning_rate"), Mapping):
        rate = (
            state.settings.get("learning_rate", 1e-3)
            if state.learning_rate is None
            else state.learning_rate
        )
        variables.append(("learning_rate", np.asarray(rate, np.float32)))
    for group in slot_groups(state.name, state.settings) or []:
        variables += [
            (f"{MODEL_NAME}_{weight.replace('/', '_')}_{slot}", state.slots[slot][weight])
            for weight in weights
            for slot in group
        ]
    return variables + ([("variable", nadam_product(state))] if state.name == "Nadam" else [])


def nadam_product(state: OptimizerState) -> np.ndarray:
    """Return Nadam's running product, which only Keras 3 stores; else the step count gives it."""
    if "u_product" in state.scalars:
        return np.asarray(state.scalars["u_product"])
    beta = state.settings.get("beta_1", 0.9)
    steps = np.arange(1, (state.iteration or 0) + 1)
    return np.asarray(np.prod(beta * (1 - 0.5 * 0.96**steps)), np.float32)
