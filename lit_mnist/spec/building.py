"""A network built on another one: its layers up to a cut, another input size, new layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import SUMMARY, listed, nearest
from . import wiring
from .description import NetworkSpec
from .freezing import freeze
from .layer import SpecError
from .weights import weight_shapes

KEYS = ("from", "cut", "then", "frozen", "input_shape", "initializer", "initializer_scale")


def is_built_on(network: object) -> bool:
    """Whether a plain description builds on a file: ``{from: FILE, cut: LAYER, then: [...]}``."""
    return isinstance(network, Mapping) and "from" in network


def check_keys(network: Mapping[str, Any]) -> None:
    """Raise SpecError for a key that such a description does not take."""
    for key in network:
        if key not in KEYS:
            raise SpecError(
                f"network: unknown key {key!r} beside 'from'; {nearest(str(key), KEYS)}"
            )
    if not isinstance(network["from"], str) or not network["from"]:
        raise SpecError(
            f"network: from = {network['from']!r} cannot work; accepted: a Keras file, a run, a "
            "checkpoint"
        )


def built_on(base: NetworkSpec, network: Mapping[str, Any]) -> NetworkSpec:
    """Return the network that a description builds on `base`.

    Its keys are cut, then, frozen, input_shape, initializer ...

    Layers up to `cut` (default: all) are kept, those that match `frozen` with trainable false, and
    the layers of `then` follow. Raises SpecError for an unknown cut, a pattern without a match, and
    an input shape that a layer's weights do not fit.
    """
    check_keys(network)
    kept = _up_to(base, network.get("cut"), network.get("then"))
    frozen = network.get("frozen") or ()
    patterns = tuple(frozen) if isinstance(frozen, list) else frozen
    names = {layer.name for layer in kept}
    rested = freeze([layer for layer in base.layers if layer.name in names], patterns)
    plain = NetworkSpec.to_dict(base)
    entries = [entry for entry in plain["layers"] if entry["name"] in names]
    for entry, layer in zip(entries, rested, strict=True):
        if not layer.trainable:
            entry["trainable"] = False
    built = NetworkSpec.from_dict(
        {
            "input_shape": network.get("input_shape") or plain["input_shape"],
            **_initializer(base, network),
            "layers": [*entries, *_new_layers(network)],
        }
    )
    _check_shapes(base, built, names)
    return built


def _initializer(base: NetworkSpec, network: Mapping[str, Any]) -> dict[str, Any]:
    """Return the initialiser's keys, the base's if the new description names neither."""
    keys = ("initializer", "initializer_scale")
    new = {key: network[key] for key in keys if network.get(key) is not None}
    if "initializer" in new:
        return new
    scale = base.initializer_scale
    return {"initializer": base.initializer, "initializer_scale": scale} | new


def _up_to(base: NetworkSpec, cut: object, then: object) -> list[Any]:
    if cut is None:
        if then:
            raise SpecError(
                "network: then needs cut, the layer that it follows; accepted: one of "
                f"{listed(base.names, SUMMARY)}"
            )
        cut = base.output
    if cut not in base.names:
        raise SpecError(
            f"network: cut = {cut!r} is no layer; {nearest(str(cut), base.names, SUMMARY)}"
        )
    needed = wiring.needed(base.sources, [str(cut)])
    return [layer for layer in base.layers if layer.name in needed]


def _new_layers(network: Mapping[str, Any]) -> list[Any]:
    then = network.get("then") or []
    if not isinstance(then, list | tuple):
        raise SpecError(f"network: then = {then!r} cannot work; accepted: a list of layers")
    return list(then)


def _check_shapes(base: NetworkSpec, built: NetworkSpec, names: set[str]) -> None:
    here = weight_shapes(built)
    for name, shape in weight_shapes(base).items():
        layer = name.split("/")[0]
        if layer in names and here[name] != shape:
            raise SpecError(
                f"network: input_shape = {list(built.input_shape)} does not fit: {name!r} has "
                f"shape {shape} in the file, {here[name]} here; accepted: "
                f"{list(base.input_shape)}, or a cut before {layer!r}"
            )
