"""A network as the page's JavaScript reads it: each layer with its settings and sizes, all weights in one array."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import UserError
from ..network import Network
from ..runs.model import Model
from ..spec import (
    SAME_VALUES,
    Concatenate,
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

# above this a page would weigh more than 20 MB ...
MAX_PARAMETERS = 4_000_000
# ... or redraw less than about five times a second
MAX_MACS = 200_000_000
_RESHAPED = ("flatten", "reshape")  # change the order in which values are read, but nothing else
_TRAINING_ALONE = ("l1", "l2", "name", "inputs")


def check_size(spec: NetworkSpec) -> None:
    """Raise UserError for a network that no drawing can fill, or that is too large for a page."""
    channels = spec.input_shape[2]
    if channels not in (1, 3):
        raise UserError(
            f"this network takes images of {channels} channels, which no drawing or picture has; "
            "accepted: 1 channel (grey) or 3 (colour)"
        )
    for what, number, limit in (
        ("parameters", spec.parameters, MAX_PARAMETERS),
        ("multiply-accumulates an image", spec.macs, MAX_MACS),
    ):
        if number > limit:
            raise UserError(
                f"this network has {number:,} {what}, too many for a page that redraws while one draws; "
                f"accepted: up to {limit:,}"
            )


def description(network: Network) -> dict[str, Any]:
    """Return what `page/network/network.js` reads, as plain values; the weights lie in `weights` in this order."""
    spec = network.spec
    places = _places(spec)
    return {
        "inputShape": spec.input_shape,
        "answer": spec.output,
        "probabilityRule": spec.output_activation,
        "innerProbabilities": spec.inner_probabilities,
        "layers": [_layer(spec, info, places) for info in spec.table],
    }


def weights(network: Network) -> np.ndarray:
    """Return all weights, float32 (n,), in Keras' names and layout, one after another."""
    arrays = [array.ravel() for array in network.named_weights().values()]
    return np.concatenate([*arrays, np.empty(0)]).astype("<f4")


def scaling(model: Model) -> dict[str, Any]:
    """Return the standardisation of pixels; means and scales as base64 of float64."""
    standardizer = model.standardizer
    return {
        "mean": encoded(standardizer.mean.astype("<f8")),
        "scale": encoded(standardizer.scale.astype("<f8")),
        "clip": standardizer.clip,
        "bgr": standardizer.bgr,
    }


def encoded(values: np.ndarray) -> str:
    """Return an array's bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _places(spec: NetworkSpec) -> dict[str, dict[str, dict[str, Any]]]:
    """Layer -> weight -> where it begins in the array of all weights, and its shape."""
    places: dict[str, dict[str, dict[str, Any]]] = {}
    offset = 0
    for info in spec.table:
        places[info.name] = {}
        for name, shape in info.weights.items():
            places[info.name][name] = {"offset": offset, "shape": shape}
            offset += math.prod(shape)
    return places


def _layer(
    spec: NetworkSpec, info: LayerInfo, places: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    layer = spec.layer(info.name)
    stored = spec.layers[spec.names.index(info.name)]
    owner = stored.shares if isinstance(stored, Shared) else info.name
    rests = layer.type in SAME_VALUES and layer.type not in _RESHAPED
    return {
        "name": info.name,
        "type": "unchanged" if rests else layer.type,
        "kind": info.type,
        "inputs": info.inputs,
        "inputShape": info.input_shape,
        "shape": info.output_shape,
        "settings": {} if rests else _settings(layer, info),
        "weights": places[owner],
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
    """Return a layer's own values, and what its arithmetic of shapes says."""
    values = {key: value for key, value in asdict(layer).items() if key not in _TRAINING_ALONE}
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
        case Concatenate():
            return values | {"place": layer.place(shape)}
    return values
