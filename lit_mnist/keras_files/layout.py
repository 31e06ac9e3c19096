"""Files with channels-first images, and kernels that Theano stored rotated by half a turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..spec import BatchNorm, Layer, Shape
from .entries import KerasLayer
from .errors import KerasFileError
from .graph import Graph, Node

_FORMATTED = (
    "Conv2D",
    "DepthwiseConv2D",
    "SeparableConv2D",
    "Conv2DTranspose",
    "MaxPooling2D",
    "AveragePooling2D",
    "GlobalMaxPooling2D",
    "GlobalAveragePooling2D",
    "ZeroPadding2D",
    "Cropping2D",
    "UpSampling2D",
)
_ON_CHANNELS = (
    "BatchNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "Normalization",
    "Softmax",
    "Concatenate",
)
_VALUE_BY_VALUE = (
    "Activation",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "Rescaling",
    "Add",
    "Subtract",
    "Multiply",
    "Average",
    "Maximum",
    "Minimum",
)


def is_channels_first(graph: Graph) -> bool:
    """Return whether images have their channels first. Raises KerasFileError if only some have."""
    formats = {
        node.layer.config.get("data_format")
        for node in graph.nodes
        if node.layer.kind in _FORMATTED
    }
    if {"channels_first", "channels_last"} <= formats:
        layer = next(
            node.layer
            for node in graph.nodes
            if node.layer.config.get("data_format") == "channels_first"
        )
        raise KerasFileError(
            f"{layer}: data_format = channels_first beside layers of channels_last is not "
            "supported; accepted: one order of the axes in the whole file"
        )
    return "channels_first" in formats


def image_shape(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return (channels, height, width) as (height, width, channels); other shapes unchanged."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def channels_last(layer: KerasLayer, shape: Shape) -> KerasLayer:
    """Return a layer that does on channels-last images what `layer` does on the file's images.

    `shape` is the input's, channels last. Raises KerasFileError for unsupported settings.
    """
    changed: dict[str, Any] = {}
    if layer.config.get("data_format") == "channels_first":
        changed["data_format"] = "channels_last"
    if layer.kind in _ON_CHANNELS and len(shape) == 3 and "axis" in layer.config:
        changed["axis"] = _last(layer, layer.config["axis"])
    if layer.kind == "Reshape" and len(target := layer.config.get("target_shape", [])) == 3:
        if target[0] != 1:
            raise KerasFileError(
                f"{layer}: target_shape = {target} on images with their channels first is not "
                "supported; accepted: one channel"
            )
        changed["target_shape"] = [*target[1:], target[0]]
    elif len(shape) == 3 and layer.kind in ("Permute", "PReLU", "Reshape"):
        raise KerasFileError(f"{layer} on images with their channels first is not supported")
    return replace(layer, config={**layer.config, **changed})


def _last(layer: KerasLayer, axis: Any) -> Any:
    if isinstance(axis, list):
        return [_last(layer, number) for number in axis]
    if axis not in (1, -3):
        raise KerasFileError(
            f"{layer}: axis = {axis} on images with their channels first is not supported; "
            "accepted: 1 (the channels)"
        )
    return -1


def _flattened_order(image: Shape) -> np.ndarray:
    """Return the positions of a flattened (height, width, channels) image with channels first."""
    height, width, channels = image
    return np.arange(math.prod(image)).reshape(channels, height, width).transpose(1, 2, 0).ravel()


class Turns:
    """How each weight of a file becomes ours, by layer.

    Dense layers may follow flattened images.
    """

    def __init__(self, first: bool, backend: str | None) -> None:
        self.first = first
        self.flipped = backend == "theano"
        self.orders: dict[str, np.ndarray] = {}  # of the layers' inputs
        self.outputs: dict[str, np.ndarray] = {}  # of the layers' outputs
        self._images: dict[
            str, Shape
        ] = {}  # nodes whose vectors are images flattened channels first

    def follow(self, node: Node, name: str, shape: Shape, kind: type[Layer]) -> None:
        """Follow flattened images through a node with an input of `shape`.

        It is called `name` here, and is a layer of `kind`.
        """
        if not self.first:
            return
        if (
            node.layer.kind == "Flatten"
            and len(shape) == 3
            and node.layer.config.get("data_format") != "channels_first"
        ):
            self._images[node.name] = shape
            self.outputs[name] = _flattened_order(shape)
            return
        image = next(
            (self._images[source] for source in node.inputs if source in self._images), None
        )
        if image is None:
            return
        if kind.reads_vector or kind is BatchNorm:
            self.orders[name] = _flattened_order(image)
        elif node.layer.kind not in _VALUE_BY_VALUE:
            raise KerasFileError(
                f"{node.layer} on an image flattened with its channels first is not supported"
            )
        if not kind.reads_vector:
            self._images[node.name] = image
            self.outputs[name] = _flattened_order(image)

    def turned(self, name: str, array: np.ndarray) -> np.ndarray:
        """Return the file's array of weight ``layer/weight`` as ours."""
        layer, weight = name.split("/")
        if self.flipped and array.ndim == 4 and weight in ("kernel", "depthwise_kernel"):
            array = np.ascontiguousarray(array[::-1, ::-1])
        order = self.orders.get(layer)
        return (
            array[order]
            if order is not None and len(order) == len(array) and weight != "bias"
            else array
        )

    def all_turned(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every array of weights, or of one slot, as ours."""
        return {name: self.turned(name, array) for name, array in arrays.items()}
