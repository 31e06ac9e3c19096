"""Files that are something else: each named as what it is, with what can be done; networks found
beside weights.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from lit_mnist.keras_files import KerasFileError, read_keras
from lit_mnist.keras_files.container import open_container
from lit_mnist.network import Network
from lit_mnist.runs.model import open_model
from tests.keras_files.files import SPEC, fresh, unpacked

Run = Callable[..., tuple[int, str, str]]


def data_file(folder: Path) -> Path:
    with h5py.File(folder / "data.h5", "w") as file:
        file["images"], file["labels"] = np.zeros((3, 28, 28)), np.zeros(3)
    return folder / "data.h5"


def saved_model(folder: Path) -> Path:
    (folder / "saved" / "variables").mkdir(parents=True)
    (folder / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    return folder / "saved"


def saved(content: object, name: str = "model.pt") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.save(content, folder / name)
        return folder / name

    return make


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "Git LFS, .h5": (written("model.h5", POINTER), "a Git LFS pointer, .*git lfs pull"),
    "Git LFS, .keras": (written("model.keras", POINTER), "a Git LFS pointer, .*git lfs pull"),
    "Git LFS, .ckpt": (written("model.ckpt", POINTER), "a Git LFS pointer, .*git lfs pull"),
    "a web page": (
        written("model.h5", b"<!DOCTYPE html><html>"),
        "a web page, not the file that it offers",
    ),
    "no zip": (
        written("model.keras", b"something else"),
        "neither a .keras archive .a zip file. nor an HDF5 file",
    ),
    "data": (data_file, r"an HDF5 file of data \(images, labels\), not of a Keras model"),
    "SavedModel": (saved_model, "a SavedModel folder of TensorFlow.*model.save"),
    "ONNX": (
        written("model.onnx", b"\x08\x08\x12\x07pytorch"),
        "an ONNX file; accepted: the model that it was",
    ),
    "TensorFlow Lite": (written("model.tflite", b"\x1c\x00\x00\x00TFL3"), "a TensorFlow Lite file"),
    "TensorFlow.js": (
        written("model.json", b'{"modelTopology": {}}'),
        "a network of TensorFlow.js",
    ),
    "a picture": (written("model.h5", b"\x89PNG\r\n\x1a\n"), "a picture; accepted: a Keras file"),
    "a state dict": (
        saved(Network(SPEC).state_dict()),
        r"a bare state dict \(6 arrays: .*convert FILE OUT --config",
    ),
    "a whole module": (
        saved(torch.nn.Linear(2, 2)),
        r"as a whole module does; accepted: torch.save\(model.state_dict",
    ),
    "a pickle": (
        written("model.pkl", pickle.dumps({"a": 1}, protocol=4)),
        "a pickle, which can hold code",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_what_a_file_is_and_what_to_do_is_said(tmp_path: Path, run_cli: Run, case: str) -> None:
    make, reason = FILES[case]
    path = make(tmp_path)
    with pytest.raises(ValueError, match=reason) as caught:
        open_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    code, out, err = run_cli("convert", path, tmp_path / "out")
    assert code == 2 and not out and "Traceback" not in err


def weights_of(folder: Path, release: str) -> tuple[Path, dict]:
    """A release's file of weights alone, and the configuration of the network that they belong
    to.
    """
    unpacked(release, folder)
    with open_container(folder / f"{release}_functional.h5") as container:
        config = container.config
    name = f"{release}.weights.h5" if release in ("k305", "k315") else f"{release}_weights.h5"
    alone = folder / "alone"
    alone.mkdir()
    shutil.copy(folder / name, alone / name)
    return alone / name, config


def as_yaml(config: dict) -> str:
    """Keras 2's to_yaml, which wrote tuples by a tag of Python's."""
    return yaml.dump(config | {"extra": (1, 2)}, Dumper=yaml.Dumper)


@pytest.mark.parametrize("release", ["k208", "tf24", "tf215", "k315"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("model.json", json.dumps),
        ("architecture.json", lambda config: json.dumps(json.dumps(config))),
        ("model.yaml", as_yaml),
    ],
)
def test_weights_alone_are_read_with_the_network_beside_them(
    tmp_path: Path, run_cli: Run, release: str, name: str, write: Callable[[dict], str]
) -> None:
    path, config = weights_of(tmp_path, release)
    whole = read_keras(tmp_path / f"{release}_functional.h5")
    with pytest.raises(
        KerasFileError, match="weights only, without a network, and no description that .*--config"
    ):
        read_keras(path)
    (path.parent / name).write_text(write(config))
    (path.parent / "other.json").write_text(json.dumps({"a": 1}))
    (path.parent / "a_package.json").write_text(
        json.dumps(
            {
                "class_name": "Sequential",
                "config": {
                    "layers": [
                        {
                            "class_name": "Dense",
                            "config": {"name": "d", "units": 3, "batch_input_shape": [None, 4]},
                        }
                    ]
                },
            }
        )
    )
    for file in (read_keras(path), read_keras(path.parent / name)):
        assert (
            file.spec == whole.spec
            and "the network is that of" in file.notes[0]
            and name in file.notes[0]
        )
        assert all(np.array_equal(file.weights[key], whole.weights[key]) for key in whole.weights)
    elsewhere = tmp_path / "elsewhere.json"
    (path.parent / name).rename(elsewhere.with_suffix(Path(name).suffix))
    code, out, err = run_cli(
        "convert", path, tmp_path / "out", "--config", elsewhere.with_suffix(Path(name).suffix)
    )
    assert code == 0, err
    assert (
        "note: the network is that of" in out
        and open_model(tmp_path / "out" / "model.ckpt").spec == whole.spec
    )


def test_of_several_networks_that_fit_none_is_guessed(tmp_path: Path) -> None:
    path, config = weights_of(tmp_path, "k315")
    other = json.loads(
        json.dumps(config).replace('"softmax"', '"sigmoid"').replace("Softmax", "Softmax")
    )
    other["config"]["layers"][3]["config"]["negative_slope"] = 0.5
    for name, content in (("a.json", config), ("b.json", other)):
        (path.parent / name).write_text(json.dumps(content))
    with pytest.raises(
        KerasFileError, match="several that fit lie beside them; accepted: convert .* --config"
    ):
        read_keras(path)
    (path.parent / "b.json").rename(path.parent / "k315.json")  # called like the weights
    assert "k315.json" in read_keras(path).notes[0]


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_a_state_dict_with_our_names_is_taken_with_its_network(
    tmp_path: Path, run_cli: Run, ending: str
) -> None:
    network, config = Network(SPEC, seed=3), tmp_path / "network.yaml"
    config.write_text(yaml.safe_dump({"model": {"network": SPEC.to_dict()}}))
    state, path = network.state_dict(), tmp_path / f"weights{ending}"
    save = save_file if ending == ".safetensors" else torch.save
    save({key: value.contiguous() for key, value in state.items()}, path)
    code, out, err = run_cli("convert", path, tmp_path / "out", "--config", config)
    assert code == 0, err
    opened = open_model(tmp_path / "out" / "model.ckpt").network.state_dict()
    assert all(torch.equal(opened[key], state[key]) for key in state)
    save({key + ".x": value.contiguous() for key, value in state.items()}, path)
    code, out, err = run_cli("convert", path, tmp_path / "out", "--config", config)
    assert (
        code == 2
        and "the weight 'Conv2D_2.conv.weight' is missing; this network has: Conv2D_2.conv.weight"
        in err
    )


def test_an_ending_of_its_own_hides_no_keras_file(tmp_path: Path) -> None:
    path, _ = fresh(tmp_path / "model.h5")
    path.rename(tmp_path / "model.weights")
    assert open_model(tmp_path / "model.weights").spec == SPEC


def test_an_unpacked_archive_is_read_from_its_parts(tmp_path: Path) -> None:
    path, weights = fresh(tmp_path / "model.keras")
    shutil.unpack_archive(path, tmp_path / "parts", "zip")
    with pytest.raises(
        ValueError, match="an unpacked .keras archive; accepted: .*model.weights.h5"
    ):
        open_model(tmp_path / "parts")
    file = read_keras(tmp_path / "parts" / "model.weights.h5")
    assert file.spec == SPEC and all(
        np.array_equal(file.weights[name], weights[name]) for name in weights
    )
