"""Writing Keras files that Keras 3 loads: a `.keras` archive or legacy HDF5."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..files import write_bytes
from ..spec import NetworkSpec, Shape
from ..spec.weights import Weights, check_weights, trainable_shapes
from .configuration import compile_config, is_sequential, model_config
from .container import CONFIG, METADATA, OWN, WEIGHTS
from .errors import KerasFileError
from .layer_configs import class_and_config
from .names import MODEL_NAME, group_names, snake_case
from .order import in_keras_order
from .slots import OptimizerState, listed, slot_groups

SUFFIXES = (".keras", ".h5", ".hdf5")
LAYOUT = "3.15.1"  # the release whose layout is written, and which the tests load the files with
_HEADER_LIMIT = 64_512  # bytes of one HDF5 attribute; Keras cuts longer lists of names
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows: the same network gives the same bytes


def write_keras(
    path: str | Path,
    spec: NetworkSpec,
    weights: Weights,
    optimizer: OptimizerState | None = None,
    names: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    frozen: Collection[str] = (),
) -> Path:
    """Write a `.keras` file, or HDF5 for `.h5` and `.hdf5`, for Keras 3; return its path.

    `weights` are in this project's names; `names` gives layers other names in the file. With an
    `optimizer`, Keras compiles the model and resumes training; layers that are `frozen`
    (``trainable=False``), here or in `spec`, have no slots. `metadata` holds plain values for
    `read_keras`, which Keras ignores. The file is written completely or not at all. Raises
    KerasFileError for another ending, SpecError for weights that do not fit.
    """
    path = Path(path)
    frozen = {*frozen, *(layer.name for layer in spec.layers if not layer.trainable)}
    names = {
        new: old for new, old in (names or {}).items() if "/" not in old
    }  # which Keras 3 does not allow
    if path.suffix.lower() not in SUFFIXES:
        raise KerasFileError(
            f"{path}: unknown ending {path.suffix!r}; accepted: {', '.join(SUFFIXES)}"
        )
    check_weights(spec, weights)
    if optimizer is not None:
        _check_slots(path, _moved(spec, frozen), optimizer)
    content = _Content(
        spec,
        weights,
        optimizer,
        names,
        {} if metadata is None else {OWN: dict(metadata)},
        frozenset(frozen),
    )
    return write_bytes(
        path, _archive(content) if path.suffix.lower() == ".keras" else _legacy(content)
    )


@dataclass(frozen=True)
class _Content:
    """The content of a file; `own` is this program's metadata, under its key."""

    spec: NetworkSpec
    weights: Weights
    optimizer: OptimizerState | None
    names: Mapping[str, str]
    own: dict[str, Any]
    frozen: frozenset[str]

    @property
    def dtype(self) -> str:
        return (
            "float64"
            if all(array.dtype == np.float64 for array in self.weights.values())
            else "float32"
        )

    @property
    def variables(self) -> list[tuple[str, np.ndarray]]:
        """The optimiser's variables, in Keras' order."""
        return (
            []
            if self.optimizer is None
            else listed(self.optimizer, list(_moved(self.spec, self.frozen)))
        )

    def config(self, zipped: bool) -> dict[str, Any]:
        return model_config(self.spec, self.names, self.dtype, zipped, self.frozen)


def _moved(spec: NetworkSpec, frozen: Collection[str]) -> dict[str, Shape]:
    """Return the trainable weights and their shapes, in Keras' order."""
    shapes = trainable_shapes(spec)
    names = [
        f"{layer.name}/{weight}"
        for layer in in_keras_order(spec)
        if layer.name not in frozen
        for weight in spec[layer.name].weights
    ]
    return {name: shapes[name] for name in names if name in shapes}


def _check_slots(path: Path, weights: Mapping[str, Shape], optimizer: OptimizerState) -> None:
    groups = slot_groups(optimizer.name, optimizer.settings)
    if groups is None:
        raise KerasFileError(
            f"{path}: optimiser {optimizer.name!r} cannot be written; accepted: SGD, RMSprop, "
            "Adam, AdamW, Nadam, Adamax, Adadelta, Adagrad"
        )
    for slot in (slot for group in groups for slot in group):
        for weight, shape in weights.items():
            array = optimizer.slots.get(slot, {}).get(weight)
            if array is None or array.shape != shape:
                raise KerasFileError(
                    f"{path}: slot {slot!r} of {weight!r} is "
                    f"{'missing' if array is None else array.shape}; accepted: an array {shape}"
                )


def _archive(content: _Content) -> bytes:
    config = content.config(zipped=True)
    optimizer = content.optimizer
    if optimizer is not None:
        config["compile_config"] = compile_config(
            content.spec, optimizer.name, optimizer.settings, zipped=True
        )
    members = {
        METADATA: json.dumps({"keras_version": LAYOUT} | content.own),
        CONFIG: json.dumps(config),
        WEIGHTS: _store(content),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), member)
    return buffer.getvalue()


def _store(content: _Content) -> bytes:
    """Write Keras 3's layout: groups named after classes, arrays by number."""
    spec = content.spec
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        layers = in_keras_order(spec)
        groups = group_names(class_and_config(layer)[0] for layer in layers)
        for layer, group in zip(layers, groups, strict=True):
            variables = file.create_group(f"layers/{group}/vars")
            variables.attrs["name"] = content.names.get(layer.name, layer.name)
            for number, weight in enumerate(spec[layer.name].weights):
                variables[str(number)] = content.weights[f"{layer.name}/{weight}"]
        for number, (_, array) in enumerate(content.variables):
            file.require_group("optimizer/vars")[str(number)] = array
        file.create_group("vars")
    return buffer.getvalue()


def _legacy(content: _Content) -> bytes:
    """Write the HDF5 layout of Keras 2: a group for each layer, which lists its weights."""
    spec = content.spec
    names = content.names
    optimizer = content.optimizer
    layers = in_keras_order(spec)
    prefix = f"{MODEL_NAME}/" if is_sequential(spec) else ""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", LAYOUT
        file.attrs["model_config"] = json.dumps(content.config(zipped=False))
        for key, value in content.own.items():
            file.attrs[key] = json.dumps(value)
        top = file.create_group("model_weights")
        top.attrs["backend"], top.attrs["keras_version"] = "tensorflow", LAYOUT
        _write_names(top, "layer_names", [names.get(layer.name, layer.name) for layer in layers])
        for info in (spec[layer.name] for layer in layers):
            name = names.get(info.name, info.name)
            arrays = [
                (f"{prefix}{name}/{weight}", content.weights[f"{info.name}/{weight}"])
                for weight in info.weights
            ]
            _write_listed(top.create_group(name), arrays)
        _write_listed(top.create_group("top_level_model_weights"), [])
        if optimizer is not None:
            config = compile_config(spec, optimizer.name, optimizer.settings, zipped=False)
            file.attrs["training_config"] = json.dumps(config)
            prefix = snake_case(optimizer.name)
            _write_listed(
                file.create_group("optimizer_weights"),
                [(f"{prefix}/{path}", array) for path, array in content.variables],
            )
    return buffer.getvalue()


def _write_listed(group: h5py.Group, arrays: list[tuple[str, Any]]) -> None:
    _write_names(group, "weight_names", [name for name, _ in arrays])
    for name, array in arrays:
        group[name] = np.asarray(array)


def _write_names(group: h5py.Group, key: str, values: list[str]) -> None:
    encoded = np.asarray([value.encode() for value in values], "S") if values else np.zeros(0)
    pieces = -(-encoded.nbytes // _HEADER_LIMIT)
    if pieces <= 1:
        group.attrs[key] = encoded
        return
    for number, piece in enumerate(np.array_split(encoded, pieces)):
        group.attrs[f"{key}{number}"] = piece
