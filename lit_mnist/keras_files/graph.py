"""A model's configuration, of any Keras release, as calls of layers in order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .entries import KerasLayer, leaves, read_entries, refuse_unsupported
from .errors import KerasFileError
from .nodes import Call, Ref, refs

_UNNAMED = "(input)"


@dataclass(frozen=True)
class Node:
    """One call of a layer; `inputs` are the names of other nodes.

    The network's input is `Graph.entrance`.

    `constants` are the other arguments, by position. `shares` names the layer's first call.
    """

    name: str
    layer: KerasLayer
    inputs: tuple[str, ...]
    constants: Mapping[int, Any] = field(default_factory=dict)
    shares: str | None = None


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of computation, input and outputs by name, and the stored layers.

    `input_shape` is without the batch axis; None: unknown. `layers` keep the file's own order and
    nesting, which name the weights' groups.
    """

    nodes: tuple[Node, ...]
    entrance: str
    outputs: tuple[str, ...]
    input_shape: tuple[Any, ...] | None
    layers: tuple[KerasLayer, ...]


def read_graph(
    model: Mapping[str, Any], supported: Collection[str], random: Collection[str]
) -> Graph:
    """Return the graph of a Sequential or functional model, with nested models unfolded.

    Refuses, in this order, layers whose class is not among `supported`, several inputs, and layers
    that are called as in training (except those among `random`, which do nothing in prediction).
    """
    layers = read_entries(model, ())
    refuse_unsupported(list(leaves(layers)), supported, random)
    unfolded = _Unfolded()
    entrances = _entrances(model, layers)
    if len(entrances) != 1:
        raise KerasFileError(
            f"the model has {len(entrances)} inputs ({', '.join(entrances)}); accepted: one"
        )
    outputs = tuple(unfolded.model(model, layers, {entrances[0]: entrances[0]}))
    nodes = tuple(_ordered(unfolded.nodes, entrances[0]))
    return Graph(nodes, entrances[0], outputs, _input_shape(layers, model), layers)


def _entrances(model: Mapping[str, Any], layers: Sequence[KerasLayer]) -> list[str]:
    """Return the names of a model's inputs.

    A Sequential model without InputLayer has one without a name.
    """
    if _is_chain(model):
        return [layers[0].path[-1] if layers[0].kind == "InputLayer" else _UNNAMED]
    return [ref.layer for ref in refs(model["config"].get("input_layers", []))]


def _is_chain(model: Mapping[str, Any]) -> bool:
    return model["class_name"] == "Sequential"


class _Unfolded:
    """Collects the nodes of a model and of its nested models."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.first: dict[str, str] = {}  # layer -> its first call's name
        self.count: dict[str, int] = {}

    def model(
        self, model: Mapping[str, Any], layers: Sequence[KerasLayer], inputs: Mapping[str, str]
    ) -> list[str]:
        """Add a model's calls on the nodes of its inputs, by name; return its outputs' nodes."""
        if _is_chain(model):
            (value,) = inputs.values()
            for layer in layers:
                if layer.kind != "InputLayer":
                    (value,) = self.call(layer, Call((value,)))
            return [value]
        return _Functional(self, model, layers, inputs).outputs()

    def call(self, layer: KerasLayer, call: Call) -> list[str]:
        """Add one call, with nodes' names as tensors; return its outputs' nodes."""
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
    """A functional model's calls, each added once its inputs are there."""

    def __init__(
        self,
        unfolded: _Unfolded,
        model: Mapping[str, Any],
        layers: Sequence[KerasLayer],
        inputs: Mapping[str, str],
    ) -> None:
        self.unfolded = unfolded
        self.config = model["config"]
        self.layers = {layer.path[-1]: layer for layer in layers}
        self.values = {(name, 0, 0): value for name, value in inputs.items()}
        self.starts = self._starts()
        self._run()

    def outputs(self) -> list[str]:
        """Return the nodes of the model's outputs."""
        return [self._value(ref) for ref in refs(self.config.get("output_layers", []))]

    def _run(self) -> None:
        waiting = [
            (layer, number, call)
            for layer in self.layers.values()
            for number, call in enumerate(layer.calls)
        ]
        while waiting:
            rest = [job for job in waiting if not self._add_if_ready(*job)]
            if len(rest) == len(waiting):
                layer, _, call = waiting[0]
                missing = next((ref.layer for ref in call.refs if not self._known(ref)), layer.name)
                raise KerasFileError(
                    f"{layer} reads {missing!r}, which is no layer before it: the layers do not "
                    "form a graph from the input to the outputs"
                )
            waiting = rest

    def _starts(self) -> dict[str, int]:
        """Return the number of each layer's first call.

        Keras 2 counts from 1 for models that were built before.
        """
        read = [ref for layer in self.layers.values() for call in layer.calls for ref in call.refs]
        starts: dict[str, int] = {}
        for ref in [*read, *refs(self.config.get("output_layers", []))]:
            starts[ref.layer] = min(ref.node, starts.get(ref.layer, ref.node))
        return starts

    def _add_if_ready(self, layer: KerasLayer, number: int, call: Call) -> bool:
        """Add a call if its inputs and earlier calls exist; return whether it was added."""
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
    """Yield nodes after all their inputs, and a layer's first call before its others."""
    known = {entrance}
    waiting = list(nodes)
    while waiting:
        for node in waiting:
            if set(node.inputs) <= known and (node.shares is None or node.shares in known):
                known.add(node.name)
                yield node
        rest = [node for node in waiting if node.name not in known]
        if len(rest) == len(waiting):
            raise KerasFileError(
                f"layer {rest[0].name!r} shares weights with a call that comes after it"
            )
        waiting = rest


def _input_shape(layers: Sequence[KerasLayer], model: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the first known shape of an image, without the batch axis."""
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
