"""A network as an ordered list of named layers, checked as a whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from ..errors import SUMMARY, nearest
from . import wiring
from .checks import check_whole
from .freezing import freeze
from .layer import INPUT, Layer, Shape, SpecError
from .layers import SAME_VALUES, Shared
from .resting import resting_value
from .serialize import frozen, layer_from_dict, without_defaults
from .table import LayerInfo, walk
from .wiring import Step

INITIALIZER_SCALE = 2.0
# layers that treat all values of a vector alike, or are permuted with them
_ORDER_FREE = (
    "dropout",
    "gaussian_dropout",
    "alpha_dropout",
    "gaussian_noise",
    "activity_regularization",
    "activation",
    "relu",
    "rescaling",
    "batch_norm",
)


@dataclass(frozen=True)
class NetworkSpec:
    """A checked, immutable description of a feed-forward network.

    `input_shape` is ``(height, width, channels)``. Layers are in the order of computation; each
    reads its ``inputs`` (``input`` is the network's), by default the layer before it. The first of
    `outputs` is the network's answer, by default the last layer.
    `initializer_scale` is the range of ``inverse_sqrt_uniform`` in 1 / sqrt(fan_in) (None: 2).
    Raises SpecError, naming layer, value and what is accepted, if the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape = (28, 28, 1)
    initializer: str = "glorot_uniform"
    outputs: tuple[str, ...] | None = None
    initializer_scale: float | None = None

    def __post_init__(self) -> None:
        check_whole(self)
        if self.initializer_scale == INITIALIZER_SCALE:  # the default: equal networks are equal
            object.__setattr__(self, "initializer_scale", None)
        _ = self.table  # computes shapes, which raises their errors here

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> NetworkSpec:
        """Build from plain values ``{input_shape, initializer, layers: [{type, name, ...}]}``.

        ``frozen`` is a pattern, or a list of them, for layers with ``trainable: false``.
        """
        if not isinstance(description, Mapping):
            raise SpecError(
                f"network = {description!r} cannot work; accepted: a mapping with the key 'layers'"
            )
        accepted = [*(f.name for f in fields(cls)), "frozen"]
        for key in description:
            if key not in accepted:
                raise SpecError(f"network: unknown key {key!r}; {nearest(key, accepted)}")
        layers = description.get("layers")
        if not isinstance(layers, list | tuple) or not layers:
            raise SpecError(
                f"network: layers = {layers!r} cannot work; accepted: a list of at least one layer"
            )
        values = {key: frozen(value) for key, value in description.items() if key != "layers"}
        if isinstance(values.get("outputs"), str):
            values["outputs"] = (values["outputs"],)
        built = tuple(layer_from_dict(i, entry) for i, entry in enumerate(layers))
        return cls(layers=freeze(built, values.pop("frozen", ())), **values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without defaults, from which `from_dict` builds an equal spec."""
        layers = [{"type": layer.type} | without_defaults(layer) for layer in self.layers]
        plain = {
            "input_shape": list(self.input_shape),
            "initializer": self.initializer,
            "layers": layers,
        }
        if self.initializer_scale is not None:
            plain["initializer_scale"] = self.initializer_scale
        return plain if self.outputs is None else plain | {"outputs": list(self.outputs)}

    @cached_property
    def table(self) -> tuple[LayerInfo, ...]:
        """One LayerInfo per layer, in order."""
        return tuple(walk(self))

    @cached_property
    def _by_name(self) -> dict[str, LayerInfo]:
        return {info.name: info for info in self.table}

    def __getitem__(self, name: str) -> LayerInfo:
        """Return the row of layer `name`.

        Raises SpecError with the nearest name if there is none.
        """
        if name not in self._by_name:
            raise SpecError(
                f"no layer {name!r} in this network; {nearest(name, self.names, SUMMARY)}"
            )
        return self._by_name[name]

    @cached_property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Layer -> names of what it reads."""
        return wiring.sources_of(self.layers)

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Value -> names of the layers that read it."""
        return wiring.readers(self.sources)

    @cached_property
    def is_chain(self) -> bool:
        """Whether each layer reads the one before it, and the last one gives the answer."""
        before = (INPUT, *self.names)
        return (
            all(
                self.sources[name] == (source,)
                for name, source in zip(self.names, before, strict=False)
            )
            and self.output == self.names[-1]
        )

    @cached_property
    def flatten_order_is_free(self) -> bool:
        """Whether images may be flattened in any order if dense kernels are permuted with it.

        This holds in a chain if only layers that treat all values alike stand between a flatten
        layer and the next dense or reshape layer.
        """
        flattened = False
        for layer, info in zip(self.layers, self.table, strict=True):
            if info.type == "flatten":
                flattened = flattened or len(info.input_shape) == 3
            elif layer.reads_vector or info.type == "reshape":
                flattened = False
            elif flattened and (
                info.type not in _ORDER_FREE or getattr(layer, "per_channel", False)
            ):
                return False
        return self.is_chain and not flattened and all(info.type != "shared" for info in self.table)

    @property
    def output(self) -> str:
        """Name of the layer that gives the network's answer."""
        return self.layers[-1].name if self.outputs is None else self.outputs[0]

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of all outputs, the answer first."""
        return self.outputs or (self.output,)

    def with_output(self, name: str) -> NetworkSpec:
        """Return the description with output `name` as the answer.

        Raises SpecError if it is not an output.
        """
        if name not in self.kept:
            raise SpecError(f"no output {name!r} in this network; {nearest(name, self.kept)}")
        return replace(self, outputs=(name, *(other for other in self.kept if other != name)))

    def plan(self, *names: str, start: str = INPUT) -> tuple[Step, ...]:
        """Return the steps from `start`'s value to the named layers'.

        Raises SpecError for unknown layers.
        """
        key = (start, *names)
        if key not in self._plans:
            targets = [self[name].name for name in names]
            self._plans[key] = wiring.plan(self.sources, targets, start)
        return self._plans[key]

    @cached_property
    def resting_value(self) -> str | None:
        """Name of the value up to which training changes nothing; see `lit_mnist.spec.resting`."""
        return resting_value(self)

    @cached_property
    def _plans(self) -> dict[tuple[str, ...], tuple[Step, ...]]:
        return {}

    def chain(self, until: str | None = None) -> tuple[str, ...]:
        """Return the layers up to `until` (default: the answer).

        Raises SpecError if they branch.
        """
        return tuple(
            wiring.chain_of(self.sources, self.output if until is None else self[until].name)
        )

    def layer(self, name: str) -> Layer:
        """Return layer `name`; if it shares weights, the other layer under this name and inputs."""
        return self.definitions[self[name].name]

    @cached_property
    def definitions(self) -> dict[str, Layer]:
        """Layer -> its definition; a layer that shares weights has the other layer's."""
        by_name = {layer.name: layer for layer in self.layers}
        return {
            name: replace(by_name[layer.shares], name=name, inputs=layer.inputs)
            if isinstance(layer, Shared)
            else layer
            for name, layer in by_name.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names, in order."""
        return tuple(layer.name for layer in self.layers)

    @property
    def output_shape(self) -> Shape:
        """Shape of the network's output."""
        return self[self.output].output_shape

    @property
    def units(self) -> int:
        """Number of values of the answer."""
        return self.output_shape[0]

    @property
    def classes(self) -> int:
        """Number of classes: one per unit, but two for one unit, which gives class 1."""
        return 2 if self.units == 1 else self.units

    @property
    def rescaling(self) -> str | None:
        """Name of the rescaling layer before the first weights, or None."""
        before = itertools.takewhile(lambda info: not info.weights, self.table)
        return next((info.name for info in before if info.type == "rescaling"), None)

    @property
    def output_activation(self) -> str:
        """The answer's softmax, sigmoid or linear, which networks leave to loss and predictions."""
        return self[self.output].activation or self.inner_probabilities or "linear"

    @cached_property
    def inner_probabilities(self) -> str | None:
        """The softmax or sigmoid of an earlier layer whose probabilities are the answer, or None.

        Averages over positions, flattening of one position and layers without effect in evaluation
        keep them probabilities.
        """
        info = self[self.output]
        while self._passes_on(info) and info.inputs != (INPUT,):
            info = self[info.inputs[0]]
            if info.activation in ("softmax", "sigmoid"):
                return info.activation
        return None

    def _passes_on(self, info: LayerInfo) -> bool:
        one_position = math.prod(info.input_shape[:-1]) == 1
        match info.type:
            case "flatten" | "reshape":
                return one_position
            case "global_pool":
                return one_position or getattr(self.layer(info.name), "kind", "") == "average"
        return info.type in (*SAME_VALUES, "activation") and info.activation in (None, "linear")

    @property
    def parameters(self) -> int:
        """Number of weights, running statistics included (Keras' 'Total params')."""
        return sum(info.parameters for info in self.table)

    @property
    def trainable_parameters(self) -> int:
        """Number of weights that the optimiser moves."""
        return sum(info.trainable_parameters for info in self.table)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image's forward pass."""
        return sum(info.macs for info in self.table)
