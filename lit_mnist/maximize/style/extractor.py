"""The part of a network that the losses need, for pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ...data.standardize import Standardizer, channels_first
from ...errors import SUMMARY, nearest
from ...inside.capture import PRE
from ...network import Network
from ...runs.model import Model
from ...spec import GlobalPool, Layer, NetworkSpec, Shared, SpecError
from ...spec.weights import Weights
from ..checks import MaximizeError
from ..subnetwork import Subnetwork

# an added last layer: the answer's activation would be left out
_END = "End_of_style"


class Extractor(nn.Module):
    """Maps pixels (1, C, H, W), 0 to 1, to activations by name; frozen, for one picture size.

    Scaling is the model's, whether before the network or in its first layers.
    """

    def __init__(self, model: Model, names: Sequence[str], size: tuple[int, int]) -> None:
        super().__init__()
        layers = tuple(dict.fromkeys(name.removesuffix(PRE) for name in names))
        spec, weights = part_of(model, layers, size)
        network = Network(spec)
        network.load_weights(weights)
        like = next(model.network.parameters())
        self.subnetwork = Subnetwork(network.to(like.device, like.dtype), names)
        self.scaling = Scaling(model.standardizer, (*size, spec.input_shape[2])).to(like.device)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        _, *values = self.subnetwork(self.scaling(pixels))
        return dict(zip(self.subnetwork.names, values, strict=True))


class Scaling(nn.Module):
    """A standardiser on tensors: maps pixels (N, C, H, W), 0 to 1, to the network's input."""

    mean: Tensor
    scale: Tensor

    def __init__(self, standardizer: Standardizer, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.clip = standardizer.clip
        self.bgr = standardizer.bgr
        moments = [
            channels_first(np.asarray(moment)) for moment in (standardizer.mean, standardizer.scale)
        ]
        sizes = [moment.shape[-2:] for moment in moments if moment.ndim > 1]
        wrong = [size for size in sizes if size not in ((1, 1), shape[:2])]
        if wrong:
            raise MaximizeError(
                f"size: {shape[0]} x {shape[1]} pixels cannot work, since this network scales "
                "each pixel differently; "
                f"accepted: {wrong[0][0]} x {wrong[0][1]}, its own"
            )
        mean, scale = (torch.as_tensor(moment / 255) for moment in moments)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, pixels: Tensor) -> Tensor:
        turned = pixels.flip(1) if self.bgr else pixels
        values = (turned - self.mean.to(pixels)) / self.scale.to(pixels)
        return values if self.clip is None else values.clamp(-self.clip, self.clip)


def part_of(
    model: Model, names: Sequence[str], size: tuple[int, int]
) -> tuple[NetworkSpec, Weights]:
    """Return the layers that `names` need, as a network for pictures of `size`, and their weights.

    Raises MaximizeError for a layer without maps, SpecError for an unknown layer or too small
    pictures.
    """
    spec = model.spec
    for name in names:
        if len(spec[name].output_shape) != 3:
            with_maps = [info.name for info in spec.table if len(info.output_shape) == 3]
            raise MaximizeError(
                f"layer {name!r} has no feature maps; {nearest(name, with_maps, SUMMARY)}"
            )
    needed = [step.name for step in spec.plan(*names)]
    layers: list[Layer] = [
        replace(spec.layer(layer.name), inputs=spec.sources[layer.name])
        for layer in spec.layers
        if layer.name in needed
    ]
    end = GlobalPool(name=_END, inputs=(names[0],))
    try:
        part = NetworkSpec((*layers, end), (*size, spec.input_shape[2]), outputs=(_END, *names))
    except SpecError as error:
        raise MaximizeError(f"size: {size[0]} x {size[1]} pixels cannot work: {error}") from error
    return part, _weights(model, part)


def _weights(model: Model, part: NetworkSpec) -> Weights:
    """Return the weights of the part; a layer that shares weights has those of their owner."""
    owners = {layer.name: layer.shares for layer in model.spec.layers if isinstance(layer, Shared)}
    stored = model.network.named_weights()
    return {
        f"{info.name}/{weight}": stored[f"{owners.get(info.name, info.name)}/{weight}"]
        for info in part.table
        for weight in info.weights
    }
