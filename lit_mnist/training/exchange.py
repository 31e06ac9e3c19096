"""Optimiser state between Keras files and checkpoints, which hold torch's state dicts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..keras_files import OptimizerState
from ..keras_files.slots import nadam_product
from ..network import Network
from . import optimizers
from .settings import decay_groups, trained_parameters
from .slots import load_slots, named_scalars, named_slots, trainable_names


def to_state_dict(network: Network, state: OptimizerState) -> dict[str, Any] | str:
    """Return Keras' optimiser state as a state dict of ours, or the reason why it cannot be."""
    cls = getattr(optimizers, {"AdamW": "Adam"}.get(state.name, state.name), None)
    if cls is None or state.settings.get("amsgrad"):
        return (
            f"{state.name}{' with amsgrad' if cls is not None else ''} is no optimiser of this "
            "project"
        )
    names = trainable_names(network.spec)
    if not names:
        return "all layers are frozen"
    missing = [name for name in names if any(name not in slot for slot in state.slots.values())]
    if missing:
        return f"{missing[0]!r} has no slots"
    accepted = inspect.signature(cls).parameters
    settings = {
        key: value
        for key, value in state.settings.items()
        if key in accepted and not isinstance(value, Mapping)
    }
    rate = (
        state.learning_rate
        if state.learning_rate is not None
        else _rate(state.settings.get("learning_rate"))
    )
    optimizer = cls(
        trained_parameters(network), **settings | ({} if rate is None else {"learning_rate": rate})
    )
    scalars = {"iteration": float(state.iteration or 0)}
    if state.name == "Nadam":
        scalars["u_product"] = float(nadam_product(state))
    load_slots(network, optimizer, state.slots, scalars)
    return optimizer.state_dict()


def _rate(value: object) -> float | None:
    """Return a plain rate, or the one that a schedule starts from."""
    value = value["config"].get("initial_learning_rate") if isinstance(value, Mapping) else value
    return value if isinstance(value, int | float) else None


def from_state_dict(
    network: Network, content: Mapping[str, Any], step: int
) -> OptimizerState | str:
    """Return a checkpoint's optimiser state in Keras' terms, or the reason why there is none."""
    groups = content["param_groups"]
    name = _name(groups[0], [entry for entry in content["state"].values() if entry])
    if name is None:
        return "not an optimiser of lit_mnist.training.optimizers"
    optimizer = getattr(optimizers, name)(_groups(network, len(groups)), learning_rate=1e-3)
    optimizer.load_state_dict(dict(content))
    names = trainable_names(network.spec)
    slots = named_slots(network, optimizer)
    if not slots and content["state"]:
        return "it has no slots yet"
    if any(set(slot) != set(names) for slot in slots.values()):
        return "some weights have no slots"
    scalars = named_scalars(optimizer)
    settings = {
        key: value
        for key, value in groups[0].items()
        if key in inspect.signature(type(optimizer)).parameters
        and isinstance(value, bool | int | float)
    }
    rate = float(groups[0]["lr"])
    settings |= {"learning_rate": rate, "weight_decay": settings.get("weight_decay") or None}
    product = (
        {"u_product": np.asarray(scalars["u_product"], np.float32)}
        if "u_product" in scalars
        else {}
    )
    return OptimizerState(name, settings, int(scalars.get("iteration", step)), slots, rate, product)


def _name(settings: Mapping[str, Any], states: list[Mapping[str, Any]]) -> str | None:
    """Return the optimiser's name by its settings, and within Adam's family by its slots."""
    slots = {slot for state in states for slot in state}
    if "rho" in settings:
        return "RMSprop"
    if "nesterov" in settings and "dampening" not in settings:
        return "SGD"
    if "beta_1" in settings:
        return _of_adams_family(slots)
    return None


def _of_adams_family(slots: set[str]) -> str:
    if "norm" in slots:
        return "Adamax"
    return "Nadam" if "u_product" in slots else "Adam"


def _groups(network: Network, number: int) -> list[dict[str, Any]]:
    """Return the parameters as training groups them: all, or kernels (which decay) and the rest."""
    if number == 1:
        return [{"params": trained_parameters(network)}]
    return [{"params": parameters} for parameters in decay_groups(network)]
