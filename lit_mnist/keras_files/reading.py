"""Keras files read: configuration to NetworkSpec, weights to named arrays, optimiser slots beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from ..spec import NetworkSpec, layer_from_dict
from ..spec.weights import Weights, trainable_shapes
from .chain import Chain, KerasLayer, read_chain
from .container import Container, open_container
from .errors import KerasFileError, reading
from .hdf5 import array_at, find, group_at, names, text
from .inputs import input_image
from .layers import SUPPORTED, entry_of, training_only
from .names import group_names, layer_names
from .slots import OptimizerState, interpret
from .trial import try_out


@dataclass(frozen=True)
class KerasFile:
    """What a Keras file holds, in this project's terms.

    `weights` are in the file's precision. `renamed` maps layer name -> name in the file, where the two
    differ; `frozen` are the layers whose weights training left alone (``trainable=False``); `notes` say in
    words whatever is not as in the file. `optimizer` is None where the file has
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
        chain = read_chain(container.config, SUPPORTED)
        spec, layers, notes = _network(chain)
        weights = _weights(container.weights, spec, chain.stored, layers)
        state, why = _optimizer(container, spec, layers)
    renamed = {new: layer.name for new, layer in layers.items() if new != layer.name}
    frozen = tuple(name for name, layer in layers.items() if spec[name].weights and not layer.trainable)
    return KerasFile(path, spec, weights, container.keras_version, container.zipped, renamed,
                     (*notes, *why), state, container.training, container.note, frozen)


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
        layers = [KerasLayer(_CLASSES[layer.type], layer.name, {}) for layer in spec.layers if layer.type in _CLASSES]
        return _weights(container.weights, spec, layers, {layer.name: layer for layer in layers})


_CLASSES = {"conv": "Conv2D", "dense": "Dense", "batch_norm": "BatchNormalization"}


def _network(chain: Chain) -> tuple[NetworkSpec, dict[str, KerasLayer], list[str]]:
    """Return the spec, its layers' counterparts in the file by new name, and what must be said about it."""
    image, flatten = input_image(chain)
    new_names = layer_names(layer.name for layer in chain.layers)
    layers, notes, shape = [], [], image
    if image != chain.input_shape:
        notes.append(f"the input {chain.input_shape} is taken as an image {image}")
    if flatten:
        name = list(layer_names([*new_names.values(), "flatten-input"]).values())[-1]
        notes.append(f"layer {name!r} is new: it flattens the image")
        layers.append(layer_from_dict(0, {"type": "flatten", "name": name}))
        shape = layers[-1].output_shape(shape)
    for layer in chain.layers:
        layers.append(layer_from_dict(len(layers), entry_of(layer, shape) | {"name": new_names[layer.name]}))
        layers[-1].check()
        shape = layers[-1].output_shape(shape)
        notes += [f"{layer}: {key} is left out (it matters to training alone)" for key in training_only(layer)]
        notes += [f"layer {layer.name!r} is called {layers[-1].name!r} here"] * (layer.name != layers[-1].name)
    spec = NetworkSpec(tuple(layers), image)
    return spec, {new_names[layer.name]: layer for layer in chain.layers}, notes


def _weights(file: h5py.File, spec: NetworkSpec, stored: Sequence[KerasLayer],
             layers: Mapping[str, KerasLayer]) -> Weights:
    """Return the weights under the spec's names; `stored` are the file's layers in its own order."""
    wanted = {name: layer for name, layer in layers.items() if spec[name].weights}
    root = next((key for key in _ROOTS if key in file), None)
    places = _places_by_class(file, root, stored, wanted) if root else _places_by_name(file, wanted)
    weights: Weights = {}
    for name, paths in places.items():
        shapes = spec[name].weights
        if len(paths) != len(shapes):
            raise KerasFileError(f"{wanted[name]} has {len(paths)} weights in the file; accepted, by the "
                                 f"configuration: {len(shapes)} ({', '.join(shapes)})")
        for (weight, shape), path in zip(shapes.items(), paths, strict=True):
            weights[f"{name}/{weight}"] = array_at(file, path, tuple(shape))
    return weights


_ROOTS = ("layers", "_layer_checkpoint_dependencies")  # Keras 3; TensorFlow 2.12


def _places_by_class(file: h5py.File, root: str, stored: Sequence[KerasLayer],
                     wanted: Mapping[str, KerasLayer]) -> dict[str, list[str]]:
    """Keras 3's store: groups are called after classes; since 3.6 an attribute holds the layer's own name."""
    top = group_at(file, root)
    names_of = {text(group_at(top, f"{key}/vars"), "name"): key for key in top if find(top, f"{key}/vars") is not None}
    groups = group_names([layer.kind for layer in stored], list(top))
    counted = dict(zip([layer.name for layer in stored], groups, strict=True))
    by_name = all(layer.name in names_of for layer in wanted.values())
    places = {}
    for name, layer in wanted.items():
        key = names_of[layer.name] if by_name else counted[layer.name]
        variables = group_at(top, f"{key}/vars")
        places[name] = [f"{root}/{key}/vars/{number}" for number in range(len(variables))]
    return places


def _places_by_name(file: h5py.File, wanted: Mapping[str, KerasLayer]) -> dict[str, list[str]]:
    """The older layout: a group for each layer, which lists its weights' names."""
    prefix = "model_weights/" if "model_weights" in file else ""
    top = group_at(file, "model_weights") if prefix else file
    listed = {name: names(group_at(top, name), "weight_names") for name in names(top, "layer_names")}
    filled = [name for name, weights in listed.items() if weights]
    by_name = all(layer.name in listed for layer in wanted.values())
    if not by_name and len(filled) != len(wanted):
        raise KerasFileError(f"layers with weights in the file: {', '.join(filled) or 'none'}; accepted: "
                             f"{', '.join(layer.name for layer in wanted.values())}")
    found = [layer.name for layer in wanted.values()] if by_name else filled
    return {name: [f"{prefix}{key}/{weight}" for weight in listed[key]]
            for name, key in zip(wanted, found, strict=True)}


def _optimizer(container: Container, spec: NetworkSpec,
               layers: Mapping[str, KerasLayer]) -> tuple[OptimizerState | None, list[str]]:
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
    moved = {name: shape for name, shape in trainable_shapes(spec).items() if layers[name.split("/")[0]].trainable}
    if len(places) > 4 * len(moved) + 8:
        return None, [f"optimiser state left out: {len(places)} variables for {len(moved)} weights"]
    arrays = [array_at(container.weights, place) for place in places]
    together = not settings.get("is_legacy_optimizer") and places[0].split("/")[-1].split(":")[0] in ("0", "iteration")
    state = interpret(name, settings, arrays, moved, together)
    return (None, [f"optimiser state left out: {state}"]) if isinstance(state, str) else (state, [])


def _optimizer_places(file: h5py.File) -> list[str]:
    if find(file, "optimizer/vars") is not None:
        return [f"optimizer/vars/{number}" for number in range(len(group_at(file, "optimizer/vars")))]
    if find(file, "optimizer_weights") is None:
        return []
    return [f"optimizer_weights/{name}" for name in names(group_at(file, "optimizer_weights"), "weight_names")]
