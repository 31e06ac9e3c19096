"""Arithmetic between layers, in the forms that TensorFlow 2.2 to 2.15 wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lit_mnist.keras_files import KerasFileError, read_keras
from lit_mnist.spec import NetworkSpec, Rescaling
from tests.keras_files.files import CONV, INPUT, configured, layer

Nodes = list[list[Any]]


def read(tmp_path: Path, operation: dict[str, Any], nodes: Nodes) -> NetworkSpec:
    """Read a model whose `operation` 'k' is called by `nodes` on the output of the layer 'a'."""

    def called(entry: dict[str, Any], nodes: Nodes) -> dict[str, Any]:
        return entry | {"name": entry["config"]["name"], "inbound_nodes": [nodes] if nodes else []}

    layers = [
        called(layer("InputLayer", "i", **INPUT), []),
        called(layer("Conv2D", "a", **CONV), [["i", 0, 0, {}]]),
        called(operation, nodes),
        called(layer("Conv2D", "b", **(CONV | {"filters": 3})), [["k", 0, 0, {}]]),
        called(layer("Flatten", "f"), [["b", 0, 0, {}]]),
        called(layer("Dense", "d", units=4), [["f", 0, 0, {}]]),
    ]
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]]}
    return read_keras(configured(tmp_path / "model.keras", layers, "Functional", **ends)).spec


def after(value: float | list[float]) -> Nodes:
    """The call of ``x - value``, as TensorFlow 2.4 to 2.15 wrote it."""
    return [["a", 0, 0, {"y": value, "name": None}]]


def before(value: float) -> Nodes:
    """The call of ``value - x``."""
    return [["_CONSTANT_VALUE", -1, value, {"y": ["a", 0, 0], "name": None}]]


@pytest.mark.parametrize(
    ("function", "nodes", "factor", "offset"),
    [
        ("__operators__.add", after(3.0), 1.0, 3.0),
        ("__operators__.add", before(3.0), 1.0, 3.0),
        ("math.subtract", after(3.0), 1.0, -3.0),
        ("math.subtract", before(3.0), -1.0, 3.0),
        ("math.multiply", after(0.5), 0.5, 0.0),
        ("math.truediv", after(4.0), 0.25, 0.0),
    ],
)
def test_a_tensor_and_a_number(
    tmp_path: Path, function: str, nodes: Nodes, factor: float, offset: float
) -> None:
    spec = read(tmp_path, layer("TFOpLambda", "k", function=function), nodes)
    assert spec.layers[1] == Rescaling("k", factor=factor, offset=offset)


@pytest.mark.parametrize(
    ("operation", "constants", "factor", "offset"),
    [
        ("AddV2", {"1": 3.0}, 1.0, 3.0),
        ("Sub", {"0": 3.0}, -1.0, 3.0),
        ("Sub", {"1": 3.0}, 1.0, -3.0),
        ("Mul", {"0": 0.5}, 0.5, 0.0),
        ("RealDiv", {"1": 4.0}, 0.25, 0.0),
    ],
)
def test_constants_in_the_settings_of_an_operation(
    tmp_path: Path, operation: str, constants: dict[str, float], factor: float, offset: float
) -> None:
    """TensorFlow 2.2 and 2.3 kept the operation as a node of a graph, in JSON."""
    definition = json.dumps({"name": "k", "op": operation, "input": ["a", "k/y"]})
    entry = layer("TensorFlowOpLayer", "k", node_def=definition, constants=constants)
    spec = read(tmp_path, entry, [["a", 0, 0, {}]])
    assert spec.layers[1] == Rescaling("k", factor=factor, offset=offset)


@pytest.mark.parametrize(
    ("function", "kind"),
    [("__operators__.add", "add"), ("math.subtract", "subtract"), ("math.multiply", "multiply")],
)
def test_two_tensors(tmp_path: Path, function: str, kind: str) -> None:
    nodes = [["a", 0, 0, {"y": ["a", 0, 0], "name": None}]]
    spec = read(tmp_path, layer("TFOpLambda", "k", function=function), nodes)
    assert spec["k"].type == kind
    assert spec["k"].inputs == ("a", "a")


@pytest.mark.parametrize(
    ("function", "activation"), [("nn.relu6", "relu6"), ("math.sigmoid", "sigmoid")]
)
def test_an_activation_as_a_function(tmp_path: Path, function: str, activation: str) -> None:
    spec = read(tmp_path, layer("TFOpLambda", "k", function=function), [["a", 0, 0, {}]])
    assert (spec["k"].type, spec["k"].activation) == ("activation", activation)


@pytest.mark.parametrize(
    ("function", "nodes", "message"),
    [
        ("math.truediv", before(4.0), r"4\.0 / x is not supported; accepted: x / 4\.0"),
        ("math.truediv", after(0.0), r"x / 0\.0 is not supported; accepted: a number but 0"),
        ("math.pow", after(2.0), r"the function 'math\.pow' on 1 tensors"),
        ("math.truediv", [["a", 0, 0, {"y": ["a", 0, 0]}]], r"'math\.truediv' on 2 tensors"),
        ("math.add", after([1.0, 2.0]), r"the constants \[\[1\.0, 2\.0\]\] is not supported"),
    ],
)
def test_what_is_no_rescaling_is_refused(
    tmp_path: Path, function: str, nodes: Nodes, message: str
) -> None:
    with pytest.raises(KerasFileError, match=message):
        read(tmp_path, layer("TFOpLambda", "k", function=function), nodes)
