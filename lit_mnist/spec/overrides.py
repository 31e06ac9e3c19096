"""Changes of single values of layers, by name, in a network's plain description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import SUMMARY, nearest
from .description import NetworkSpec
from .layer import SpecError

LAYERS = "model.network.layers."


class LayerValue(NamedTuple):
    """The new `value` of `key` in the layer called `layer`."""

    layer: str
    key: str
    value: Any


def parse_layer_key(dotted: str) -> tuple[str, str]:
    """Return layer and key of ``model.network.layers.LAYER.KEY``.

    Raises SpecError for other forms.
    """
    layer, dot, key = dotted.removeprefix(LAYERS).partition(".")
    if not (layer and dot and key):
        raise SpecError(
            f"--{dotted}: cannot work; accepted: --{LAYERS}LAYER.KEY VALUE, such as "
            f"--{LAYERS}Conv2D_1.filters 8"
        )
    return layer, key


def override_layers(network: Any, changes: Iterable[LayerValue]) -> dict[str, Any]:
    """Return `network` with `changes` made.

    Raises SpecError for an unknown layer or key, naming those that exist, and if the changed
    network cannot work.
    """
    NetworkSpec.from_dict(network)  # errors of the unchanged network come first
    network = dict(network) | {"layers": [dict(layer) for layer in network["layers"]]}
    for change in changes:
        _named(network["layers"], change)[change.key] = change.value
    NetworkSpec.from_dict(network)
    return network


def _named(layers: list[dict[str, Any]], change: LayerValue) -> dict[str, Any]:
    by_name: Mapping[str, dict[str, Any]] = {layer["name"]: layer for layer in layers}
    if change.layer not in by_name:
        raise SpecError(
            f"--{LAYERS}{change.layer}.{change.key}: no layer {change.layer!r} in this network; "
            f"{nearest(change.layer, by_name, SUMMARY)}"
        )
    return by_name[change.layer]
