"""A network in the form that the page's JavaScript reads: layers with settings and sizes, weights
in one array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import UserError
from ..network import Network
from ..report.encode import base64_of
from ..runs.model import Model
from ..spec import (
    LEAST_SQUARE,
    SAME_VALUES,
    Concatenate,
    Distances,
    LayerInfo,
    LayerNorm,
    NetworkSpec,
    Pool,
    Scanning,
    Shared,
    TransposedConv,
)
from ..spec.layer import Layer
from ..spec.windows import padding_before

# with more parameters, a page would be larger than 20 MB
MAX_PARAMETERS = 4_000_000
# with more operations, it would redraw less than about five times a second
MAX_MACS = 200_000_000
_RESHAPED = ("flatten", "reshape")  # these only change the order of values
_TRAINING_ONLY = ("l1", "l2", "name", "inputs")


def check_size(spec: NetworkSpec) -> None:
    """Raise UserError for a network whose images cannot be drawn, or that is too large for a
    page.
    """
    channels = spec.input_shape[2]
    if channels not in (1, 3):
        raise UserError(
            f"this network takes images of {channels} channels, which no drawing or picture has; "
            "accepted: 1 channel (grey) or 3 (colour)"
        )
    for unit, number, limit in (
        ("parameters", spec.parameters, MAX_PARAMETERS),
        ("multiply-accumulates an image", spec.macs, MAX_MACS),
    ):
        if number > limit:
            raise UserError(
                f"this network has {number:,} {unit}, too many to run while the user "
                f"draws; accepted: up to {limit:,}"
            )


def description(network: Network) -> dict[str, Any]:
    """Return the description that `page/network/network.js` reads, in the order of `weights`."""
    spec = network.spec
    offsets = _offsets(spec)
    return {
        "inputShape": spec.input_shape,
        "answer": spec.output,
        "probabilityRule": spec.output_activation,
        "innerProbabilities": spec.inner_probabilities,
        "layers": [_layer(spec, info, offsets) for info in spec.table],
    }


def weights(network: Network) -> np.ndarray:
    """Return all weights in Keras' layout as one array, float32 (n,)."""
    arrays = [array.ravel() for array in network.named_weights().values()]
    return np.concatenate([*arrays, np.empty(0)]).astype("<f4")


def scaling(model: Model) -> dict[str, Any]:
    """Return the standardisation of pixels; means and scales as base64 of float64."""
    standardizer = model.standardizer
    return {
        "mean": base64_of(standardizer.mean.astype("<f8")),
        "scale": base64_of(standardizer.scale.astype("<f8")),
        "clip": standardizer.clip,
        "bgr": standardizer.bgr,
    }


def _offsets(spec: NetworkSpec) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by layer and weight, its offset in the array of all weights and its shape."""
    offsets: dict[str, dict[str, dict[str, Any]]] = {}
    offset = 0
    for info in spec.table:
        offsets[info.name] = {}
        for name, shape in info.weights.items():
            offsets[info.name][name] = {"offset": offset, "shape": shape}
            offset += math.prod(shape)
    return offsets


def _layer(
    spec: NetworkSpec, info: LayerInfo, offsets: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    layer = spec.layer(info.name)
    stored = spec.layers[spec.names.index(info.name)]
    owner = stored.shares if isinstance(stored, Shared) else info.name
    is_identity = layer.type in SAME_VALUES and layer.type not in _RESHAPED
    return {
        "name": info.name,
        "type": "unchanged" if is_identity else layer.type,
        "kind": info.type,
        "inputs": info.inputs,
        "inputShape": info.input_shape,
        "shape": info.output_shape,
        "settings": {} if is_identity else _settings(layer, info),
        "weights": offsets[owner],
        "weightsOf": owner,
        "isAnswer": info.name == spec.output,
        "showsNothingNew": layer.type in SAME_VALUES,
        "parameters": info.parameters,
        "macs": info.macs,
        "field": info.receptive_field,
        "jump": info.jump,
        "start": info.start,
    }


def _settings(layer: Layer, info: LayerInfo) -> dict[str, Any]:
    """Return the settings of a layer, with values that follow from its input shape."""
    values = {key: value for key, value in asdict(layer).items() if key not in _TRAINING_ONLY}
    shape = info.input_shape
    match layer:
        case Scanning():
            before = padding_before(shape, layer.reach, layer.stride, layer.padding)
            return values | {"before": before}
        case Pool():
            before = padding_before(shape, layer.size, layer.step, layer.padding)
            return values | {"before": before, "step": layer.step}
        case TransposedConv():
            return values | {"cut": layer.cut_before}
        case LayerNorm():
            return values | {"axes": len(layer.axes(shape))}
        case Distances():
            return values | {"leastSquare": LEAST_SQUARE}
        case Concatenate():
            return values | {"place": layer.place(shape)}
    return values
