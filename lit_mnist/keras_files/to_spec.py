"""A Keras graph as a NetworkSpec, with the way back to the file's own layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..spec import (
    INPUT,
    LAYER_TYPES,
    Activation,
    Flatten,
    Layer,
    NetworkSpec,
    Shape,
    layer_from_dict,
)
from .entries import KerasLayer
from .errors import KerasFileError
from .graph import Graph, Node
from .inputs import input_image
from .layout import Turns, channels_last, image_shape, is_channels_first
from .names import layer_names
from .vocabulary import entry_of
from .vocabulary.settings import training_only
from .vocabulary.training import PASSED_ON, RANDOM


@dataclass(frozen=True)
class FileNetwork:
    """A file's network: its spec, the file's layers by their names here, notes, and layouts.

    `renamed` maps layer -> different name in the file; repeated calls count as layers. `moved` are
    layers at another position than in the file, with other outputs there.
    """

    spec: NetworkSpec
    layers: Mapping[str, KerasLayer]
    renamed: Mapping[str, str]
    notes: tuple[str, ...]
    turns: Turns
    moved: tuple[str, ...] = ()

    @property
    def frozen(self) -> tuple[str, ...]:
        """The layers whose weights were not trained."""
        return tuple(
            name
            for name, layer in self.layers.items()
            if self.spec[name].weights and not layer.trainable
        )


def describe(
    graph: Graph, keras_version: str | None, backend: str | None, headless: bool = False
) -> FileNetwork:
    """Return the network of a graph.

    Raises KerasFileError or SpecError, by name, for unsupported parts.

    A `headless` network may end in images (Keras' ``include_top=False``), to which a global pool is
    added.
    """
    first = is_channels_first(graph)
    building = _Building(
        graph, Turns(first, backend), _before_keras_3(graph, keras_version), headless
    )
    for node in graph.nodes:
        building.add(node)
    return building.finished()


def _before_keras_3(graph: Graph, version: str | None) -> bool:
    if version:
        return version[0] in "012"
    return not any(isinstance(layer.config.get("dtype"), Mapping) for layer in graph.layers)


@dataclass
class _Building:
    """The layers so far. `shapes` and `names` are by node; shapes are channels last."""

    graph: Graph
    turns: Turns
    keras_2: bool
    headless: bool = False
    layers: list[Layer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    calls: dict[str, KerasLayer] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        stored_shape = self.graph.input_shape
        shape = (
            image_shape(stored_shape)
            if stored_shape is not None and self.turns.first
            else stored_shape
        )
        self.image, flatten = input_image(self.graph, shape)
        self.names = layer_names(node.name for node in self.graph.nodes)
        if self.turns.first:
            self.notes.append(
                f"the file's images have their channels first, {stored_shape}; here they are "
                f"{self.image}, and its weights are turned accordingly"
            )
        elif self.image != stored_shape:
            self.notes.append(f"the input {stored_shape} is taken as an image {self.image}")
        self.values = {self.graph.entrance: INPUT}
        self.shapes[self.graph.entrance] = self.image
        if flatten:
            self._flatten_input()

    def _flatten_input(self) -> None:
        name = list(layer_names([*self.names.values(), "flatten-input"]).values())[-1]
        self.notes.append(f"layer {name!r} is new: it flattens the image")
        self._append(
            {"type": "flatten", "name": name}, self.graph.entrance, [self.graph.entrance], name
        )

    def add(self, node: Node) -> None:
        """Add a node's layer."""
        name = self.names[node.name]
        shapes = [self.shapes[source] for source in node.inputs]
        if not shapes:
            raise KerasFileError(f"{node.layer} is called on no tensor; accepted: at least one")
        if node.shares is not None:
            self._append(
                {"type": "shared", "name": name, "shares": self.names[node.shares]},
                node.name,
                node.inputs,
                name,
            )
            return
        layer = self._adapted(node, name, shapes[0])
        self.calls[name] = node.layer
        entry = entry_of(replace(node, layer=layer), shapes)
        self.turns.follow(node, name, shapes[0], LAYER_TYPES[entry["type"]])
        self._say(node.layer, name, entry)
        self._append(entry | {"name": name}, node.name, node.inputs, name)

    def _adapted(self, node: Node, name: str, shape: Shape) -> KerasLayer:
        """Return the layer as today's Keras would write it, for images with their channels last."""
        layer = node.layer
        if self.turns.first:
            layer = channels_last(layer, shape)
        if self.keras_2 and layer.config.get("activation") == "hard_sigmoid":
            layer = replace(layer, config={**layer.config, "activation": "hard_sigmoid_keras2"})
        return layer

    def _say(self, layer: KerasLayer, name: str, entry: Mapping[str, Any]) -> None:
        self.notes += [
            f"{layer}: {key} is left out (it matters to training alone)"
            for key in training_only(layer)
        ]
        if entry == PASSED_ON and layer.kind in (*RANDOM, "Dropout"):
            self.notes.append(
                f"{layer} passes its input on: it acts in training alone, and has no counterpart "
                "here"
            )
        self.notes += [f"layer {layer.name!r} is called {name!r} here"] * (layer.name != name)

    def _append(self, entry: dict[str, Any], value: str, sources: Sequence[str], name: str) -> None:
        """Add a layer, with `inputs` unless it reads the layer before it."""
        inputs = [self.values[source] for source in sources]
        before = self.layers[-1].name if self.layers else INPUT
        wiring = {} if inputs == [before] else {"inputs": inputs}
        layer = layer_from_dict(len(self.layers), entry | wiring)
        layer.check()
        self.layers.append(layer)
        called = self._owner(layer)
        self.shapes[value] = called.merged_shape([self.shapes[source] for source in sources])
        self.values[value] = name

    def _owner(self, layer: Layer) -> Layer:
        shares = getattr(layer, "shares", None)
        return next(other for other in self.layers if other.name == shares) if shares else layer

    def _swapped(self, answer: str) -> str:
        """Move a final flatten or reshape layer before the softmax or sigmoid that it reads.

        MobileNet ends so: the softmax of an image of one pixel is flattened. Networks here must end
        in their activation; the two commute.
        """
        if len(self.layers) < 2 or self.layers[-1].name != answer:
            return answer
        before, last = self.layers[-2:]
        activation = getattr(before, "activation", None)
        if (
            not isinstance(last, Flatten)
            or not isinstance(before, Activation)
            or last.inputs is not None
            or activation not in ("softmax", "sigmoid")
        ):
            return answer
        if self._shape_of(before.name)[:2] != (1, 1):
            return answer
        self.layers[-2:] = [replace(last, inputs=before.inputs), replace(before, inputs=None)]
        self.moved.append(last.name)
        self.notes.append(
            f"layer {last.name!r} stands before {before.name!r} here, which gives the same"
        )
        return before.name

    def _pooled(self) -> str:
        """Add a global pool to the first output and return its name."""
        value = self.graph.outputs[0]
        name = list(layer_names([*self.names.values(), "pooled"]).values())[-1]
        self._append({"type": "global_pool", "name": name}, name, [value], name)
        return name

    def _frozen(self, spec: NetworkSpec, layer: Layer) -> Layer:
        call = self.calls.get(layer.name)
        rests = call is not None and not call.trainable and spec[layer.name].weights
        return replace(layer, trainable=False) if rests else layer

    def _shape_of(self, name: str) -> Shape:
        return next(self.shapes[value] for value, layer in self.values.items() if layer == name)

    def finished(self) -> FileNetwork:
        """Return the network, with its first vector output as the answer."""
        outputs = [self.values[value] for value in self.graph.outputs]
        vectors = [
            self.values[value] for value in self.graph.outputs if len(self.shapes[value]) == 1
        ]
        if self.headless and not vectors:
            outputs = vectors = [self._pooled()]
        answer = vectors[0] if vectors else outputs[0]
        kept = (answer, *(name for name in outputs if name != answer))
        if len(kept) > 1:
            self.notes.append(
                f"the network has {len(kept)} outputs ({', '.join(kept)}); {answer!r} is its answer"
            )
        if len(kept) == 1 and (answer := self._swapped(answer)):
            kept = (answer,)
        names = None if kept == (self.layers[-1].name,) else kept
        spec = NetworkSpec(tuple(self.layers), self.image, outputs=names)
        spec = replace(spec, layers=tuple(self._frozen(spec, layer) for layer in spec.layers))
        renamed = {new: name for name, new in self.names.items() if new != name}
        return FileNetwork(
            spec, self.calls, renamed, tuple(self.notes), self.turns, tuple(self.moved)
        )
