"""Layers of several inputs, and arithmetic with constants, such as ``x + 3.0``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..entries import KerasLayer
from ..errors import KerasFileError
from ..graph import Node
from .settings import Entry, Reader, Shape

_MERGES = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
}
# functions by the names of tf.keras 2.4 to 2.15 (TFOpLambda), TensorFlow's own (TensorFlowOpLayer),
# and Keras 3
_ARITHMETIC = {
    "__operators__.add": "+",
    "math.add": "+",
    "math.subtract": "-",
    "math.multiply": "*",
    "math.truediv": "/",
    "math.divide": "/",
    "__operators__.truediv": "/",
    "AddV2": "+",
    "Add": "+",
    "Sub": "-",
    "Mul": "*",
    "RealDiv": "/",
    "Subtract": "-",
    "Multiply": "*",
    "TrueDivide": "/",
    "Divide": "/",
}
_FUNCTIONS = {
    "nn.relu": "relu",
    "nn.relu6": "relu6",
    "nn.silu": "silu",
    "nn.swish": "silu",
    "math.sigmoid": "sigmoid",
    "nn.sigmoid": "sigmoid",
    "math.tanh": "tanh",
    "nn.tanh": "tanh",
    "nn.softmax": "softmax",
    "nn.elu": "elu",
    "nn.selu": "selu",
    "math.softplus": "softplus",
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softmax": "softmax",
    "Elu": "elu",
    "Selu": "selu",
}
_LAMBDAS = ("TFOpLambda", "TensorFlowOpLayer")
_DIVISIONS = ("TrueDivide", "Divide")


def is_arithmetic(node: Node) -> bool:
    """Return whether a call is a function of Keras or TensorFlow rather than a layer's."""
    kind = node.layer.kind
    return kind in (*_LAMBDAS, *_DIVISIONS) or (
        kind in _ARITHMETIC and (node.layer.operation or bool(node.constants))
    )


def arithmetic(node: Node) -> Entry:
    """Return ``x + c``, ``c - x`` and the like as a rescaling, or as a merge of two tensors."""
    function, constants = _function(node.layer)
    constants = {**node.constants, **constants}
    if function in _FUNCTIONS and not constants:
        return {"type": "activation", "activation": _FUNCTIONS[function]}
    sign = _ARITHMETIC.get(function)
    if sign is not None and len(node.inputs) == 2 and not constants and sign != "/":
        return {"type": {"+": "add", "-": "subtract", "*": "multiply"}[sign]}
    values = [value for value in constants.values() if type(value) in (int, float)]
    if sign is None or len(node.inputs) != 1 or len(values) != 1 or len(constants) != 1:
        raise KerasFileError(
            f"{node.layer}: the function {function!r} on {len(node.inputs)} tensors and the "
            f"constants {str(list(constants.values()))[:80]} is not supported; accepted: + - * "
            "and / of a tensor and a number, + - * of two tensors"
        )
    return _rescaling(node.layer, sign, values[0], first=0 in constants)


def _function(layer: KerasLayer) -> tuple[str, dict[int, Any]]:
    """Return the function's name, and constants that stand in the layer's own settings."""
    if layer.kind == "TFOpLambda":
        return str(layer.config.get("function", layer.name)).removeprefix("tf."), {}
    if layer.kind == "TensorFlowOpLayer":
        definition = layer.config.get("node_def")
        settings = (
            json.loads(definition)
            if isinstance(definition, str) and definition[:1] == "{"
            else definition
        )
        constants = layer.config.get("constants") or {}
        return str(settings.get("op") if isinstance(settings, dict) else settings), {
            int(place): value for place, value in constants.items()
        }
    return layer.kind, {}


def _rescaling(layer: KerasLayer, sign: str, value: float, first: bool) -> Entry:
    match sign, first:
        case "+", _:
            factor = 1.0
            offset = value
        case "-", False:
            factor = 1.0
            offset = -value
        case "-", True:
            factor = -1.0
            offset = value
        case "*", _:
            factor = value
            offset = 0.0
        case "/", False if value != 0:
            factor = 1 / value
            offset = 0.0
        case "/", False:
            raise KerasFileError(f"{layer}: x / {value} is not supported; accepted: a number but 0")
        case _:
            raise KerasFileError(f"{layer}: {value} / x is not supported; accepted: x / {value}")
    return {"type": "rescaling", "factor": factor, "offset": offset}


def _merge(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": _MERGES[layer.kind]}


def _concatenate(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    axis = layer.config.get("axis", -1)
    return (
        {"type": "concatenate"}
        if axis in (-1, len(shapes[0]))
        else {"type": "concatenate", "axis": axis}
    )


def _refused(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    raise KerasFileError(f"{layer} is not supported on these inputs")


READERS: dict[str, Reader] = {
    **dict.fromkeys(_MERGES, _merge),
    "Concatenate": _concatenate,
    **dict.fromkeys((*_LAMBDAS, *_DIVISIONS), _refused),
}
