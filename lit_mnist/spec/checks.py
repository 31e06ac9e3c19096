"""Checks of a description as a whole: its input, layer names, shared weights and outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import nearest
from . import wiring
from .layer import SpecError
from .layers import Shared
from .names import is_layer_name

if TYPE_CHECKING:
    from .description import NetworkSpec

INITIALIZERS = ("glorot_uniform", "inverse_sqrt_uniform")


def check_whole(spec: NetworkSpec) -> None:
    """Raise SpecError, naming layer, value and what is accepted, if parts do not fit together."""
    shape = spec.input_shape
    if not (
        isinstance(shape, tuple)
        and len(shape) == 3
        and all(type(n) is int and n > 0 for n in shape)
    ):
        raise SpecError(
            f"network: input_shape = {shape!r} cannot work; accepted: [height, width, channels]"
        )
    if spec.initializer not in INITIALIZERS:
        raise SpecError(
            f"network: unknown initializer {spec.initializer!r}; "
            f"{nearest(spec.initializer, INITIALIZERS)}"
        )
    _check_initializer_scale(spec)
    seen: set[str] = set()
    for layer in spec.layers:
        if not is_layer_name(layer.name):
            raise SpecError(
                f"layer name {layer.name!r} cannot work; accepted: letters, digits and _, "
                "starting with a letter, and none that a torch module has already (train, "
                "forward, ...)"
            )
        if layer.name in seen:
            raise SpecError(
                f"layer {layer.name!r} appears twice; accepted: every layer has a name of its own"
            )
        seen.add(layer.name)
        if not isinstance(layer.trainable, bool):
            raise layer.fail("trainable", layer.trainable, "accepted: true, false")
        layer.check()
    _check_shared(spec)
    _check_outputs(spec)


def _check_initializer_scale(spec: NetworkSpec) -> None:
    scale = spec.initializer_scale
    if scale is None:
        return
    if spec.initializer != "inverse_sqrt_uniform":
        raise SpecError(
            f"network: initializer_scale = {scale!r} has no meaning for {spec.initializer}; "
            "accepted with: initializer: inverse_sqrt_uniform"
        )
    if type(scale) not in (int, float) or not 0 < scale < math.inf:
        raise SpecError(
            f"network: initializer_scale = {scale!r} cannot work; accepted: a number above 0"
        )


def _check_shared(spec: NetworkSpec) -> None:
    earlier: list[str] = []
    for layer in spec.layers:
        if not isinstance(layer, Shared):
            earlier.append(layer.name)
        elif not layer.trainable:
            raise layer.fail(
                "trainable", False, f"its weights are those of {layer.shares!r}: freeze that layer"
            )
        elif layer.shares not in earlier:
            raise SpecError(
                f"layer {layer.name!r}: shares = {layer.shares!r} is no layer before it that has "
                f"weights of its own; {nearest(str(layer.shares), earlier)}"
            )


def _check_outputs(spec: NetworkSpec) -> None:
    outputs = (spec.output,) if spec.outputs is None else spec.outputs
    if not isinstance(outputs, tuple) or not outputs or len(set(outputs)) < len(outputs):
        raise SpecError(
            f"network: outputs = {outputs!r} cannot work; accepted: a list of layers, each once"
        )
    for name in outputs:
        if name not in spec.names:
            raise SpecError(
                f"network: no layer {name!r} to be an output; {nearest(str(name), spec.names)}"
            )
    wiring.check_used(spec.sources, outputs)
