"""A model's configuration, whichever Keras release wrote it, as calls of layers in the order of computation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import KerasFileError
from .nodes import Call, Ref, calls_of, refs

MOST_LAYERS = 3000
MODELS = ("Sequential", "Functional", "Model")
_UNNAMED = "(input)"
_OWN_MODULES = ("keras", "tf_keras", "tensorflow")
# classes that Keras has not and keras_baseline registers, by the name that it registers them under
OWN_CLASSES = ("lit_mnist>Distances",)
_OPERATIONS = ("keras.src.ops", "keras.src.activations", "keras.ops", "keras.activations")


@dataclass(frozen=True)
class KerasLayer:
    """One entry of a configuration: its class, its name in the file, its settings, its calls.

    `path` are the names of the models that hold it, from outside, and its own; `children` are a nested model's
    layers. `operation` says that it is a function of Keras rather than a layer.
    """

    kind: str
    path: tuple[str, ...]
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()
    foreign: str | None = None  # the module or registered name of a class that is not Keras' own
    operation: bool = False
    trainable: bool = True  # whether the optimiser moved its weights
    children: tuple[KerasLayer, ...] = ()

    @property
    def name(self) -> str:
        """Its name, joined to those of the models that hold it."""
        return "/".join(self.path)

    def __str__(self) -> str:
        return f"layer {self.name!r} of type {self.kind}"


@dataclass(frozen=True)
class Node:
    """One call of a layer: `inputs` are the names of other nodes (the network's input is in `Graph.entrance`).

    `constants` are the arguments that are no tensors, by place. `shares` names the layer's first call.
    """

    name: str
    layer: KerasLayer
    inputs: tuple[str, ...]
    constants: Mapping[int, Any] = field(default_factory=dict)
    shares: str | None = None


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of computation, the names of the input and of the outputs, and the layers as stored.

    `input_shape` is without the batch axis; None: unknown. `layers` keep the file's own order and nesting, which
    name the weights' groups.
    """

    nodes: tuple[Node, ...]
    entrance: str
    outputs: tuple[str, ...]
    input_shape: tuple[Any, ...] | None
    layers: tuple[KerasLayer, ...]


def read_graph(
    model: Mapping[str, Any], supported: Collection[str], random: Collection[str]
) -> Graph:
    """Return the graph of a Sequential or functional model, with models inside unfolded.

    Layers whose class is not among `supported` are refused first, by name; then several inputs, and layers
    that always act as in training (which those among `random` pass over in prediction all the same).
    """
    layers = _entries(model, ())
    _refuse_unsupported(list(_leaves(layers)), supported, random)
    unfolded = _Unfolded()
    entrances = _entrances(model, layers)
    if len(entrances) != 1:
        raise KerasFileError(
            f"the model has {len(entrances)} inputs ({', '.join(entrances)}); accepted: one"
        )
    outputs = tuple(unfolded.model(model, layers, {entrances[0]: entrances[0]}))
    nodes = tuple(_ordered(unfolded.nodes, entrances[0]))
    return Graph(nodes, entrances[0], outputs, _input_shape(layers, model), layers)


# ---- entries


def _entries(
    model: Mapping[str, Any], path: tuple[str, ...], trainable: bool = True
) -> tuple[KerasLayer, ...]:
    """Return a model's layers, with those of models inside it as their children."""
    kind = model.get("class_name")
    config = model.get("config")
    if kind not in MODELS:
        raise KerasFileError(
            f"the model is of the class {kind!r}, whose code is not in the file; "
            "accepted: Sequential and functional models"
        )
    entries = (
        config.get("layers") if isinstance(config, Mapping) else config
    )  # a bare list before Keras 2.2.3
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_LAYERS:
        raise KerasFileError(
            f"the model's layers are {str(entries)[:60]!r}; accepted: a list of 1 to {MOST_LAYERS}"
        )
    if len(path) > 10:
        raise KerasFileError(
            f"models nested {len(path)} deep ({'/'.join(path)[:80]}); accepted: up to 10"
        )
    layers = tuple(_layer(entry, number, path, trainable) for number, entry in enumerate(entries))
    names = [layer.name for layer in layers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise KerasFileError(
            f"two layers are named {twice!r}; accepted: every layer has a name of its own"
        )
    return layers


def _layer(entry: object, number: int, path: tuple[str, ...], trainable: bool) -> KerasLayer:
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(config, Mapping | list):
        raise KerasFileError(
            f"layer {number + 1} is {str(entry)[:80]!r}; accepted: an object with class_name, config"
        )
    settings = config if isinstance(config, Mapping) else {}
    registered = entry.get("registered_name")
    kind = registered if registered in OWN_CLASSES else entry.get("class_name")
    name = settings.get("name", entry.get("name"))
    if not (isinstance(kind, str) and isinstance(name, str) and 0 < len(name) <= 200):
        raise KerasFileError(
            f"layer {number + 1} has the class {str(kind)[:80]!r} and the name {str(name)[:80]!r}; "
            "accepted: texts"
        )
    trainable = trainable and settings.get("trainable", True) is not False
    nested = kind in MODELS and isinstance(settings.get("layers", config), list)
    children = (
        _entries({"class_name": kind, "config": config}, (*path, name), trainable) if nested else ()
    )
    return KerasLayer(
        kind,
        (*path, name),
        settings,
        calls_of(entry.get("inbound_nodes")),
        _foreign(entry),
        str(entry.get("module")).startswith(_OPERATIONS),
        trainable,
        children,
    )


def _foreign(entry: Mapping[str, Any]) -> str | None:
    module = entry.get("module")
    registered = entry.get("registered_name")
    if registered in OWN_CLASSES:
        return None
    if isinstance(registered, str) and registered != entry.get("class_name"):
        return registered
    if isinstance(module, str) and module.split(".")[0] not in _OWN_MODULES:
        return module
    return None


def _leaves(layers: Sequence[KerasLayer]) -> Iterator[KerasLayer]:
    for layer in layers:
        yield from _leaves(layer.children) if layer.children else (layer,)


def _refuse_unsupported(
    layers: Sequence[KerasLayer], supported: Collection[str], random: Collection[str]
) -> None:
    bad = [layer for layer in layers if layer.kind not in supported or layer.foreign]
    if bad:
        first = bad[0]
        reason = "it has no counterpart here"
        if first.foreign:
            reason = f"its class comes from {first.foreign!r}, and code of others is never run"
        elif first.kind == "Lambda":
            reason = "it holds Python code, which is never run"
        others = f" (further: {', '.join(map(str, bad[1:6]))})" if bad[1:] else ""
        raise KerasFileError(
            f"{first} is not supported: {reason}{others}; accepted: the layers that "
            "docs/keras_files.md lists"
        )
    for layer in layers:
        if any(call.training for call in layer.calls) and layer.kind not in random:
            raise KerasFileError(
                f"{layer} is called with training=True, so it never predicts plainly; "
                "accepted: layers called as usual"
            )


# ---- the graph


def _entrances(model: Mapping[str, Any], layers: Sequence[KerasLayer]) -> list[str]:
    """Return its inputs' names inside a model; a Sequential model without InputLayer has one without a name."""
    if _is_chain(model):
        return [layers[0].path[-1] if layers[0].kind == "InputLayer" else _UNNAMED]
    return [ref.layer for ref in refs(model["config"].get("input_layers", []))]


def _is_chain(model: Mapping[str, Any]) -> bool:
    return model["class_name"] == "Sequential"


class _Unfolded:
    """Collects the nodes of a model and of the models inside it."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.first: dict[str, str] = {}  # layer -> its first call's name
        self.count: dict[str, int] = {}

    def model(
        self, model: Mapping[str, Any], layers: Sequence[KerasLayer], given: Mapping[str, str]
    ) -> list[str]:
        """Add a model's calls on the nodes `given` by its inputs' names; return its outputs' nodes."""
        if _is_chain(model):
            (value,) = given.values()
            for layer in layers:
                if layer.kind != "InputLayer":
                    (value,) = self.call(layer, Call((value,)))
            return [value]
        return _Functional(self, model, layers, given).outputs()

    def call(self, layer: KerasLayer, call: Call) -> list[str]:
        """Add one call, whose tensors are names of nodes already; return its outputs' nodes."""
        inputs = tuple(argument for argument in call.arguments if isinstance(argument, str))
        if layer.children:
            inner: dict[str, Any] = {
                "class_name": layer.kind,
                "config": layer.config or {"layers": []},
            }
            entrances = _entrances(inner, layer.children)
            if len(entrances) != len(inputs):
                raise KerasFileError(
                    f"{layer} is called on {len(inputs)} tensors; accepted: {len(entrances)}"
                )
            return self.model(inner, layer.children, dict(zip(entrances, inputs, strict=True)))
        number = self.count[layer.name] = self.count.get(layer.name, 0) + 1
        name = layer.name if number == 1 else f"{layer.name}_call{number}"
        constants = {
            place: value for place, value in enumerate(call.arguments) if not isinstance(value, str)
        }
        shares = None if number == 1 else self.first[layer.name]
        self.first.setdefault(layer.name, name)
        self.nodes.append(Node(name, layer, inputs, constants, shares))
        return [name]


class _Functional:
    """A functional model's calls, added as soon as what they read is there."""

    def __init__(
        self,
        unfolded: _Unfolded,
        model: Mapping[str, Any],
        layers: Sequence[KerasLayer],
        given: Mapping[str, str],
    ) -> None:
        self.unfolded = unfolded
        self.config = model["config"]
        self.layers = {layer.path[-1]: layer for layer in layers}
        self.values = {(name, 0, 0): value for name, value in given.items()}
        self.starts = self._starts()
        self._run()

    def outputs(self) -> list[str]:
        """Return the nodes of the model's outputs."""
        return [self._value(ref) for ref in refs(self.config.get("output_layers", []))]

    def _run(self) -> None:
        left = [
            (layer, number, call)
            for layer in self.layers.values()
            for number, call in enumerate(layer.calls)
        ]
        while left:
            rest = [job for job in left if not self._done(*job)]
            if len(rest) == len(left):
                layer, _, call = left[0]
                missing = next((ref.layer for ref in call.refs if not self._known(ref)), layer.name)
                raise KerasFileError(
                    f"{layer} reads {missing!r}, which is no layer before it: the layers do not form "
                    "a graph from the input to the outputs"
                )
            left = rest

    def _starts(self) -> dict[str, int]:
        """Return by layer the number of its first call: Keras 2 counts from 1 for models that were built before."""
        read = [ref for layer in self.layers.values() for call in layer.calls for ref in call.refs]
        starts: dict[str, int] = {}
        for ref in [*read, *refs(self.config.get("output_layers", []))]:
            starts[ref.layer] = min(ref.node, starts.get(ref.layer, ref.node))
        return starts

    def _done(self, layer: KerasLayer, number: int, call: Call) -> bool:
        """Add a call where all that it reads is there, and the layer's earlier calls are; say whether it was added."""
        if not all(self._known(ref) for ref in call.refs):
            return False
        name = layer.path[-1]
        number += self.starts.get(name, 0)
        if number > self.starts.get(name, 0) and not self._known(Ref(name, number - 1, 0)):
            return False
        arguments = tuple(self._value(a) if isinstance(a, Ref) else a for a in call.arguments)
        results = self.unfolded.call(layer, replace(call, arguments=arguments))
        self.values |= {(name, number, tensor): node for tensor, node in enumerate(results)}
        return True

    def _known(self, ref: Ref) -> bool:
        return (ref.layer, ref.node, ref.tensor) in self.values

    def _value(self, ref: Ref) -> str:
        if not self._known(ref):
            raise KerasFileError(
                f"the model's output {ref.layer!r} is no layer of it that is computed"
            )
        return self.values[ref.layer, ref.node, ref.tensor]


def _ordered(nodes: Sequence[Node], entrance: str) -> Iterator[Node]:
    """Yield nodes after all that they read; a layer's first call before its others."""
    known = {entrance}
    left = list(nodes)
    while left:
        for node in left:
            if set(node.inputs) <= known and (node.shares is None or node.shares in known):
                known.add(node.name)
                yield node
        rest = [node for node in left if node.name not in known]
        if len(rest) == len(left):
            raise KerasFileError(
                f"layer {rest[0].name!r} shares weights with a call that comes after it"
            )
        left = rest


def _input_shape(layers: Sequence[KerasLayer], model: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the first shape that says what one image looks like; the batch axis is dropped."""
    config = model["config"] if isinstance(model["config"], Mapping) else {}
    built = model.get("build_config")
    first = next((layer for layer in layers if layer.kind == "InputLayer"), layers[0])
    while first.children:
        first = first.children[0]
    candidates = [first.config.get(key) for key in ("batch_shape", "batch_input_shape")]
    candidates += [
        config.get("build_input_shape"),
        built.get("input_shape") if isinstance(built, Mapping) else None,
    ]
    for shape in candidates:
        if isinstance(shape, list) and len(shape) > 1:
            return tuple(shape[1:])
    return None
