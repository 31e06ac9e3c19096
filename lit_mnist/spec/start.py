"""The weights that training starts from: by layer name from a source, or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError, listed
from .description import NetworkSpec
from .weights import Weights

OUTCOMES = ("taken", "drawn", "fitted", "left")
_LISTED = 4  # layers of one kind that a message names


class WeightsError(UserError):
    """Weights that training cannot start from."""


@dataclass(frozen=True)
class LayerStart:
    """What happened to one layer: taken from the source, drawn, fitted to the images when training
    starts, or left in the source.

    `why` gives the reason.
    """

    layer: str
    parameters: int
    outcome: str  # one of OUTCOMES
    why: str = ""


@dataclass(frozen=True)
class Start:
    """Which layers' weights were taken from `source`."""

    source: str
    layers: tuple[LayerStart, ...]

    def of(self, outcome: str) -> list[LayerStart]:
        """Return the layers with this outcome."""
        return [layer for layer in self.layers if layer.outcome == outcome]

    def text(self, most: int | None = _LISTED) -> str:
        """Return a table with at most `most` layers (None: all) of each outcome."""
        lines = [f"initial weights from {self.source}:"]
        for outcome in OUTCOMES:
            layers = self.of(outcome)
            if layers:
                total = sum(layer.parameters for layer in layers)
                lines.append(f"  {outcome}: {len(layers)} layers, {total:,} parameters")
                lines += [f"    {_line(layer)}" for layer in layers[:most]]
                if most is not None and len(layers) > most:
                    lines.append(f"    and {len(layers) - most} more")
        return "\n".join(lines)


def _line(layer: LayerStart) -> str:
    return f"{layer.layer}  {layer.parameters:,}" + (f"  ({layer.why})" if layer.why else "")


def start_from(
    spec: NetworkSpec,
    drawn: Weights,
    weights: Weights,
    source: str,
    fitted: Sequence[str] = (),
) -> tuple[Start, Weights]:
    """Return what happens to each layer, and `drawn` with the layers that `weights` has.

    `fitted` names layers that are fitted later, together, unless the source has the first of them.
    Raises WeightsError if a layer's shapes differ, if the source lacks a frozen layer, and if no
    layer is taken.
    """
    own = _by_layer(drawn)
    stored = _by_layer(weights)
    if fitted and fitted[0] in stored:
        fitted = ()
    start = Start(source, tuple(_layers(spec, own, stored, source, fitted)))
    if not start.of("taken"):
        raise WeightsError(
            f"{source}: has none of this network's layers ({listed(own)}); it has "
            f"{listed(stored) or 'none with weights'}"
        )
    names = [layer.layer for layer in start.of("taken")]
    taken = {f"{name}/{key}": array for name in names for key, array in stored[name].items()}
    return start, drawn | taken


def _layers(
    spec: NetworkSpec,
    own: Mapping[str, Weights],
    weights: Mapping[str, Weights],
    source: str,
    fitted: Sequence[str],
) -> Iterator[LayerStart]:
    for name, arrays in own.items():
        if name in fitted:
            yield LayerStart(name, _size(arrays), "fitted", "by data.features, to the images")
        elif name in weights:
            _check_shapes(name, arrays, weights[name], source)
            yield LayerStart(name, _size(arrays), "taken")
        elif spec.layer(name).trainable:
            yield LayerStart(name, _size(arrays), "drawn", "the source has no layer of that name")
        else:
            raise WeightsError(
                f"{source}: lacks layer {name!r}, which is frozen (trainable = False) and would "
                f"stay as drawn; it has {listed(weights)}; accepted: a source that has it, or "
                "trainable: true"
            )
    for name, arrays in weights.items():
        if name not in own:
            yield LayerStart(name, _size(arrays), "left", "this network has no layer of that name")


def _check_shapes(name: str, own: Weights, stored: Weights, source: str) -> None:
    own_shapes = {key: array.shape for key, array in own.items()}
    stored_shapes = {key: array.shape for key, array in stored.items()}
    if own_shapes != stored_shapes:
        raise WeightsError(
            f"{source}: layer {name!r} has weights {_shapes(stored_shapes)}, this network's has "
            f"{_shapes(own_shapes)}; "
            "accepted: the same shapes, or another name for the layer, which is then initialised"
        )


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{key} {' x '.join(map(str, shape))}" for key, shape in shapes.items())


def _by_layer(weights: Weights) -> dict[str, Weights]:
    result: dict[str, Weights] = {}
    for name, array in weights.items():
        layer, _, key = name.partition("/")
        result.setdefault(layer, {})[key] = np.asarray(array)
    return result


def _size(arrays: Weights) -> int:
    return sum(array.size for array in arrays.values())
