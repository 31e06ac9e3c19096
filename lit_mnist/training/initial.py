"""Initial weights as a file: written with every run, and read to start another from the same point."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import UserError
from ..files import expand, write_bytes
from ..network import Network
from ..spec import SpecError


class WeightsError(UserError):
    """A weights file that cannot be used."""


def save_initial_weights(network: Network, path: Path) -> None:
    """Write the network's weights (Keras' names and layout) and its description as safetensors."""
    write_bytes(path, save(network.named_weights(), {"spec": json.dumps(network.spec.to_dict())}))


def load_initial_weights(network: Network, path: str | Path) -> None:
    """Load weights written by `save_initial_weights`; raise WeightsError naming file and reason."""
    try:
        weights = load(expand(path).read_bytes())
    except OSError as error:
        raise WeightsError(
            f"model.initial_weights = {str(path)!r}: cannot be read ({error.strerror}); "
            "accepted: an initial_weights.safetensors of another run"
        ) from error
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
    try:
        network.load_weights(weights)
    except SpecError as error:
        raise WeightsError(f"{path}: does not fit the network: {error}") from error
