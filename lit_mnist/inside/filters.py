"""The kernels of convolutions of every kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import SUMMARY, UserError, listed, nearest
from ..network import Network
from ..spec import CONVOLUTIONS, INPUT, SAME_VALUES, NetworkSpec

# name of the weight that holds the kernels, by layer type
_KERNELS = {
    "conv": "kernel",
    "depthwise_conv": "kernel",
    "separable_conv": "depthwise_kernel",
    "transposed_conv": "kernel",
}
_CHANNEL_BY_CHANNEL = (
    "rescaling",
    "normalization",
    "zero_pad",
    "cropping",
    "batch_norm",
    "upsampling",
)


@dataclass(frozen=True)
class Filters:
    """The kernels (maps, input channels, rows, columns) and biases (maps,) of one convolution.

    Each map of a depthwise convolution, and of the depthwise part of a separable one, has one input
    channel. With `in_colour`, the channels are red, green and blue of the network's input.
    """

    layer: str
    kernels: np.ndarray
    biases: np.ndarray
    seed: int | None = None
    in_colour: bool = False

    @property
    def tiles(self) -> np.ndarray:
        """One image for each map: (maps, rows, columns, 3) in the input's colours, else the mean
        over the channels, (maps, rows, columns).
        """
        return self.kernels.transpose(0, 2, 3, 1) if self.in_colour else self.kernels.mean(1)

    def _repr_png_(self) -> bytes:
        from ..figures.canvas import to_bytes
        from ..figures.filters import filters

        return to_bytes(filters(self))


def convolutions(network: Network) -> tuple[str, ...]:
    """Return the names of all convolutions: plain, depthwise, separable and transposed."""
    return tuple(info.name for info in network.spec.table if info.type in CONVOLUTIONS)


def reads_colours(spec: NetworkSpec, layer: str) -> bool:
    """Whether a layer reads the red, green and blue of the network's input, except for scale or
    padding.
    """
    if spec.input_shape[2] != 3:
        return False
    source = spec.sources[layer][0]
    while source != INPUT:
        if spec[source].type not in (*SAME_VALUES, *_CHANNEL_BY_CHANNEL):
            return False
        source = spec.sources[source][0]
    return True


def last_convolution(network: Network) -> str:
    """Return the name of the network's last convolution; raise UserError where it has none."""
    names = convolutions(network)
    if not names:
        raise UserError(
            f"this network has no convolution; name a layer: {listed(network.spec.names, SUMMARY)}"
        )
    return names[-1]


def filters(network: Network, layer: str, seed: int | None = None) -> Filters:
    """Return the filters of a convolution of any kind; raise UserError for another layer."""
    accepted = convolutions(network)
    if layer not in accepted:
        raise UserError(
            f"layer {layer!r} is not a convolution of this network; "
            + (nearest(layer, accepted, SUMMARY) if accepted else "it has none")
        )
    name = network.spec.layer(layer).name
    weights = {
        key.removeprefix(f"{name}/"): array
        for key, array in network.named_weights().items()
        if key.startswith(f"{name}/")
    }
    kernels = _by_map(weights[_KERNELS[network.spec[layer].type]], network.spec[layer].type)
    biases = weights.get("bias", np.zeros(0))
    return Filters(
        layer,
        kernels,
        biases if len(biases) == len(kernels) else np.zeros(len(kernels)),
        seed,
        kernels.shape[1] == 3 and reads_colours(network.spec, layer),
    )


def _by_map(kernel: np.ndarray, kind: str) -> np.ndarray:
    """Return a kernel in Keras' layout as (maps, input channels, rows, columns)."""
    if kind in ("depthwise_conv", "separable_conv"):  # (rows, columns, channels, multiplier)
        rows, columns = kernel.shape[:2]
        return kernel.transpose(2, 3, 0, 1).reshape(-1, 1, rows, columns)
    maps, channels = (2, 3) if kind == "transposed_conv" else (3, 2)
    return kernel.transpose(maps, channels, 0, 1)
