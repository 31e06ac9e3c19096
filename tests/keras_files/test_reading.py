"""Keras files as they come: pieces, bytes, number types, weights of another network, open sizes."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from lit_mnist.keras_files import KerasFileError, read_keras, read_weights
from lit_mnist.spec import NetworkSpec
from tests.keras_files.files import fresh


@pytest.mark.parametrize(("name", "what"), [("nowhere.h5", "no such file"), (".", "a folder")])
def test_what_is_no_file_is_not_called_damaged(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(KerasFileError, match=f"{what}; accepted: a Keras file"):
        read_keras(tmp_path / name)


@pytest.mark.parametrize("kind", [str, bytes])
def test_attributes_in_pieces_and_in_bytes(tmp_path: Path, kind: type) -> None:
    """Keras cuts lists of names that pass HDF5's 64 kB into name0, name1, ...; h5py 2 wrote
    bytes.
    """
    path, weights = fresh(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        for group, key in (
            (file["model_weights"], "layer_names"),
            (file["model_weights/Conv2D_1"], "weight_names"),
        ):
            names = [
                name.decode() if isinstance(name, bytes) else name for name in group.attrs[key]
            ]
            del group.attrs[key]
            for number, name in enumerate(names):
                group.attrs[f"{key}{number}"] = np.array([name], "S") if kind is bytes else [name]
        config = file.attrs["model_config"]
        file.attrs["model_config"] = np.bytes_(config.encode()) if kind is bytes else config
    assert all(np.array_equal(read_keras(path).weights[name], weights[name]) for name in weights)


def test_a_long_list_of_names_is_written_in_pieces(tmp_path: Path) -> None:
    layers = [
        {"type": "rescaling", "name": f"R{number}_{'x' * 250}", "factor": 1.0}
        for number in range(300)
    ]
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [2, 2, 1],
            "layers": [
                *layers,
                {"type": "flatten", "name": "f"},
                {"type": "dense", "name": "d", "units": 2},
            ],
        }
    )
    path, _ = fresh(tmp_path / "model.h5", spec)
    with h5py.File(path) as file:
        assert (
            "layer_names1" in file["model_weights"].attrs
            and "layer_names" not in file["model_weights"].attrs
        )
    with pytest.raises(KerasFileError, match="the name 'R0_"):  # longer than any real name
        read_keras(path)
    read_weights(path, spec)


def test_big_endian_and_float64_weights(tmp_path: Path) -> None:
    path, weights = fresh(tmp_path / "model.h5")
    name = "model_weights/Conv2D_1/sequential/Conv2D_1/kernel"
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = weights["Conv2D_1/kernel"].astype(">f8")
    result = read_keras(path).weights["Conv2D_1/kernel"]
    assert result.dtype == np.dtype("=f8") and np.array_equal(result, weights["Conv2D_1/kernel"])


def test_weights_for_another_network_are_refused_by_name(
    tmp_path: Path, cnn_spec: NetworkSpec
) -> None:
    for name in ("model.h5", "model.keras"):
        path, _ = fresh(tmp_path / name)
        with pytest.raises(KerasFileError, match=f"{name}: .*no weights of layer 'Conv2D_3'"):
            read_weights(path, cnn_spec)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((None, None, None, 1), 28), ((None, None, None, 3), 224), ((None, 64, None, 3), 64)],
)
def test_an_input_of_open_size_gets_one(
    tmp_path: Path, shape: tuple[int | None, ...], size: int
) -> None:
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [8, 8, shape[3]],
            "layers": [
                {"type": "conv", "name": "c", "filters": 2},
                {"type": "global_pool", "name": "g"},
                {"type": "dense", "name": "d", "units": 3},
            ],
        }
    )
    path, _ = fresh(tmp_path / "model.h5", spec)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][0]["config"]["batch_shape"] = list(shape)
        file.attrs["model_config"] = json.dumps(config)
    file = read_keras(path)
    assert (
        file.spec.input_shape == (size, size, shape[3]) and "is taken as an image" in file.notes[0]
    )
