"""A network as an ordered list of named layers, described by arithmetic alone (no framework).

Shapes are written as Keras writes them: ``(height, width, channels)`` for images and
``(units,)`` for vectors, without the batch axis.
"""

from . import layers
from .checks import INITIALIZERS
from .description import INITIALIZER_SCALE, NetworkSpec
from .layer import (
    ACTIVATIONS,
    ALIASES,
    INPUT,
    MONOTONE,
    PADDINGS,
    Activated,
    Layer,
    Shape,
    SpecError,
)
from .layers import *  # noqa: F403 - every layer type, by the list that the folder keeps
from .names import is_layer_name
from .serialize import layer_from_dict
from .table import LayerInfo
from .windows import Window, same_padding
from .wiring import Step

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "INITIALIZERS",
    "INITIALIZER_SCALE",
    "INPUT",
    "MONOTONE",
    "PADDINGS",
    "Activated",
    "Layer",
    "LayerInfo",
    "NetworkSpec",
    "Shape",
    "SpecError",
    "Step",
    "Window",
    "is_layer_name",
    "layer_from_dict",
    "same_padding",
]
__all__ += layers.__all__
