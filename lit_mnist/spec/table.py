"""The layer table of a network: shapes, weights, operations and receptive fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .layer import INPUT, Shape
from .layers import Shared
from .windows import Patch, in_pixels, merged

if TYPE_CHECKING:
    from .description import NetworkSpec


@dataclass(frozen=True)
class LayerInfo:
    """One row of the layer table.

    `receptive_field`, `jump` and `start` are (rows, columns) in input pixels: size of the patch one
    unit sees, distance between neighbouring units' patches, and the first patch's top left corner
    (negative if padding is seen). After enlarging layers, these describe the smallest patch of
    whole pixels around what any unit sees. Values common to all positions (an image's statistics,
    the factors of squeeze-and-excitation) are not counted. `inputs` are the names of the layers
    read, `input_shape` is the first one's shape. `maps` is the number of feature
    maps, None for vectors.
    """

    name: str
    type: str
    activation: str | None
    input_shape: Shape
    output_shape: Shape
    weights: Mapping[str, Shape]
    parameters: int
    trainable_parameters: int
    macs: int
    receptive_field: tuple[int, int]
    jump: tuple[int | float, int | float]
    start: tuple[int, int]
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]

    @property
    def maps(self) -> int | None:
        """Number of feature maps, None for a vector."""
        return self.output_shape[2] if len(self.output_shape) == 3 else None


def walk(spec: NetworkSpec) -> Iterator[LayerInfo]:
    """Yield the layers' rows in order.

    Raises SpecError if shapes do not fit or the answer is no vector.
    """
    image = spec.input_shape[:2]
    shapes = {INPUT: spec.input_shape}
    patches = {INPUT: Patch((1, 1), (1, 1), (0, 0))}
    rows: dict[str, LayerInfo] = {}
    for layer in spec.layers:
        inputs = spec.sources[layer.name]
        called = spec.definitions[layer.name]
        input_shapes = tuple(shapes[name] for name in inputs)
        output = called.merged_shape(input_shapes)
        weights = called.weights(input_shapes[0])
        if isinstance(layer, Shared):
            weights = _shared_weights(layer, weights, rows)
        local = [
            name for name in inputs if shapes[name][:-1] == output[:-1]
        ] or inputs  # the others are broadcast
        seen = (
            patches[inputs[0]]
            if len(inputs) == 1
            else merged([patches[name] for name in local], image)
        )
        patch = seen.seen_through(called.window(input_shapes[0]), image)
        trainable = sum(
            math.prod(shape) for name, shape in weights.items() if name in called.trainable_weights
        )
        rows[layer.name] = LayerInfo(
            layer.name,
            layer.type,
            getattr(called, "activation", None),
            input_shapes[0],
            output,
            weights,
            sum(map(math.prod, weights.values())),
            trainable,
            called.macs(input_shapes[0]),
            *in_pixels(patch),
            inputs,
            input_shapes,
        )
        shapes[layer.name], patches[layer.name] = output, patch
        yield rows[layer.name]
    _check_answer(spec, rows[spec.output])


def _shared_weights(
    layer: Shared, weights: Mapping[str, Shape], rows: Mapping[str, LayerInfo]
) -> dict[str, Shape]:
    """Return no weights, after checking that the other layer's weights fit this input."""
    original = dict(rows[layer.shares].weights)
    if original != weights:
        raise layer.fail(
            "shares",
            layer.shares,
            f"its input needs weights {weights}, that layer's are {original}",
        )
    return {}


def _check_answer(spec: NetworkSpec, info: LayerInfo) -> None:
    layer = spec.layers[spec.names.index(info.name)]
    if len(info.output_shape) != 1:
        which = "the last layer" if spec.outputs is None else "the first output"
        raise layer.fail(
            "output shape", info.output_shape, f"{which} must give a vector of class scores"
        )
    if info.activation in ("softmax", "sigmoid") and spec.readers[info.name]:
        raise layer.fail(
            "activation",
            info.activation,
            "it gives the network's answer, whose activation is left to the loss, but "
            f"{spec.readers[info.name][0]!r} reads it; accepted: an activation layer of its own "
            "for the answer",
        )
