"""One Keras layer's settings as an entry of a NetworkSpec: the reading half of the vocabulary.

Every function takes a KerasLayer and the shape of its input, and returns the entry without its name.
Settings that would change the result and have no counterpart are refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .chain import KerasLayer
from .errors import KerasFileError

Entry = dict[str, Any]
Shape = tuple[int, ...]

_ACTIVATIONS = ("relu", "elu", "leaky_relu", "tanh", "sigmoid", "linear", "softmax")
_LEAKY = 0.2  # slope of the activation *function* leaky_relu, in Keras 3 and in TensorFlow; the layer's is 0.3
_TRAINING_ONLY = ("bias_regularizer", "activity_regularizer", "beta_regularizer", "gamma_regularizer",
                  "kernel_constraint", "bias_constraint", "beta_constraint", "gamma_constraint")


def entry_of(layer: KerasLayer, shape: Shape) -> Entry:
    """Return the spec's entry for a layer on an input of `shape`; raise KerasFileError naming layer and setting."""
    _refuse_dtype(layer)
    return READERS[layer.kind](layer, shape)


def training_only(layer: KerasLayer) -> list[str]:
    """Return the settings of a layer that matter to training alone and that a NetworkSpec cannot hold."""
    return [key for key in _TRAINING_ONLY if layer.config.get(key)]


def _refuse(layer: KerasLayer, key: str, value: object, accepted: str) -> KerasFileError:
    return KerasFileError(f"{layer}: {key} = {str(value)[:80]} is not supported; accepted: {accepted}")


def _only(layer: KerasLayer, **accepted: tuple[Any, ...]) -> None:
    """Refuse a setting outside its accepted values; the first of them is also what an absent setting means."""
    for key, values in accepted.items():
        value = layer.config.get(key, values[0])
        value = tuple(value) if isinstance(value, list) else value
        if value not in values:
            raise _refuse(layer, key, value, " or ".join(map(str, values)))


def _refuse_dtype(layer: KerasLayer) -> None:
    dtype = layer.config.get("dtype")
    if isinstance(dtype, Mapping):  # a policy, as an object
        settings = dtype.get("config")
        dtype = settings.get("name") if isinstance(settings, Mapping) else dtype
    if dtype not in (None, "float32", "float64"):
        raise _refuse(layer, "dtype", dtype, "float32, float64")


def _need(layer: KerasLayer, key: str) -> Any:
    if key not in layer.config:
        raise KerasFileError(f"{layer}: its setting {key!r} is missing")
    value = layer.config[key]
    return tuple(value) if isinstance(value, list) else value


def _pair(layer: KerasLayer, key: str) -> Any:
    value = _need(layer, key)
    return (value, value) if type(value) is int else value


def _number(layer: KerasLayer, *keys: str, default: float) -> float:
    """Return the number under the first of `keys` that is there (releases differ in the name)."""
    for key in keys:
        value = layer.config.get(key)
        if isinstance(value, Mapping):  # Keras 2.2 wrote some numbers as arrays: {"type": "ndarray", "value": 0.1}
            value = value.get("value")
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise _refuse(layer, key, value, "a finite number")
            return value
    return default


def _activation(layer: KerasLayer) -> Entry:
    """An activation given by name, or as an object: a function, or a layer standing in for one."""
    value = layer.config.get("activation") or "linear"
    if isinstance(value, Mapping):
        kind, settings = value.get("class_name"), value.get("config")
        if kind in _ACTIVATION_LAYERS and isinstance(settings, Mapping):
            return _ACTIVATION_LAYERS[kind](KerasLayer(kind, layer.name, settings), (1,))
        value = settings if kind == "function" else kind
    if value == "leaky_relu":
        return {"activation": "leaky_relu", "alpha": _LEAKY}
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        raise _refuse(layer, "activation", value, ", ".join(_ACTIVATIONS))
    return {"activation": value}


def _penalty(layer: KerasLayer) -> Entry:
    value = layer.config.get("kernel_regularizer")
    if value is None:
        return {}
    settings = value.get("config") if isinstance(value, Mapping) else None
    if not isinstance(settings, Mapping) or value.get("class_name") not in ("L1", "L2", "L1L2"):
        raise _refuse(layer, "kernel_regularizer", value, "L1, L2, L1L2")
    return {key: settings[key] for key in ("l1", "l2") if settings.get(key)}


def _conv(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, data_format=("channels_last", None), dilation_rate=((1, 1), 1), groups=(1,), lora_rank=(None,),
          quantization_config=(None,))
    return {"type": "conv", "filters": _need(layer, "filters"), "kernel": _need(layer, "kernel_size"),
            "stride": _need(layer, "strides"), "padding": _need(layer, "padding"),
            "use_bias": layer.config.get("use_bias", True)} | _activation(layer) | _penalty(layer)


def _dense(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, lora_rank=(None,), quantization_config=(None,))
    if len(shape) != 1:
        raise KerasFileError(f"{layer}: its input has the shape {shape}; accepted: a vector (Flatten before it)")
    return {"type": "dense", "units": _need(layer, "units"),
            "use_bias": layer.config.get("use_bias", True)} | _activation(layer) | _penalty(layer)


def _pool(kind: str) -> Callable[[KerasLayer, Shape], Entry]:
    def read(layer: KerasLayer, shape: Shape) -> Entry:
        _only(layer, data_format=("channels_last", None))
        size, stride = _pair(layer, "pool_size"), layer.config.get("strides") and _pair(layer, "strides")
        return {"type": "pool", "kind": kind, "size": size, "stride": None if stride == size else stride,
                "padding": layer.config.get("padding", "valid")}
    return read


def _global_pool(kind: str) -> Callable[[KerasLayer, Shape], Entry]:
    def read(layer: KerasLayer, shape: Shape) -> Entry:
        _only(layer, data_format=("channels_last", None), keepdims=(False,))
        return {"type": "global_pool", "kind": kind}
    return read


def _zero_pad(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, data_format=("channels_last", None))
    return {"type": "zero_pad", "padding": _need(layer, "padding")}


def _batch_norm(layer: KerasLayer, shape: Shape) -> Entry:
    last = len(shape)
    _only(layer, axis=(-1, last, (last,), (-1,)), renorm=(False,), virtual_batch_size=(None,))
    return {"type": "batch_norm", "momentum": _number(layer, "momentum", default=0.99),
            "epsilon": _number(layer, "epsilon", default=1e-3),
            "center": layer.config.get("center", True), "scale": layer.config.get("scale", True)}


def _dropout(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, noise_shape=(None,), data_format=("channels_last", None))
    spatial = {"spatial": True} if layer.kind == "SpatialDropout2D" else {}
    return {"type": "dropout", "rate": _need(layer, "rate")} | spatial


def _flatten(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, data_format=("channels_last", None))
    return {"type": "flatten"}


def _reshape(layer: KerasLayer, shape: Shape) -> Entry:
    target = target_shape(layer, shape)
    if len(target) == 1:
        return {"type": "flatten"}
    if len(target) != 3:
        raise _refuse(layer, "target_shape", target, "an image (height, width, channels), or a vector")
    return {"type": "reshape", "shape": target}


def target_shape(layer: KerasLayer, shape: Shape) -> Shape:
    """Return a Reshape layer's output shape, with its -1 worked out."""
    target, size = _need(layer, "target_shape"), math.prod(shape)
    if not (isinstance(target, tuple) and all(type(n) is int and (n > 0 or n == -1) for n in target)):
        raise _refuse(layer, "target_shape", target, "whole numbers above 0, one of them may be -1")
    known = math.prod(n for n in target if n > 0)
    target = tuple(size // known if n == -1 else n for n in target)
    if math.prod(target) != size:
        raise _refuse(layer, "target_shape", target, f"the {size} values of its input {shape}")
    return target


def _rescaling(layer: KerasLayer, shape: Shape) -> Entry:
    return {"type": "rescaling", "factor": _number(layer, "scale", default=1.0),
            "offset": _number(layer, "offset", default=0.0)}


def _relu(layer: KerasLayer, shape: Shape) -> Entry:
    _only(layer, max_value=(None,), threshold=(0, None))
    slope = _number(layer, "negative_slope", default=0.0)
    if slope == 0:
        return {"type": "activation", "activation": "relu"}
    return {"type": "activation", "activation": "leaky_relu", "alpha": slope}


def _leaky_relu(layer: KerasLayer, shape: Shape) -> Entry:
    return {"type": "activation", "activation": "leaky_relu"} | _alpha(layer, 0.3, "negative_slope", "alpha")


def _elu(layer: KerasLayer, shape: Shape) -> Entry:
    return {"type": "activation", "activation": "elu"} | _alpha(layer, 1.0, "alpha")


def _alpha(layer: KerasLayer, default: float, *keys: str) -> Entry:
    alpha = _number(layer, *keys, default=default)
    return {} if alpha == default else {"alpha": alpha}


def _softmax(layer: KerasLayer, shape: Shape) -> Entry:
    last = len(shape)
    _only(layer, axis=(-1, last, (last,), (-1,)))
    return {"type": "activation", "activation": "softmax"}


def _activation_layer(layer: KerasLayer, shape: Shape) -> Entry:
    return {"type": "activation"} | _activation(layer)


_ACTIVATION_LAYERS = {
    kind: lambda layer, shape, read=read: {k: v for k, v in read(layer, shape).items() if k != "type"}
    for kind, read in {"ReLU": _relu, "LeakyReLU": _leaky_relu, "ELU": _elu, "Softmax": _softmax}.items()
}

READERS: dict[str, Callable[[KerasLayer, Shape], Entry]] = {
    "Conv2D": _conv, "Dense": _dense, "MaxPooling2D": _pool("max"), "AveragePooling2D": _pool("average"),
    "GlobalMaxPooling2D": _global_pool("max"), "GlobalAveragePooling2D": _global_pool("average"),
    "ZeroPadding2D": _zero_pad, "BatchNormalization": _batch_norm, "Dropout": _dropout, "SpatialDropout2D": _dropout,
    "Flatten": _flatten, "Reshape": _reshape, "Rescaling": _rescaling, "Activation": _activation_layer,
    "ReLU": _relu, "LeakyReLU": _leaky_relu, "ELU": _elu, "Softmax": _softmax,
}
SUPPORTED = (*READERS, "InputLayer")
