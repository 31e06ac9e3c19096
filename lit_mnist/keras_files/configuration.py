"""A NetworkSpec as a Keras configuration: the writing half of the vocabulary (reading: layers.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .. import spec as s

Config = dict[str, Any]

MODEL_NAME = "sequential"
_LEAKY_FUNCTION = 0.2  # slope of Keras' activation function leaky_relu; another slope needs its layer
_LEAKY_HERE = 0.3  # slope where a spec names none


def model_config(spec: s.NetworkSpec, names: Mapping[str, str], dtype: str, zipped: bool,
                 frozen: Collection[str] = ()) -> Config:
    """Return a Sequential model; `names` maps layer name -> name in the file, where they differ."""
    layers = [_object("InputLayer", {"batch_shape": [None, *spec.input_shape], "dtype": dtype,
                                     "name": _input_name(spec, names)}, zipped)]
    for layer, info in zip(spec.layers, spec.table, strict=True):
        kind, config = class_and_config(layer, zipped)
        common: Config = {"name": names.get(layer.name, layer.name), "dtype": dtype}
        if layer.name in frozen:
            common["trainable"] = False
        built = {"build_config": {"input_shape": [None, *info.input_shape]}} if zipped else {}
        layers.append(_object(kind, common | config, zipped) | built)
    shape = [None, *spec.input_shape]
    model = {"name": MODEL_NAME, "trainable": True, "dtype": dtype, "layers": layers, "build_input_shape": shape}
    if not zipped:
        return {"class_name": "Sequential", "config": model}
    return _object("Sequential", model, zipped, "keras") | {"build_config": {"input_shape": shape}}


def _object(kind: str, config: Config, zipped: bool = True, module: str = "keras.layers") -> Config:
    if not zipped:
        return {"class_name": kind, "config": config}
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def _input_name(spec: s.NetworkSpec, names: Mapping[str, str]) -> str:
    taken, name = {names.get(layer, layer) for layer in spec.names}, "input_layer"
    while name in taken:
        name += "_"
    return name


def class_and_config(layer: s.Layer, zipped: bool = True) -> tuple[str, Config]:
    """Return Keras' class for a layer, and the settings that say what it computes."""
    match layer:
        case s.Conv():
            return "Conv2D", {"filters": layer.filters, "kernel_size": list(layer.kernel),
                              "strides": list(layer.stride), "padding": layer.padding,
                              "data_format": "channels_last", **_ending(layer, zipped)}
        case s.Dense():
            return "Dense", {"units": layer.units, **_ending(layer, zipped)}
        case s.Pool():
            return ("MaxPooling2D" if layer.kind == "max" else "AveragePooling2D",
                    {"pool_size": list(layer.size), "strides": list(layer.step), "padding": layer.padding,
                     "data_format": "channels_last"})
        case s.GlobalPool():
            return ("GlobalMaxPooling2D" if layer.kind == "max" else "GlobalAveragePooling2D",
                    {"data_format": "channels_last", "keepdims": False})
        case s.ZeroPad():
            return "ZeroPadding2D", {"padding": [list(pair) for pair in layer.padding], "data_format": "channels_last"}
        case s.Dropout():
            return "SpatialDropout2D" if layer.spatial else "Dropout", {"rate": layer.rate}
        case s.BatchNorm():
            return "BatchNormalization", {"axis": -1, "momentum": layer.momentum, "epsilon": layer.epsilon,
                                          "center": layer.center, "scale": layer.scale}
        case s.Rescaling():
            return "Rescaling", {"scale": layer.factor, "offset": layer.offset}
        case s.Flatten():
            return "Flatten", {"data_format": "channels_last"}
        case s.Reshape():
            return "Reshape", {"target_shape": list(layer.shape)}
        case s.Activation():
            return _activation_layer(layer)
    raise TypeError(f"no Keras layer for a {type(layer).__name__} layer")


def _activation_layer(layer: s.Activation) -> tuple[str, Config]:
    if layer.activation == "leaky_relu":
        return "LeakyReLU", {"negative_slope": _slope(layer)}
    if layer.activation == "elu":
        return "ELU", {"alpha": 1.0 if layer.alpha is None else layer.alpha}
    return "Activation", {"activation": layer.activation}


def _slope(layer: s.Conv | s.Dense | s.Activation) -> float:
    return _LEAKY_HERE if layer.alpha is None else layer.alpha


def _ending(layer: s.Conv | s.Dense, zipped: bool) -> Config:
    """What convolutions and dense layers share: bias, activation, penalty on the kernel."""
    penalty = {"l1": layer.l1, "l2": layer.l2}
    regularizer = _object("L1L2", penalty, zipped, "keras.regularizers") if layer.l1 or layer.l2 else None
    return {"use_bias": layer.use_bias, "activation": _activation(layer), "kernel_regularizer": regularizer}


def _activation(layer: s.Conv | s.Dense) -> str | Config:
    """Return a name, or a layer as an object (in one form for both files) where the name means another slope."""
    if layer.activation == "leaky_relu" and _slope(layer) != _LEAKY_FUNCTION:
        return _object("LeakyReLU", {"name": "leaky_re_lu", "negative_slope": _slope(layer)})
    if layer.activation == "elu" and layer.alpha not in (None, 1.0):
        return _object("ELU", {"name": "elu", "alpha": layer.alpha})
    return layer.activation


def compile_config(spec: s.NetworkSpec, optimizer: str, settings: Mapping[str, Any], zipped: bool) -> Config:
    """Return how Keras shall compile the model: the optimiser, and the loss that suits the output.

    Labels are class numbers; sigmoid outputs take one target for each class.
    """
    from_logits = "BinaryCrossentropy" if spec.units == 1 else "SparseCategoricalCrossentropy"
    loss: str | Config = {"softmax": "sparse_categorical_crossentropy", "sigmoid": "binary_crossentropy"}.get(
        spec.output_activation, _object(from_logits, {"from_logits": True}, zipped, "keras.losses"))
    described = _object(optimizer, dict(settings), zipped, "keras.optimizers")
    return {"optimizer" if zipped else "optimizer_config": described, "loss": loss, "metrics": ["accuracy"],
            "loss_weights": None, "weighted_metrics": None}
