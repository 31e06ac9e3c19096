"""Activations and layers that Keras lacks, registered so that it loads models that contain them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lit_mnist.spec.layers import LEAST_SQUARE


def register(keras: Any) -> None:
    """Register the activations and layers that Keras lacks, so that it loads models that contain
    them.
    """
    custom_activations(keras)
    distances_layer(keras)


@functools.cache
def custom_activations(keras: Any) -> dict[str, Callable[[Any], Any]]:
    """Return activations that Keras lacks, registered so that saved models can name them."""

    @keras.saving.register_keras_serializable("lit_mnist")
    def gelu_tanh(x: Any) -> Any:
        return keras.activations.gelu(x, approximate=True)

    @keras.saving.register_keras_serializable("lit_mnist")
    def hard_sigmoid_keras2(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    return {"gelu_tanh": gelu_tanh, "hard_sigmoid_keras2": hard_sigmoid_keras2}


@functools.cache
def distances_layer(keras: Any) -> type[Any]:
    """Return the class of a layer that Keras lacks, registered so that saved models can name it."""
    ops = keras.ops

    @keras.saving.register_keras_serializable("lit_mnist")
    class Distances(keras.layers.Layer):
        def __init__(self, units: int, **settings: Any) -> None:
            super().__init__(**settings)
            self.units = units

        def build(self, shape: tuple[int, ...]) -> None:
            self.centres = self.add_weight(name="centres", shape=(shape[-1], self.units))

        def call(self, x: Any) -> Any:
            lengths = ops.sum(ops.square(x), -1, keepdims=True) + ops.sum(
                ops.square(self.centres), 0
            )
            squares = lengths - 2 * ops.matmul(x, self.centres)
            return ops.sqrt(ops.maximum(squares, LEAST_SQUARE))

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    return Distances
