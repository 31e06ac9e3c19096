"""A model's configuration, whichever Keras release wrote it, as one chain of layers and an input shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import KerasFileError

MOST_LAYERS = 1000


@dataclass(frozen=True)
class KerasLayer:
    """One entry of a configuration: its class, its name in the file, its settings, where it is called from."""

    kind: str
    name: str
    config: Mapping[str, Any]
    sources: tuple[str, ...] = ()
    foreign: str | None = None  # the module or registered name of a class that is not Keras' own
    calls: int = 1
    training: bool = False  # called as in training, whatever the mode

    @property
    def trainable(self) -> bool:
        """Whether the optimiser moved its weights."""
        return self.config.get("trainable", True) is not False

    def __str__(self) -> str:
        return f"layer {self.name!r} of type {self.kind}"


@dataclass(frozen=True)
class Chain:
    """The layers in the order of computation, and the input's shape without the batch axis (None: unknown)."""

    layers: tuple[KerasLayer, ...]
    input_shape: tuple[Any, ...] | None
    stored: tuple[KerasLayer, ...]  # every layer in the file's own order, which names the weights' groups


def read_chain(model: Mapping[str, Any], supported: Sequence[str]) -> Chain:
    """Return the chain of a Sequential or functional model.

    Layers whose class is not among `supported` are refused first, by name; then models that branch,
    merge or use a layer twice.
    """
    kind, config = model.get("class_name"), model.get("config")
    if kind not in ("Sequential", "Functional", "Model"):
        raise KerasFileError(f"the model is of the class {kind!r}, whose code is not in the file; "
                             "accepted: Sequential and functional models")
    entries = config.get("layers") if isinstance(config, Mapping) else config  # a bare list before Keras 2.2.3
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_LAYERS:
        raise KerasFileError(f"the model's layers are {str(entries)[:60]!r}; accepted: a list of 1 to {MOST_LAYERS}")
    layers = tuple(_layer(entry, number) for number, entry in enumerate(entries))
    _refuse_unsupported(layers, supported)
    ordered = layers if kind == "Sequential" else _ordered(layers, config)
    twice = [name for name, count in Counter(layer.name for layer in layers).items() if count > 1]
    if twice:
        raise KerasFileError(f"two layers are named {twice[0]!r}; accepted: every layer has a name of its own")
    inner = tuple(layer for layer in ordered if layer.kind != "InputLayer")
    return Chain(inner, _input_shape(ordered, model), layers)


def _layer(entry: object, number: int) -> KerasLayer:
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(config, Mapping):
        raise KerasFileError(f"layer {number + 1} is {str(entry)[:80]!r}; accepted: an object with class_name, config")
    kind, name = entry.get("class_name"), config.get("name", entry.get("name"))
    if not (isinstance(kind, str) and isinstance(name, str) and 0 < len(name) <= 200):
        raise KerasFileError(f"layer {number + 1} has the class {str(kind)[:80]!r} and the name {str(name)[:80]!r}; "
                             "accepted: texts")
    nodes = entry.get("inbound_nodes") or []
    return KerasLayer(kind, name, config, tuple(_sources(nodes)), _foreign(entry), len(nodes), _training(nodes))


def _foreign(entry: Mapping[str, Any]) -> str | None:
    module, registered = entry.get("module"), entry.get("registered_name")
    if isinstance(registered, str) and registered != entry.get("class_name"):
        return registered
    if isinstance(module, str) and module.split(".")[0] not in ("keras", "tf_keras", "tensorflow"):
        return module
    return None


def _sources(nodes: object) -> list[str]:
    """Names of the layers whose outputs go in: from ``[name, node, tensor, ...]``, or from a tensor's history."""
    if isinstance(nodes, Mapping):
        if nodes.get("class_name") == "__keras_tensor__":
            return [nodes["config"]["keras_history"][0]]
        return _sources([nodes.get("args"), nodes.get("kwargs")])
    if not isinstance(nodes, list):
        return []
    if len(nodes) >= 3 and isinstance(nodes[0], str) and all(type(n) is int for n in nodes[1:3]):
        return [nodes[0]]
    return [name for node in nodes for name in _sources(node)]


def _training(nodes: object) -> bool:
    if isinstance(nodes, Mapping):
        return bool(nodes.get("training")) or any(_training(value) for value in nodes.values())
    return isinstance(nodes, list) and any(_training(node) for node in nodes)


def _refuse_unsupported(layers: Sequence[KerasLayer], supported: Sequence[str]) -> None:
    bad = [layer for layer in layers if layer.kind not in supported or layer.foreign]
    if bad:
        first, reason = bad[0], "it has no counterpart here"
        if first.foreign:
            reason = f"its class comes from {first.foreign!r}, and code of others is never run"
        elif first.kind == "Lambda":
            reason = "it holds Python code, which is never run"
        others = f" (further: {', '.join(map(str, bad[1:6]))})" if bad[1:] else ""
        raise KerasFileError(f"{first} is not supported: {reason}{others}; accepted: {', '.join(sorted(supported))}")
    always = [layer for layer in layers if layer.training]
    if always:
        raise KerasFileError(f"{always[0]} is called with training=True, so it never predicts plainly; "
                             "accepted: layers called as usual")


def _ordered(layers: Sequence[KerasLayer], config: Mapping[str, Any]) -> tuple[KerasLayer, ...]:
    """Follow the connections from the one input to the one output."""
    for key in ("input_layers", "output_layers"):
        if len(ends := _sources(config.get(key, []))) != 1:
            raise KerasFileError(f"the model has {len(ends)} {key.replace('_', ' ')}; accepted: one chain from one "
                                 "input to one output")
    following: dict[str, KerasLayer] = {}
    for layer in layers:
        if layer.kind == "InputLayer":
            continue
        if layer.calls != 1 or len(layer.sources) != 1:
            raise KerasFileError(f"{layer} is called {layer.calls} times on {len(layer.sources)} tensors; "
                                 "accepted: one chain, each layer called once on the one before")
        if layer.sources[0] in following:
            raise KerasFileError(f"the model branches after {layer.sources[0]!r}; accepted: one chain")
        following[layer.sources[0]] = layer
    first, last = _sources(config["input_layers"])[0], _sources(config["output_layers"])[0]
    chain = [layer for layer in layers if layer.name == first]
    while chain and chain[-1].name in following and len(chain) <= len(layers):
        chain.append(following[chain[-1].name])
    if len(chain) != len(layers) or chain[-1].name != last:
        raise KerasFileError(f"the layers do not form one chain from {first!r} to {last!r}")
    return tuple(chain)


def _input_shape(layers: Sequence[KerasLayer], model: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the first shape that says what one image looks like; the batch axis is dropped."""
    config = model["config"] if isinstance(model["config"], Mapping) else {}
    built = model.get("build_config")
    candidates = [layers[0].config.get(key) for key in ("batch_shape", "batch_input_shape")]
    candidates += [config.get("build_input_shape"), built.get("input_shape") if isinstance(built, Mapping) else None]
    for shape in candidates:
        if isinstance(shape, list) and len(shape) > 1:
            return tuple(shape[1:])
    return None
