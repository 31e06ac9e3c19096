"""Reading Keras files: configuration to NetworkSpec, weights to arrays, optimiser slots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..spec import NetworkSpec, Shape, Shared, SpecError
from ..spec.weights import Weights, trainable_shapes
from .container import Container, open_container
from .entries import KerasLayer
from .errors import KerasFileError, reading
from .graph import read_graph
from .hdf5 import array_at, find, group_at, names, text
from .layer_configs import class_and_config
from .network_file import beside, keras_config, network_config, same_name
from .order import in_keras_order
from .places import ROOTS, in_stored_order, weight_places
from .slots import OptimizerState, interpret
from .to_spec import FileNetwork, describe
from .trial import try_out
from .vocabulary import RANDOM, SUPPORTED


@dataclass(frozen=True)
class KerasFile:
    """The content of a Keras file, in this project's terms.

    `weights` are in the file's precision. `renamed` maps layer name -> name in the file, where the
    two differ; `frozen` are the layers that were not trained (``trainable=False``); `notes`
    describe every difference from the file. `channels_first` tells the order of the file's own
    images; images and weights here are channels last. `orders` holds, for flattened images, the
    position of each value in the file. `moved` are layers at another position here, with equal
    results. `optimizer` is None without readable slots; `training` is the file's record of loss,
    metrics and optimiser; `metadata` is what `write_keras` stored.
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
    metadata: Mapping[str, Any] | None = None
    frozen: tuple[str, ...] = ()
    channels_first: bool = False
    orders: Mapping[str, np.ndarray] = field(default_factory=dict)
    moved: tuple[str, ...] = ()


def read_keras(
    path: str | Path, network: str | Path | None = None, headless: bool = False
) -> KerasFile:
    """Read a `.keras` archive or an HDF5 file of Keras 2.0 to 3.15, by its content.

    For a file of weights only, `network` is a file of model.to_json() or to_yaml(); without it, a
    matching one is searched in the same folder. A description is read with the weights in its
    folder. `headless` networks may end in images, to which a global pool is added. Nothing from the
    file is executed, no other file is opened, and no more is allocated than the file stores. Raises
    KerasFileError naming the file and the reason: damage, an unsupported layer, or weights that
    contradict the configuration.
    """
    path = Path(path)
    if network is None and keras_config(path) is not None:
        return read_keras(_weights_beside(path), path, headless)
    with reading(path), opened(path) as container:
        if network is not None:
            return _with_network(
                container,
                path,
                network_config(Path(network)),
                f"the network is that of {network}",
                headless,
            )
        if container.config is not None:
            return _read(container, path, container.config, headless)
        return _with_network_beside(container, path)


def _read(
    container: Container, path: Path, config: Mapping[str, Any], headless: bool = False
) -> KerasFile:
    graph = read_graph(config, SUPPORTED, RANDOM)
    network = describe(graph, container.keras_version, text(container.weights, "backend"), headless)
    turns = network.turns
    weights = turns.all_turned(
        _weights(container.weights, network.spec, graph.layers, network.layers)
    )
    state, problem = _optimizer(container, network, graph.layers)
    return KerasFile(
        path,
        network.spec,
        weights,
        container.keras_version,
        container.zipped,
        network.renamed,
        (*network.notes, *problem),
        state,
        container.training,
        container.metadata,
        network.frozen,
        turns.first,
        turns.outputs,
        network.moved,
    )


def _with_network(
    container: Container, path: Path, config: Mapping[str, Any], note: str, headless: bool = False
) -> KerasFile:
    file = _read(container, path, config, headless)
    return replace(file, notes=(note, *file.notes))


def _with_network_beside(container: Container, path: Path) -> KerasFile:
    """Read weights with the only description in their folder that fits or has their name."""
    if not _has_weights(container.weights):
        raise KerasFileError(
            f"an HDF5 file of data ({', '.join(list(container.weights)[:5]) or 'empty'}), not of a "
            "Keras model; accepted: files of model.save() and model.save_weights()"
        )
    fitting: list[KerasFile] = []
    for place, config in beside(path):
        with contextlib.suppress(KerasFileError, SpecError):
            fitting.append(
                _with_network(
                    container, path, config, f"the network is that of {place.name} beside it"
                )
            )
            if same_name(place, path):
                return fitting[-1]
    if len(fitting) == 1 or (fitting and all(file.spec == fitting[0].spec for file in fitting)):
        return fitting[0]
    others = (
        "no description that fits lies beside them"
        if not fitting
        else "several that fit lie beside them"
    )
    raise KerasFileError(
        f"weights only, without a network, and {others}; accepted: convert {path.name} OUT "
        "--config NETWORK, with the network as a YAML file of this program, or as Keras' JSON or "
        "YAML (model.to_json())"
    )


def _has_weights(file: h5py.File) -> bool:
    return (
        "layer_names" in file.attrs
        or "layer_names0" in file.attrs
        or any(key in file for key in ("model_weights", *ROOTS))
    )


def _weights_beside(network: Path) -> Path:
    """Return the weights in a description's folder, by name, else the only ones."""
    files = [
        file
        for file in sorted(network.parent.iterdir())
        if file.suffix.lower() in (".h5", ".hdf5", ".keras")
    ]
    alike = [file for file in files if same_name(network, file)] or files
    if len(alike) != 1:
        candidates = ", ".join(file.name for file in alike[:5]) or "none"
        raise KerasFileError(
            f"{network}: a network's description without weights, and not one file of weights "
            f"beside it ({candidates}); accepted: convert WEIGHTS OUT --config {network.name}"
        )
    return alike[0]


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """Open a file after a worker process has read it without failure."""
    try_out(path)
    with open_container(path) as container:
        yield container


def read_weights(path: str | Path, spec: NetworkSpec) -> Weights:
    """Read the weights of `spec` from a file of model.save_weights(), or from a whole model's file.

    Layers are matched by name if the file has all of them, else by order, as in Keras.
    Raises KerasFileError naming the file and the weight that is missing or has another shape.
    """
    path = Path(path)
    with reading(path), opened(path) as container:
        layers = [
            KerasLayer(class_and_config(layer)[0], (layer.name,), {})
            for layer in in_keras_order(spec)
            if not isinstance(layer, Shared)
        ]
        return _weights(container.weights, spec, layers, {layer.name: layer for layer in layers})


def _weights(
    file: h5py.File,
    spec: NetworkSpec,
    stored: Sequence[KerasLayer],
    layers: Mapping[str, KerasLayer],
) -> Weights:
    """Return the file's arrays under the spec's names, given its layers in the file."""
    counts = {
        layer.name: _counted(spec, name) for name, layer in layers.items() if spec[name].weights
    }
    places = weight_places(file, stored, counts)
    weights: Weights = {}
    for info in spec.table:
        if not info.weights or info.name not in layers:
            continue
        layer = layers[info.name]
        shapes = info.weights
        paths = places[layer.name]
        if len(paths) != len(shapes):
            raise KerasFileError(
                f"{layer} has {len(paths)} weights in the file; accepted, by the "
                f"configuration: {len(shapes)} ({', '.join(shapes)})"
            )
        for (weight, shape), place in zip(shapes.items(), paths, strict=True):
            weights[f"{info.name}/{weight}"] = array_at(file, place, tuple(shape))
    return weights


def _counted(spec: NetworkSpec, name: str) -> tuple[int, int]:
    weights = spec[name].weights
    trainable = spec.layer(name).trainable_weights
    moved = sum(weight in trainable for weight in weights)
    return moved, len(weights) - moved


def _optimizer(
    container: Container, network: FileNetwork, stored: Sequence[KerasLayer]
) -> tuple[OptimizerState | None, list[str]]:
    """Return the optimiser's state, or None and the reason."""
    training = container.training or {}
    described = training.get("optimizer_config") or training.get("optimizer")
    places = _optimizer_places(container.weights)
    if not places:
        return None, []
    if not isinstance(described, Mapping):
        return None, [
            "optimiser state left out: the file does not say which optimiser it belongs to"
        ]
    name = str(described.get("class_name")).removeprefix("Custom>")
    settings = described.get("config")
    settings = settings if isinstance(settings, Mapping) else {}
    moved = _moved(network, stored)
    if len(places) > 4 * len(moved) + 8:
        return None, [f"optimiser state left out: {len(places)} variables for {len(moved)} weights"]
    arrays = [array_at(container.weights, place) for place in places]
    together = not settings.get("is_legacy_optimizer") and places[0].split("/")[-1].split(":")[
        0
    ] in ("0", "iteration")
    state = interpret(name, settings, arrays, moved, together)
    if isinstance(state, str):
        return None, [f"optimiser state left out: {state}"]
    return replace(
        state,
        slots={slot: network.turns.all_turned(arrays) for slot, arrays in state.slots.items()},
    ), []


def _moved(network: FileNetwork, stored: Sequence[KerasLayer]) -> dict[str, Shape]:
    """Return the trained weights and their shapes, in the order of the file's layers."""
    ours = {layer.name: name for name, layer in network.layers.items()}
    shapes = trainable_shapes(network.spec)
    return {
        f"{ours[layer.name]}/{weight}": shapes[f"{ours[layer.name]}/{weight}"]
        for layer in in_stored_order(stored)
        if layer.trainable and layer.name in ours
        for weight in network.spec[ours[layer.name]].weights
        if f"{ours[layer.name]}/{weight}" in shapes
    }


def _optimizer_places(file: h5py.File) -> list[str]:
    if find(file, "optimizer/vars") is not None:
        return [
            f"optimizer/vars/{number}" for number in range(len(group_at(file, "optimizer/vars")))
        ]
    if find(file, "optimizer_weights") is None:
        return []
    return [
        f"optimizer_weights/{name}"
        for name in names(group_at(file, "optimizer_weights"), "weight_names")
    ]
