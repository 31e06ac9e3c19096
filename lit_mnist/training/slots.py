"""An optimiser's slots by name, in the layout of Keras' optimisers and files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ..keras_files.slots import Slots
from ..network import Network
from ..spec import NetworkSpec
from ..spec.weights import Weights, from_torch, to_torch, torch_name, weight_shapes

SHARED = ("iteration", "u_product")  # 0-dim values that a group's first parameter carries


def trainable_names(spec: NetworkSpec) -> tuple[str, ...]:
    """Return the names of the weights that the optimiser moves, in Keras' order."""
    return tuple(
        f"{layer.name}/{name}"
        for layer, info in zip(spec.layers, spec.table, strict=True)
        for name in info.weights
        if name in layer.trainable_weights
    )


def named_slots(network: Network, optimizer: torch.optim.Optimizer) -> Slots:
    """Return a copy of the optimiser's slots of every weight; empty before the first step."""
    parameters = dict(network.named_parameters())
    state = {
        name: optimizer.state.get(parameters[torch_name(network.spec, name)], {})
        for name in trainable_names(network.spec)
    }
    slots = dict.fromkeys(
        slot for values in state.values() for slot in values if slot not in SHARED
    )
    return {
        slot: _from_torch(
            network.spec, {name: values[slot] for name, values in state.items() if slot in values}
        )
        for slot in slots
    }


def named_scalars(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return the first group's ``iteration`` (steps made) and, for Nadam, ``u_product``."""
    state = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    return {name: float(state[name]) for name in SHARED if name in state}


def load_slots(
    network: Network,
    optimizer: torch.optim.Optimizer,
    slots: Mapping[str, Weights],
    scalars: Mapping[str, float],
) -> None:
    """Replace the optimiser's slots and shared values. Raises SpecError if they do not fit."""
    parameters = dict(network.named_parameters())
    for slot, arrays in slots.items():
        for name, array in _to_torch(network.spec, arrays).items():
            parameter = parameters[torch_name(network.spec, name)]
            tensor = torch.empty_like(parameter, memory_format=torch.preserve_format)
            optimizer.state[parameter][slot] = tensor.copy_(torch.from_numpy(array))
    for group in optimizer.param_groups:
        first = group["params"][0]
        for name, value in scalars.items():
            optimizer.state[first][name] = torch.tensor(
                value, dtype=first.dtype, device=first.device
            )


def _from_torch(spec: NetworkSpec, tensors: Mapping[str, torch.Tensor]) -> Weights:
    state = to_torch(spec, _zeros(spec))  # `from_torch` needs the whole network
    state |= {
        torch_name(spec, name): tensor.detach().cpu().numpy() for name, tensor in tensors.items()
    }
    return {
        name: array.copy() for name, array in from_torch(spec, state).items() if name in tensors
    }


def _to_torch(spec: NetworkSpec, arrays: Weights) -> Weights:
    whole = to_torch(spec, _zeros(spec) | dict(arrays))
    return {name: whole[torch_name(spec, name)] for name in arrays}


def _zeros(spec: NetworkSpec) -> Weights:
    return {name: np.zeros(shape) for name, shape in weight_shapes(spec).items()}
