"""The network of a configuration file."""

from __future__ import annotations

from pathlib import Path

from ..data.kmeans import network_of
from ..errors import UserError
from ..files import read_config
from ..spec import NetworkSpec
from .pretrained import resolve


def spec_of_config(path: Path) -> NetworkSpec:
    """Return the network of a configuration file.

    Raises UserError naming file and reason. Imports no torch.
    """
    content = read_config(path)
    try:
        network = content["model"]["network"]
    except (TypeError, KeyError) as error:
        raise UserError(
            f"--config {path}: has no network; accepted: a file with the key model.network"
        ) from error
    network = resolve(network)[0]
    return NetworkSpec.from_dict(network_of(network, content.get("data") or {}))
