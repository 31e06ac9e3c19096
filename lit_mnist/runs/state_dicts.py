"""Bare torch state dicts, and safetensors files, of networks that are described elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError, listed
from ..network import Network
from ..spec import NetworkSpec
from ..spec.weights import Weights
from .checkpoint import CheckpointError, read_tensors
from .record import WEIGHTS_PREFIX


class StateDictError(UserError):
    """A state dict that is not the described network's."""


def named_weights(path: Path, spec: NetworkSpec) -> Weights:
    """Return the weights of ``torch.save(model.state_dict(), ...)`` or of a safetensors file.

    Keys are those of this program's networks, with or without ``network.`` before them. Raises
    StateDictError naming the first key that is missing, unknown or of another shape.
    """
    state = {key.removeprefix(WEIGHTS_PREFIX): value for key, value in _state(path).items()}
    network = Network(spec)
    expected = network.state_dict()
    for key in (*expected, *state):
        if key not in state or key not in expected:
            problem = "is missing" if key in expected else "belongs to no layer"
            raise StateDictError(
                f"{path}: the weight {key!r} {problem}; this network has: {listed(expected)}"
            )
        if state[key].shape != expected[key].shape:
            raise StateDictError(
                f"{path}: the weight {key!r} has the shape {tuple(state[key].shape)}; accepted: "
                f"{tuple(expected[key].shape)}"
            )
    network.load_state_dict(state)
    return network.named_weights()


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    content = _safetensors(path) if path.suffix.lower() == ".safetensors" else read_tensors(path)
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise StateDictError(
            f"{path}: holds no state dict; accepted: torch.save(model.state_dict(), FILE)"
        )
    return state


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({str(error)[:100]})"
        ) from error
