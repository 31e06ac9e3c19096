"""A network as a program of torch.export, with named layers as outputs and, on request, its
scaling.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..data import Standardizer
from ..data.standardize import channels_first
from ..errors import UserError, first_line
from ..network import as_images
from ..runs.model import Model
from .check import check, random_pixels
from .layer_outputs import with_layers
from .module import torch_code

ANSWER = "logits"
_LIMIT = 1e-5


@dataclass(frozen=True)
class Program:
    """`network` computes `model`'s outputs, the answer first, under the names `outputs`.

    It takes (N, C, H, W) float32: scaled images, or pixels 0 to 255 where it scales them itself.
    """

    model: Model
    network: nn.Module
    with_scaling: bool

    @property
    def input(self) -> str:
        """Name of the input."""
        return "pixels" if self.with_scaling else "images"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: ``logits`` for the answer, layer names for the others."""
        answer, *others = self.model.spec.kept
        return (answer if ANSWER in others else ANSWER, *others)

    def images(self, number: int) -> Tensor:
        """Return `number` random images as the network's input."""
        pixels = np.resize(random_pixels(self.model), (number, *self.model.spec.input_shape))
        return as_images(pixels.astype(np.float32)).contiguous()

    def inputs(self, images: Tensor, pixels: np.ndarray) -> Tensor:
        """Return the program's input: `pixels` where it scales them itself, else scaled
        `images`.
        """
        return as_images(pixels).float().contiguous() if self.with_scaling else images.contiguous()

    def values(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the outputs by layer name."""
        return dict(zip(self.model.spec.kept, outputs, strict=True))


class Scaled(nn.Module):
    """A network that scales pixels itself, in float32."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, standardizer: Standardizer) -> None:
        super().__init__()
        self.network = network
        self.clip = standardizer.clip
        self.bgr = standardizer.bgr
        for name in ("mean", "scale"):
            moment = channels_first(getattr(standardizer, name))
            values = torch.from_numpy(np.array(moment, np.float32, order="C"))
            self.register_buffer(name, values)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:  # (N, C, H, W), 0 to 255
        x = (pixels.flip(1) if self.bgr else pixels) - self.mean
        x = x / self.scale
        return self.network(x if self.clip is None else x.clamp(-self.clip, self.clip))


def program_of(model: Model, layers: Sequence[str] = (), with_scaling: bool = False) -> Program:
    """Return the program of a network; raise SpecError for a layer that it does not have."""
    model = with_layers(model, layers)
    network = torch_code(model).network()
    return Program(
        model, Scaled(network, model.standardizer) if with_scaling else network, with_scaling
    )


def exported(program: Program) -> ExportedProgram:
    """Return torch's program for batches of any size; raise UserError where torch cannot make
    it.
    """
    batch = Dim("batch")
    try:
        with torch.no_grad():
            return torch.export.export(
                program.network, (program.images(2),), dynamic_shapes=({0: batch},)
            )
    except Exception as error:  # torch.export raises errors of many types
        raise UserError(
            f"torch.export cannot hold this network ({first_line(error)}); accepted: --code"
        ) from error


def packed_program(program: Program, graph: ExportedProgram) -> tuple[bytes, dict[str, Any]]:
    """Return the content of the ``.pt2`` file, and the comparison of the reloaded program with the
    network.
    """
    buffer = io.BytesIO()
    torch.export.save(graph, buffer)
    content = buffer.getvalue()
    loaded = torch.export.load(io.BytesIO(content)).module()

    def run(images: Tensor, pixels: np.ndarray) -> Mapping[str, Tensor]:
        with torch.no_grad():
            values = loaded(program.inputs(images, pixels))
        return program.values((values,) if isinstance(values, Tensor) else values)

    names = program.model.spec.kept
    return content, check(program.model, run, names, _LIMIT, "torch.export")
