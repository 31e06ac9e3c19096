"""The kernels of convolutions, as they are applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UserError, nearest
from ..network import Network
from .passes import as_array


@dataclass(frozen=True)
class Filters:
    """The kernels (maps, input channels, rows, columns) and biases (maps,) of one convolution."""

    layer: str
    kernels: np.ndarray
    biases: np.ndarray
    seed: int | None = None

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.filters import filters

        return to_bytes(filters(self))


def convolutions(network: Network) -> tuple[str, ...]:
    """Return the names of the network's convolutions."""
    return tuple(info.name for info in network.spec.table if info.type == "conv")


def last_convolution(network: Network) -> str:
    """Return the name of the network's last convolution; raise UserError where it has none."""
    names = convolutions(network)
    if not names:
        raise UserError(
            f"this network has no convolution; name a layer: {', '.join(network.spec.names)}"
        )
    return names[-1]


def filters(network: Network, layer: str, seed: int | None = None) -> Filters:
    """Return the filters of convolution `layer`; raise UserError where it is none."""
    accepted = convolutions(network)
    if layer not in accepted:
        raise UserError(
            f"layer {layer!r} is no convolution of this network; "
            + (nearest(layer, accepted) if accepted else "it has none")
        )
    conv = getattr(network, layer).conv
    kernels = as_array(conv.weight)
    return Filters(
        layer, kernels, np.zeros(len(kernels)) if conv.bias is None else as_array(conv.bias), seed
    )
