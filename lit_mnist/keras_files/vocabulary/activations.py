"""Activations: as a setting by name or as an object, as layers, as functions of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...spec import ACTIVATIONS, ALIASES
from ..entries import KerasLayer
from .settings import Entry, Reader, Shape, last_axis, number, plain, refuse

_NAMES = (*ACTIVATIONS, *ALIASES, "softmax")
# slope of the activation *function* leaky_relu, in Keras 3 and in TensorFlow; the layer's is 0.3
_LEAKY = 0.2
_REGISTERED = {
    "lit_mnist>gelu_tanh": "gelu_tanh",
    "lit_mnist>hard_sigmoid_keras2": "hard_sigmoid_keras2",
}


def activation(layer: KerasLayer) -> Entry:
    """Return an activation given by name or as an object: a function, or a layer."""
    value = layer.config.get("activation") or "linear"
    if isinstance(value, Mapping):
        kind = value.get("class_name")
        settings = value.get("config")
        if isinstance(kind, str) and kind in _AS_SETTINGS and isinstance(settings, Mapping):
            return _stand_in(layer, KerasLayer(kind, layer.path, settings))
        value = settings if kind == "function" else kind
    if isinstance(value, str):
        value = _REGISTERED.get(value, value)
    if value == "leaky_relu":
        return {"activation": "leaky_relu", "alpha": _LEAKY}
    if not isinstance(value, str) or value not in _NAMES:
        raise refuse(layer, "activation", value, ", ".join(_NAMES))
    return {"activation": ALIASES.get(value, value)}


def _stand_in(layer: KerasLayer, inner: KerasLayer) -> Entry:
    entry = _AS_SETTINGS[inner.kind](inner, [(1,)])
    if entry.pop("type") == "relu":
        if entry != {"maximum": 6}:
            raise refuse(layer, "activation", f"ReLU with {entry}", "a ReLU layer of its own")
        return {"activation": "relu6"}
    return entry


def _named(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "activation"} | activation(layer)


def _function(name: str) -> Reader:
    return lambda layer, shapes: {"type": "activation", "activation": name}


def _relu(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    """Read Keras' general ReLU; the plain and the leaky one are other layers here."""
    slope = number(layer, "negative_slope", default=0.0)
    threshold = number(layer, "threshold", default=0.0)
    maximum = plain(layer.config.get("max_value"))
    if threshold == 0 and maximum is None:
        return {"type": "activation"} | (
            {"activation": "leaky_relu", "alpha": slope} if slope else {"activation": "relu"}
        )
    values = {
        "slope": slope,
        "threshold": threshold,
        "maximum": None if maximum is None else number(layer, "max_value", default=0.0),
    }
    return {"type": "relu"} | {key: value for key, value in values.items() if value}


def _relu6(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "activation", "activation": "relu6"}


def _leaky_relu(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "activation", "activation": "leaky_relu"} | _alpha(
        layer, 0.3, "negative_slope", "alpha"
    )


def _elu(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "activation", "activation": "elu"} | _alpha(layer, 1.0, "alpha")


def _alpha(layer: KerasLayer, default: float, *keys: str) -> Entry:
    alpha = number(layer, *keys, default=default)
    return {} if alpha == default else {"alpha": alpha}


def _softmax(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    last_axis(layer, shapes[0])
    return {"type": "activation", "activation": "softmax"}


def _gelu(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    approximate: Any = layer.config.get("approximate", True)
    return {"type": "activation", "activation": "gelu_tanh" if approximate else "gelu"}


def _prelu(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "prelu", "shared_axes": plain(layer.config.get("shared_axes")) or ()}


_AS_SETTINGS: dict[str, Reader] = {
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "Softmax": _softmax,
}
# functions of Keras 3 that a functional model calls as if they were layers
_FUNCTIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Silu": "silu",
    "Selu": "selu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_swish",
    "Mish": "mish",
    "Exp": "exponential",
}
READERS: dict[str, Reader] = {
    "Activation": _named,
    "PReLU": _prelu,
    "Gelu": _gelu,
    "Elu": _elu,
    "LeakyRelu": _leaky_relu,
    **_AS_SETTINGS,
    **{kind: _function(name) for kind, name in _FUNCTIONS.items()},
}
