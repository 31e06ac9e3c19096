"""Keras files read: configuration to NetworkSpec, weights to named arrays, optimiser slots beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py

from ..spec import NetworkSpec, Shape, Shared
from ..spec.weights import Weights, trainable_shapes
from .container import Container, open_container
from .described import Described, describe
from .errors import KerasFileError, reading
from .graph import KerasLayer, read_graph
from .hdf5 import array_at, find, group_at, names, text
from .order import in_keras_order
from .places import in_stored_order, weight_places
from .slots import OptimizerState, interpret
from .trial import try_out
from .vocabulary import RANDOM, SUPPORTED
from .written import class_and_config


@dataclass(frozen=True)
class KerasFile:
    """What a Keras file holds, in this project's terms.

    `weights` are in the file's precision. `renamed` maps layer name -> name in the file, where the two
    differ; `frozen` are the layers whose weights training left alone (``trainable=False``); `notes` say in
    words whatever is not as in the file. `channels_first`: so the file's own images are; here they are channels
    last, and so are the weights. `optimizer` is None where the file has
    no slots that could be read; `training` is the file's own record of loss, metrics and optimiser;
    `note` is what `write_keras` was given for its reader.
    """

    path: Path
    spec: NetworkSpec
    weights: Weights
    keras_version: str | None
    zipped: bool
    renamed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    optimizer: OptimizerState | None = None
    training: Mapping[str, Any] | None = None
    note: Mapping[str, Any] | None = None
    frozen: tuple[str, ...] = ()
    channels_first: bool = False


def read_keras(path: str | Path) -> KerasFile:
    """Read a `.keras` archive, or an HDF5 file of Keras 2.0 to 3.15, by its content, whatever its ending.

    Nothing from the file is executed, nothing outside it is opened, and nothing larger than what the
    file stores is allocated. Raises KerasFileError naming the file and the reason: damage, a layer
    without counterpart, or weights that contradict the configuration.
    """
    path = Path(path)
    with reading(path), opened(path) as container:
        if container.config is None:
            raise KerasFileError("weights only, without a configuration; accepted here: files of model.save(); "
                                 "give the network (a YAML file) to read weights alone")
        graph = read_graph(container.config, SUPPORTED, RANDOM)
        network = describe(graph, container.keras_version, text(container.weights, "backend"))
        spec, turns = network.spec, network.turns
        weights = turns.all_turned(_weights(container.weights, spec, graph.layers, network.layers))
        state, why = _optimizer(container, network, graph.layers)
    return KerasFile(path, spec, weights, container.keras_version, container.zipped, network.renamed,
                     (*network.notes, *why), state, container.training, container.note, network.frozen,
                     turns.first)


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """Open a file that a first reading elsewhere has come through."""
    try_out(path)
    with open_container(path) as container:
        yield container


def read_weights(path: str | Path, spec: NetworkSpec) -> Weights:
    """Read the weights of `spec` from a file of model.save_weights(), or from a whole model's file.

    Layers are matched by name where the file has all of them, else by their order, as Keras does.
    Raises KerasFileError naming the file and the weight that is missing or has another shape.
    """
    path = Path(path)
    with reading(path), opened(path) as container:
        layers = [KerasLayer(class_and_config(layer)[0], (layer.name,), {}) for layer in in_keras_order(spec)
                  if not isinstance(layer, Shared)]
        return _weights(container.weights, spec, layers, {layer.name: layer for layer in layers})


def _weights(file: h5py.File, spec: NetworkSpec, stored: Sequence[KerasLayer],
             layers: Mapping[str, KerasLayer]) -> Weights:
    """Return the file's arrays under the spec's names; `layers` are the spec's layers in the file."""
    counts = {layer.name: _counted(spec, name) for name, layer in layers.items() if spec[name].weights}
    places = weight_places(file, stored, counts)
    weights: Weights = {}
    for info in spec.table:
        if not info.weights or info.name not in layers:
            continue
        layer, shapes = layers[info.name], info.weights
        paths = places[layer.name]
        if len(paths) != len(shapes):
            raise KerasFileError(f"{layer} has {len(paths)} weights in the file; accepted, by the "
                                 f"configuration: {len(shapes)} ({', '.join(shapes)})")
        for (weight, shape), place in zip(shapes.items(), paths, strict=True):
            weights[f"{info.name}/{weight}"] = array_at(file, place, tuple(shape))
    return weights


def _counted(spec: NetworkSpec, name: str) -> tuple[int, int]:
    weights, trainable = spec[name].weights, spec.layer(name).trainable
    moved = sum(weight in trainable for weight in weights)
    return moved, len(weights) - moved


def _optimizer(container: Container, network: Described,
               stored: Sequence[KerasLayer]) -> tuple[OptimizerState | None, list[str]]:
    """Return the optimiser's state, or None and why there is none."""
    training = container.training or {}
    described = training.get("optimizer_config") or training.get("optimizer")
    places = _optimizer_places(container.weights)
    if not places:
        return None, []
    if not isinstance(described, Mapping):
        return None, ["optimiser state left out: the file does not say which optimiser it belongs to"]
    name, settings = str(described.get("class_name")).removeprefix("Custom>"), described.get("config")
    settings = settings if isinstance(settings, Mapping) else {}
    moved = _moved(network, stored)
    if len(places) > 4 * len(moved) + 8:
        return None, [f"optimiser state left out: {len(places)} variables for {len(moved)} weights"]
    arrays = [array_at(container.weights, place) for place in places]
    together = not settings.get("is_legacy_optimizer") and places[0].split("/")[-1].split(":")[0] in ("0", "iteration")
    state = interpret(name, settings, arrays, moved, together)
    if isinstance(state, str):
        return None, [f"optimiser state left out: {state}"]
    return replace(state, slots={slot: network.turns.all_turned(arrays) for slot, arrays in state.slots.items()}), []


def _moved(network: Described, stored: Sequence[KerasLayer]) -> dict[str, Shape]:
    """Return the weights that the optimiser moved and their shapes, in the order of the file's layers."""
    ours = {layer.name: name for name, layer in network.layers.items()}
    shapes = trainable_shapes(network.spec)
    return {f"{ours[layer.name]}/{weight}": shapes[f"{ours[layer.name]}/{weight}"]
            for layer in in_stored_order(stored) if layer.trainable and layer.name in ours
            for weight in network.spec[ours[layer.name]].weights if f"{ours[layer.name]}/{weight}" in shapes}


def _optimizer_places(file: h5py.File) -> list[str]:
    if find(file, "optimizer/vars") is not None:
        return [f"optimizer/vars/{number}" for number in range(len(group_at(file, "optimizer/vars")))]
    if find(file, "optimizer_weights") is None:
        return []
    return [f"optimizer_weights/{name}" for name in names(group_at(file, "optimizer_weights"), "weight_names")]
