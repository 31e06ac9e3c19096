"""A network as an ordered list of named layers, checked as a whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from ..errors import nearest
from .layer import ACTIVATIONS, Layer, Shape, SpecError
from .serialize import frozen, layer_from_dict, without_defaults

INITIALIZERS = ("glorot_uniform", "inverse_sqrt_uniform")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# A layer becomes an attribute of its network, so it cannot be called as something that every torch module has
_RESERVED = frozenset("""
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches
    eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict
    load_weights modules mtia named_buffers named_children named_modules named_parameters named_weights names
    parameters probabilities register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory spec state_dict to
    to_empty train training training_logits type xpu zero_grad
""".split())


@dataclass(frozen=True)
class LayerInfo:
    """One row of the layer table.

    `receptive_field`, `jump` and `start` are (rows, columns) in input pixels: size of the patch one
    unit sees, distance between neighbouring units' patches, and the first patch's top left corner
    (negative where padding is seen). `maps` is the number of feature maps, None for vectors.
    """

    name: str
    type: str
    activation: str | None
    input_shape: Shape
    output_shape: Shape
    weights: Mapping[str, Shape]
    parameters: int
    trainable_parameters: int
    macs: int
    receptive_field: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]

    @property
    def maps(self) -> int | None:
        """Number of feature maps, None where the output is a vector."""
        return self.output_shape[2] if len(self.output_shape) == 3 else None


@dataclass(frozen=True)
class NetworkSpec:
    """A checked, immutable description of a feed-forward network.

    `input_shape` is ``(height, width, channels)``. Raises SpecError, naming layer, value and what is
    accepted, where the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape = (28, 28, 1)
    initializer: str = "glorot_uniform"

    def __post_init__(self) -> None:
        _check_whole(self)
        _ = self.table  # shapes are worked out once, and their errors raised here

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> NetworkSpec:
        """Build from plain YAML/JSON values: ``{input_shape, initializer, layers: [{type, name, ...}]}``."""
        if not isinstance(description, Mapping):
            raise SpecError(f"network = {description!r} cannot work; accepted: a mapping with the key 'layers'")
        accepted = [f.name for f in fields(cls)]
        for key in description:
            if key not in accepted:
                raise SpecError(f"network: unknown key {key!r}; {nearest(key, accepted)}")
        layers = description.get("layers")
        if not isinstance(layers, list | tuple) or not layers:
            raise SpecError(f"network: layers = {layers!r} cannot work; accepted: a list of at least one layer")
        values = {key: frozen(value) for key, value in description.items() if key != "layers"}
        return cls(layers=tuple(layer_from_dict(i, entry) for i, entry in enumerate(layers)), **values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values from which `from_dict` builds an equal description (defaults left out)."""
        layers = [{"type": layer.type} | without_defaults(layer) for layer in self.layers]
        return {"input_shape": list(self.input_shape), "initializer": self.initializer, "layers": layers}

    @cached_property
    def table(self) -> tuple[LayerInfo, ...]:
        """One LayerInfo per layer, in order."""
        return tuple(_walk(self))

    @cached_property
    def _by_name(self) -> dict[str, LayerInfo]:
        return {info.name: info for info in self.table}

    def __getitem__(self, name: str) -> LayerInfo:
        """Return the row of layer `name`; raise SpecError naming the nearest where there is none."""
        if name not in self._by_name:
            raise SpecError(f"no layer {name!r} in this network; {nearest(name, self.names)}")
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names, in order."""
        return tuple(layer.name for layer in self.layers)

    @property
    def output_shape(self) -> Shape:
        """Shape of the network's output."""
        return self.table[-1].output_shape

    @property
    def outputs(self) -> int:
        """Number of units of the last layer."""
        return self.output_shape[0]

    @property
    def classes(self) -> int:
        """Number of classes: one a unit, and two where one unit gives the probability or logit of class 1."""
        return 2 if self.outputs == 1 else self.outputs

    @property
    def output_activation(self) -> str:
        """The last layer's softmax, sigmoid or linear; networks return logits and leave it to loss and predict."""
        return self.table[-1].activation or "linear"

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


def is_layer_name(name: object) -> bool:
    """Whether a layer may be called `name`: an identifier that no torch module has as an attribute."""
    return isinstance(name, str) and _NAME.match(name) is not None and name not in _RESERVED


def _check_whole(spec: NetworkSpec) -> None:
    shape = spec.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        raise SpecError(f"network: input_shape = {shape!r} cannot work; accepted: [height, width, channels]")
    if spec.initializer not in INITIALIZERS:
        raise SpecError(f"network: unknown initializer {spec.initializer!r}; {nearest(spec.initializer, INITIALIZERS)}")
    seen: set[str] = set()
    for layer in spec.layers:
        if not is_layer_name(layer.name):
            raise SpecError(f"layer name {layer.name!r} cannot work; accepted: letters, digits and _, "
                            "starting with a letter, and none that a torch module has already (train, forward, ...)")
        if layer.name in seen:
            raise SpecError(f"layer {layer.name!r} appears twice; accepted: every layer has a name of its own")
        seen.add(layer.name)
        layer.check()
        if getattr(layer, "activation", None) == "softmax" and layer is not spec.layers[-1]:
            raise layer.fail("activation", "softmax", "only the last layer may have it; accepted here: "
                             + ", ".join(ACTIVATIONS))


def _walk(spec: NetworkSpec) -> Iterator[LayerInfo]:
    shape, field_, jump, start = spec.input_shape, (1, 1), (1, 1), (0, 0)
    whole = spec.input_shape[:2]
    for layer in spec.layers:
        output, window = layer.output_shape(shape), layer.window(shape)
        if window is None or field_ is whole:
            field_, jump, start = whole, (1, 1), (0, 0)
        else:
            start = tuple(s - b * j for s, b, j in zip(start, window.before, jump, strict=True))
            field_ = tuple(f + (k - 1) * j for f, k, j in zip(field_, window.kernel, jump, strict=True))
            jump = tuple(j * s for j, s in zip(jump, window.stride, strict=True))
        weights = layer.weights(shape)
        yield LayerInfo(layer.name, layer.type, getattr(layer, "activation", None), shape, output, weights,
                        sum(map(math.prod, weights.values())),
                        sum(math.prod(s) for name, s in weights.items() if name in layer.trainable),
                        layer.macs(shape), field_, jump, start)
        shape = output
    if len(shape) != 1:
        raise spec.layers[-1].fail("output shape", shape, "the last layer must give a vector of class scores")
