"""The image that a network reads if the file has (28, 28, 1), (28, 28) or 784 values."""

from __future__ import annotations

import math
from typing import Any

from .entries import KerasLayer
from .errors import KerasFileError
from .graph import Graph
from .vocabulary.shapes import target_shape

Shape = tuple[int, ...]

_CHANNELS = (1, 3)  # of flat images: grey, colour
LARGEST_SIDE = 4096
_VALUE_BY_VALUE = (
    "Rescaling",
    "Dropout",
    "GaussianNoise",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "TFOpLambda",
)
_ACCEPTED = (
    f"(height, width, channels) up to {LARGEST_SIDE} a side, (height, width), "
    "or (n,) with n a square or three squares"
)


def input_image(graph: Graph, shape: tuple[Any, ...] | None) -> tuple[Shape, bool]:
    """Return the image's (height, width, channels), and whether the network must flatten it.

    A grey image may lack its channel axis, or be flat. Flat ones get the shape of the network's own
    Reshape, else a square; unknown sizes become 28 (grey) or 224. `shape` is the file's input
    shape, channels last. Raises KerasFileError if there is no such image.
    """
    if shape is None:
        raise KerasFileError(f"the file does not say the shape of its input; accepted: {_ACCEPTED}")
    if len(shape) == 3 and type(shape[2]) is int and None in shape[:2]:
        return _checked(_filled(shape), shape), False
    if not all(type(size) is int and 0 < size <= LARGEST_SIDE**2 for size in shape):
        raise KerasFileError(
            f"the input has the shape {shape}; accepted: whole numbers, {_ACCEPTED}"
        )
    if len(shape) == 3:
        return _checked(shape, shape), False
    first = _first_layer(graph)
    reshaped = target_shape(first, shape) if first is not None and first.kind == "Reshape" else ()
    if len(shape) == 2:
        if first is not None and first.kind not in ("Flatten", "Reshape"):
            raise KerasFileError(
                f"{first} works on the rows of a {shape} input; accepted: Flatten or Reshape first"
            )
        return _checked((*shape, 1), shape), False
    if len(shape) == 1:
        return (
            (_checked(reshaped, shape), False)
            if len(reshaped) == 3
            else (_checked(_square(shape[0]), shape), True)
        )
    raise KerasFileError(f"the input has the shape {shape}; accepted: {_ACCEPTED}")


def _filled(shape: tuple[Any, ...]) -> Shape:
    """Return a shape without unknown sizes: those of the other one, else MNIST's or ImageNet's.

    MNIST's are for grey images.
    """
    side = next((size for size in shape[:2] if size is not None), 28 if shape[2] == 1 else 224)
    return tuple(side if size is None else size for size in shape)


def _first_layer(graph: Graph) -> KerasLayer | None:
    """Return the first layer that is not elementwise, None if the network branches before it."""
    value = graph.entrance
    while True:
        readers = [node for node in graph.nodes if value in node.inputs]
        if len(readers) != 1:
            return None
        if readers[0].layer.kind not in _VALUE_BY_VALUE:
            return readers[0].layer
        value = readers[0].name


def _square(size: int) -> Shape:
    for channels in _CHANNELS:
        side = math.isqrt(size // channels)
        if side * side * channels == size:
            return side, side, channels
    return ()


def _checked(image: Shape, shape: Shape) -> Shape:
    if len(image) != 3 or max(image) > LARGEST_SIDE:
        raise KerasFileError(f"the input has the shape {shape}; accepted: {_ACCEPTED}")
    return image
