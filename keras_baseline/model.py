"""The Keras model of a NetworkSpec: same layers, same names, same initial weights."""

from __future__ import annotations

from typing import Any

from lit_mnist import spec as s
from lit_mnist.spec.weights import Weights, check_weights

from .backend import load_keras


def build_model(spec: s.NetworkSpec, dtype: str = "float32"):  # noqa: ANN201 - a keras.Sequential
    """Return an uncompiled `keras.Sequential` with the spec's layer names and softmax or sigmoid at its end."""
    keras = load_keras()
    entrance = keras.Input(spec.input_shape, dtype=dtype)
    return keras.Sequential([entrance, *(_layer(keras, layer, dtype) for layer in spec.layers)])


def set_weights(model: Any, spec: s.NetworkSpec, weights: Weights) -> None:
    """Load named weights; raise SpecError where they are not exactly the network's."""
    check_weights(spec, weights)
    for info in spec.table:
        if info.weights:
            model.get_layer(info.name).set_weights([weights[f"{info.name}/{name}"] for name in info.weights])


def get_weights(model: Any, spec: s.NetworkSpec) -> Weights:
    """Return a copy of the model's named weights."""
    return {f"{info.name}/{name}": array for info in spec.table if info.weights
            for name, array in zip(info.weights, model.get_layer(info.name).get_weights(), strict=True)}


def _layer(keras: Any, layer: s.Layer, dtype: str) -> Any:
    layers, common = keras.layers, {"name": layer.name, "dtype": dtype}
    match layer:
        case s.Conv():
            return layers.Conv2D(layer.filters, layer.kernel, layer.stride, layer.padding, **common,
                                 **_weighted(keras, layer, dtype))
        case s.Dense():
            return layers.Dense(layer.units, **common, **_weighted(keras, layer, dtype))
        case s.Pool():
            kind = layers.MaxPooling2D if layer.kind == "max" else layers.AveragePooling2D
            return kind(layer.size, layer.step, layer.padding, **common)
        case s.GlobalPool():
            return (layers.GlobalMaxPooling2D if layer.kind == "max" else layers.GlobalAveragePooling2D)(**common)
        case s.ZeroPad():
            return layers.ZeroPadding2D(layer.padding, **common)
        case s.Dropout():
            return (layers.SpatialDropout2D if layer.spatial else layers.Dropout)(layer.rate, **common)
        case s.BatchNorm():
            return layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, center=layer.center,
                                             scale=layer.scale, **common)
        case s.Rescaling():
            return layers.Rescaling(layer.factor, layer.offset, **common)
        case s.Flatten():
            return layers.Flatten(**common)
        case s.Reshape():
            return layers.Reshape(layer.shape, **common)
        case s.Activation():
            return layers.Activation(_activation(keras, layer, dtype), **common)
    raise TypeError(f"no Keras layer for a {type(layer).__name__}")


def _weighted(keras: Any, layer: s.Conv | s.Dense, dtype: str) -> dict[str, Any]:
    penalty = keras.regularizers.L1L2(float(layer.l1), float(layer.l2)) if layer.l1 or layer.l2 else None
    return {"activation": _activation(keras, layer, dtype), "use_bias": layer.use_bias, "kernel_regularizer": penalty}


def _activation(keras: Any, layer: s.Conv | s.Dense | s.Activation, dtype: str) -> Any:
    """Keras' own name, or a layer where the slope is not Keras' default (0.2 for leaky_relu's name, 0.3 here).

    Such a layer needs the type as well: it would cast to the global policy's, which Keras fixes at its first use.
    """
    match layer.activation:
        case "leaky_relu":
            return keras.layers.LeakyReLU(0.3 if layer.alpha is None else layer.alpha, dtype=dtype)
        case "elu" if layer.alpha is not None:
            return keras.layers.ELU(layer.alpha, dtype=dtype)
    return layer.activation
