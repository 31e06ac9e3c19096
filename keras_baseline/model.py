"""The Keras model of a NetworkSpec: same layers, same names, same initial weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from lit_mnist import spec as s
from lit_mnist.spec.weights import Weights, check_weights

from .backend import load_keras
from .layers import Factory, build


def build_model(spec: s.NetworkSpec, dtype: str = "float32"):  # noqa: ANN201 - a keras.Model
    """Return an uncompiled Keras model with the spec's layer names, ending in softmax or sigmoid.

    A chain is a `keras.Sequential`, any other network a functional model, with a list of outputs
    where the spec keeps several.
    """
    keras = load_keras()
    make = Factory(keras, dtype)
    entrance = keras.Input(spec.input_shape, dtype=dtype)
    layers = {
        layer.name: build(layer, make) for layer in spec.layers if not isinstance(layer, s.Shared)
    }
    if spec.is_chain and len(layers) == len(spec.layers):
        return keras.Sequential([entrance, *layers.values()])
    tensors = {s.INPUT: entrance}
    for layer in spec.layers:
        inputs = [tensors[name] for name in spec.sources[layer.name]]
        called = layers[layer.shares if isinstance(layer, s.Shared) else layer.name]
        tensors[layer.name] = called(inputs if isinstance(layer, s.Merge) else inputs[0])
    outputs = [tensors[name] for name in spec.kept]
    return keras.Model(entrance, outputs if len(outputs) > 1 else outputs[0])


def layer_tensors(model: Any, spec: s.NetworkSpec) -> dict[str, Any]:
    """Return every layer's symbolic output in the spec's order; shared layers have one per call."""
    calls: dict[str, int] = {}
    result = {}
    for layer in spec.layers:
        owner = layer.shares if isinstance(layer, s.Shared) else layer.name
        keras_layer = model.get_layer(owner)
        call = calls.setdefault(owner, 0)
        alone = len(keras_layer._inbound_nodes) == 1
        result[layer.name] = (
            keras_layer.output if alone else keras_layer._inbound_nodes[call].output_tensors[0]
        )
        calls[owner] += 1
    return result


def variables(model: Any, spec: s.NetworkSpec) -> dict[str, Any]:
    """Return ``"<layer>/<weight>"`` -> Keras' variable, in the spec's order."""
    return {
        f"{info.name}/{name}": variable
        for info in spec.table
        if info.weights
        for name, variable in zip(info.weights, model.get_layer(info.name).weights, strict=True)
    }


def set_weights(model: Any, spec: s.NetworkSpec, weights: Weights) -> None:
    """Load named weights. Raises SpecError unless they are exactly the network's."""
    check_weights(spec, weights)
    for info in spec.table:
        if info.weights:
            model.get_layer(info.name).set_weights(
                [weights[f"{info.name}/{name}"] for name in info.weights]
            )
            _refresh(model.get_layer(info.name))


def get_weights(model: Any, spec: s.NetworkSpec) -> Weights:
    """Return a copy of the model's named weights."""
    return {
        f"{info.name}/{name}": np.asarray(array)  # Keras' count of images is a plain number
        for info in spec.table
        if info.weights
        for name, array in zip(info.weights, model.get_layer(info.name).get_weights(), strict=True)
    }


def _refresh(layer: Any) -> None:
    """Make a Normalization layer use its weights instead of the copy that adapting made."""
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()
