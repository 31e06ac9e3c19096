"""Small Keras files for tests: the ones of other releases, unpacked, and fresh ones to be tampered
with.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lit_mnist.keras_files import OptimizerState, write_keras
from lit_mnist.spec import NetworkSpec
from lit_mnist.spec.weights import Weights, initial_weights, trainable_shapes

DATA = Path(__file__).parent / "data"
RELEASES = sorted(path.stem for path in DATA.glob("*.zip"))
SPEC = NetworkSpec.from_dict(
    {
        "input_shape": [8, 8, 1],
        "layers": [
            {"type": "conv", "name": "Conv2D_2", "filters": 2, "activation": "relu"},
            {"type": "conv", "name": "Conv2D_1", "filters": 3, "activation": "tanh"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense_1", "units": 4, "activation": "softmax"},
        ],
    }
)
# entries of a configuration: an input, a convolution
INPUT = {"batch_shape": [None, 8, 8, 1]}
CONV = {"filters": 2, "kernel_size": [3, 3], "strides": [1, 1], "padding": "valid"}


def unpacked(release: str, folder: Path) -> Path:
    """Unpack one release's files into `folder`."""
    with zipfile.ZipFile(DATA / f"{release}.zip") as archive:
        archive.extractall(folder)
    return folder


def some_state(
    spec: NetworkSpec,
    name: str = "RMSprop",
    slots: tuple[str, ...] = ("velocity",),
    **settings: Any,
) -> OptimizerState:
    """Optimiser state with random slots."""
    random = np.random.default_rng(5)
    arrays = {
        slot: {
            weight: random.uniform(0, 1, shape).astype(np.float32)
            for weight, shape in trainable_shapes(spec).items()
        }
        for slot in slots
    }
    return OptimizerState(name, {"learning_rate": 0.25} | settings, 7, arrays, 0.125)


def frozen_state(frozen: str) -> OptimizerState:
    """Adam's state where training left one layer alone."""
    state = some_state(SPEC, "Adam", ("momentum", "velocity"))
    return replace(
        state,
        slots={
            slot: {name: array for name, array in arrays.items() if not name.startswith(frozen)}
            for slot, arrays in state.slots.items()
        },
    )


def fresh(path: Path, spec: NetworkSpec = SPEC, **options: Any) -> tuple[Path, Weights]:
    """Write `spec` with its initial weights."""
    weights = initial_weights(spec, 3)
    return write_keras(path, spec, weights, **options), weights


def rezipped(path: Path, **replaced: bytes | None) -> Path:
    """Replace members of an archive: ``config_json=b"..."``; None takes one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for key, content in replaced.items():
        name = {
            "config_json": "config.json",
            "weights": "model.weights.h5",
            "metadata": "metadata.json",
        }[key]
        members.pop(name)
        if content is not None:
            members[name] = content
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def configured(
    path: Path, layers: list[dict[str, Any]], kind: str = "Sequential", **config: Any
) -> Path:
    """Write an archive that says `layers` and holds SPEC's weights."""
    fresh(path)
    return rezipped(
        path,
        config_json=json.dumps(
            {"class_name": kind, "config": {"layers": layers} | config}
        ).encode(),
    )


def layer(kind: str, name: str = "layer", **config: Any) -> dict[str, Any]:
    """One entry of a configuration."""
    return {"class_name": kind, "config": {"name": name} | config}
