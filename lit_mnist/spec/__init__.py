"""A network as an ordered list of named layers, described by arithmetic alone (no framework).

Shapes are written as Keras writes them: ``(height, width, channels)`` for images and
``(units,)`` for vectors, without the batch axis.
"""

from .description import INITIALIZERS, LayerInfo, NetworkSpec, is_layer_name
from .layer import ACTIVATIONS, PADDINGS, Activated, Layer, Shape, SpecError, Window, same_padding
from .layers import (
    LAYER_TYPES,
    POOL_KINDS,
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Pool,
    Rescaling,
    Reshape,
    ZeroPad,
)
from .serialize import layer_from_dict

__all__ = [
    "ACTIVATIONS", "INITIALIZERS", "LAYER_TYPES", "PADDINGS", "POOL_KINDS", "Activated", "Activation", "BatchNorm",
    "Conv", "Dense", "Dropout", "Flatten", "GlobalPool", "Layer", "LayerInfo", "NetworkSpec", "Pool", "Rescaling",
    "Reshape", "Shape", "SpecError", "Window", "ZeroPad", "is_layer_name", "layer_from_dict", "same_padding",
]
