"""Initial weights as a file: written by every run, and loaded by layer name to start another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from ..data.kmeans import CENTRES, LAYERS, ClusterFeatures, fitted_weights
from ..data.prepare import Prepared
from ..errors import UserError
from ..files import write_bytes
from ..network import Network
from ..runs.pretrained import source_weights
from ..spec.weights import Weights

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

    def text(self, listed: int | None = _LISTED) -> str:
        """Return a table with at most `listed` layers (None: all) of each outcome."""
        lines = [f"initial weights from {self.source}:"]
        for outcome in OUTCOMES:
            layers = self.of(outcome)
            if layers:
                total = sum(layer.parameters for layer in layers)
                lines.append(f"  {outcome}: {len(layers)} layers, {total:,} parameters")
                lines += [f"    {_line(layer)}" for layer in layers[:listed]]
                if listed is not None and len(layers) > listed:
                    lines.append(f"    and {len(layers) - listed} more")
        return "\n".join(lines)


def _line(layer: LayerStart) -> str:
    return f"{layer.layer}  {layer.parameters:,}" + (f"  ({layer.why})" if layer.why else "")


def save_initial_weights(network: Network, path: Path) -> None:
    """Write the network's weights (Keras' names and layout) and its description as safetensors."""
    write_bytes(path, save(network.named_weights(), {"spec": json.dumps(network.spec.to_dict())}))


def load_initial_weights(network: Network, source: str | Path) -> Start:
    """Load weights by layer name from a file, a run, a checkpoint or an application.

    Layers that the source lacks keep their drawn weights. Raises UserError if a layer's shapes
    differ, if the source lacks a frozen layer, and if no layer is taken. The layers of clusters may
    be missing: `data.features` fits them, see `check_clusters`.
    """
    weights = _by_layer(source_weights(source))
    own = _by_layer(network.named_weights())
    start = Start(str(source), tuple(_layers(network, own, weights, str(source))))
    if not start.of("taken"):
        raise WeightsError(
            f"{source}: has none of this network's layers ({', '.join(own)}); it has "
            f"{', '.join(weights) or 'none with weights'}"
        )
    names = [layer.layer for layer in start.of("taken")]
    loaded = {f"{name}/{key}": array for name in names for key, array in weights[name].items()}
    network.load_weights(network.named_weights() | loaded)
    return start


def check_clusters(start: Start | None, features: ClusterFeatures | None) -> None:
    """Raise WeightsError where the source lacks the clusters and no `features` fit them."""
    waiting = [] if start is None or features is not None else start.of("fitted")
    if start is not None and waiting:
        raise WeightsError(
            f"{start.source}: lacks {' and '.join(layer.layer for layer in waiting)}, the layers "
            "of clusters; accepted: a source that has them, or data.features, which fits them"
        )


def start_from_clusters(
    network: Network, start: Start | None, prepared: Prepared, features: ClusterFeatures
) -> None:
    """Load the clusters of these images as weights of the distance layers. Raises UserError.

    Clusters that `start` loaded are kept.
    """
    if start is not None and any(layer.layer == CENTRES for layer in start.of("taken")):
        return
    fitted = fitted_weights(network.spec, prepared, features)
    network.load_weights(network.named_weights() | fitted)


def _layers(
    network: Network,
    own: Mapping[str, Weights],
    weights: Mapping[str, Weights],
    source: str,
) -> Iterator[LayerStart]:
    fitted = () if CENTRES in weights else LAYERS
    for name, arrays in own.items():
        if name in fitted:
            yield LayerStart(name, _size(arrays), "fitted", "by data.features, to the images")
        elif name in weights:
            _check_shapes(name, arrays, weights[name], source)
            yield LayerStart(name, _size(arrays), "taken")
        elif network.spec.layer(name).trainable:
            yield LayerStart(name, _size(arrays), "drawn", "the source has no layer of that name")
        else:
            raise WeightsError(
                f"{source}: lacks layer {name!r}, which is frozen (trainable = False) and would "
                f"stay as drawn; it has {', '.join(weights)}; accepted: a source that has it, or "
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
