"""A NetworkSpec as a Keras configuration: Sequential for a chain, else functional."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .. import spec as s
from .layer_configs import Config, class_and_config, keras_object
from .names import MODEL_NAME
from .order import in_keras_order


def is_sequential(spec: s.NetworkSpec) -> bool:
    """Whether a network is written as a Sequential model."""
    return spec.is_chain and not any(isinstance(layer, s.Shared) for layer in spec.layers)


def model_config(
    spec: s.NetworkSpec,
    names: Mapping[str, str],
    dtype: str,
    zipped: bool,
    frozen: Collection[str] = (),
) -> Config:
    """Return the model's description; `names` maps layer name -> different name in the file."""
    write = _sequential if is_sequential(spec) else _functional
    return write(spec, names, dtype, zipped, frozen)


def _sequential(
    spec: s.NetworkSpec, names: Mapping[str, str], dtype: str, zipped: bool, frozen: Collection[str]
) -> Config:
    layers = [_entrance(spec, names, dtype, zipped)]
    for layer, info in zip(spec.layers, spec.table, strict=True):
        built = {"build_config": {"input_shape": [None, *info.input_shape]}} if zipped else {}
        layers.append(_described(layer, names, dtype, zipped, frozen) | built)
    shape = [None, *spec.input_shape]
    model = {
        "name": MODEL_NAME,
        "trainable": True,
        "dtype": dtype,
        "layers": layers,
        "build_input_shape": shape,
    }
    if not zipped:
        return {"class_name": "Sequential", "config": model}
    return keras_object("Sequential", model, zipped, "keras") | {
        "build_config": {"input_shape": shape}
    }


def _functional(
    spec: s.NetworkSpec, names: Mapping[str, str], dtype: str, zipped: bool, frozen: Collection[str]
) -> Config:
    tensors = _tensors(spec, names)
    entrance = _entrance(spec, names, dtype, zipped) | {
        "name": _input_name(spec, names),
        "inbound_nodes": [],
    }
    layers = [entrance]
    for layer in in_keras_order(spec):
        calls = [
            call
            for call in spec.layers
            if call.name == layer.name or getattr(call, "shares", None) == layer.name
        ]
        nodes = [_call(spec, call, tensors, dtype) for call in calls]
        layers.append(
            _described(layer, names, dtype, zipped, frozen)
            | {"name": names.get(layer.name, layer.name), "inbound_nodes": nodes}
        )
    outputs = [list(tensors[name]) for name in spec.kept]
    model = {
        "name": "functional",
        "trainable": True,
        "layers": layers,
        "input_layers": list(tensors[s.INPUT]),
        "output_layers": outputs if len(outputs) > 1 else outputs[0],
    }
    return keras_object("Functional", model, zipped, "keras.src.models.functional")


def _tensors(spec: s.NetworkSpec, names: Mapping[str, str]) -> dict[str, tuple[str, int, int]]:
    """Return value -> its position for Keras: layer, number of the call, number of the output."""
    calls: dict[str, int] = {}
    tensors = {s.INPUT: (_input_name(spec, names), 0, 0)}
    for layer in spec.layers:
        owner = layer.shares if isinstance(layer, s.Shared) else layer.name
        tensors[layer.name] = (names.get(owner, owner), calls.setdefault(owner, 0), 0)
        calls[owner] += 1
    return tensors


def _call(
    spec: s.NetworkSpec, call: s.Layer, tensors: Mapping[str, tuple[str, int, int]], dtype: str
) -> Config:
    info = spec[call.name]
    arguments = [
        {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": [None, *shape],
                "dtype": dtype,
                "keras_history": list(tensors[source]),
            },
        }
        for source, shape in zip(info.inputs, info.input_shapes, strict=True)
    ]
    merges = isinstance(spec.layer(call.name), s.Merge)
    return {"args": [arguments] if merges else arguments, "kwargs": {}}


def _entrance(spec: s.NetworkSpec, names: Mapping[str, str], dtype: str, zipped: bool) -> Config:
    return keras_object(
        "InputLayer",
        {
            "batch_shape": [None, *spec.input_shape],
            "dtype": dtype,
            "name": _input_name(spec, names),
        },
        zipped,
    )


def _described(
    layer: s.Layer, names: Mapping[str, str], dtype: str, zipped: bool, frozen: Collection[str]
) -> Config:
    kind, config = class_and_config(layer, zipped)
    common: Config = {"name": names.get(layer.name, layer.name), "dtype": dtype}
    if layer.name in frozen:
        common["trainable"] = False
    return keras_object(kind, common | config, zipped)


def _input_name(spec: s.NetworkSpec, names: Mapping[str, str]) -> str:
    used = {names.get(layer, layer) for layer in spec.names}
    name = "input_layer"
    while name in used:
        name += "_"
    return name


def compile_config(
    spec: s.NetworkSpec, optimizer: str, settings: Mapping[str, Any], zipped: bool
) -> Config:
    """Return how Keras compiles the model: the optimiser, and the loss for the output.

    Labels are class numbers; sigmoid outputs take one target for each class.
    """
    from_logits = "BinaryCrossentropy" if spec.units == 1 else "SparseCategoricalCrossentropy"
    loss: str | Config = {
        "softmax": "sparse_categorical_crossentropy",
        "sigmoid": "binary_crossentropy",
    }.get(
        spec.output_activation,
        keras_object(from_logits, {"from_logits": True}, zipped, "keras.losses"),
    )
    described = keras_object(optimizer, dict(settings), zipped, "keras.optimizers")
    return {
        "optimizer" if zipped else "optimizer_config": described,
        "loss": loss,
        "metrics": ["accuracy"],
        "loss_weights": None,
        "weighted_metrics": None,
    }
