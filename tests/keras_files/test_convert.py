"""The command: Keras files to checkpoints and back, with what must be known about them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lit_mnist.keras_files import read_keras
from lit_mnist.runs.model import Model, open_model
from lit_mnist.spec import NetworkSpec
from tests.keras_files.files import DATA, SPEC, fresh, frozen_state, some_state, unpacked

Run = Callable[..., tuple[int, str, str]]


def test_a_keras_file_becomes_a_checkpoint_that_opens(tmp_path: Path, run_cli: Run) -> None:
    unpacked("k224", tmp_path)
    code, out, err = run_cli("convert", tmp_path / "k224_sequential.h5", tmp_path / "out")
    assert code == 0, err
    for line in (
        "written by Keras 2.2.4",
        "note: layer 'conv2d-1' is called 'conv2d_1' here",
        "optimiser: RMSprop after an unknown number of steps, slots: velocity",
        "scaling of the images: unit",
    ):
        assert line in out
    record = json.loads((tmp_path / "out" / "convert.json").read_text())
    assert record["files"] == [
        str(tmp_path / "out" / "model.ckpt"),
        str(tmp_path / "out" / "convert.json"),
    ]
    digest = sha256((tmp_path / "out" / "model.ckpt").read_bytes()).hexdigest()
    assert record["sha256"] == {"model.ckpt": digest} and record["classes"][:2] == ["0", "1"]
    assert [layer["name_in_file"] for layer in record["layers"]][:3] == [
        "Conv2D_2",
        "Max_Pool_1",
        "conv2d-1",
    ]
    direct, converted = (
        open_model(path) for path in (tmp_path / "k224_sequential.h5", record["files"][0])
    )
    assert direct.spec == converted.spec and converted.standardizer.kind == "unit"
    images = torch.rand(2, 1, 12, 12)
    assert torch.equal(direct.network(images), converted.network(images))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_there_and_back_keeps_weights_slots_and_scaling(
    tmp_path: Path, run_cli: Run, ending: str
) -> None:
    state = some_state(SPEC, "Adam", ("momentum", "velocity"))
    path, weights = fresh(tmp_path / "first.h5", optimizer=state)
    scaling = ("--standardize", "none")
    stations = (
        path,
        tmp_path / "a.ckpt",
        tmp_path / f"b{ending}",
        tmp_path / "c.ckpt",
        tmp_path / f"d{ending}",
    )
    for source, target in pairwise(stations):
        code, _, err = run_cli("convert", source, target, *scaling)
        assert code == 0, err
        scaling = ()  # from here on the files say it themselves
    result = read_keras(tmp_path / f"d{ending}")
    assert result.spec == SPEC
    assert all(np.array_equal(result.weights[name], weights[name]) for name in weights)
    assert all(
        np.array_equal(result.optimizer.slots[slot][name], array)
        for slot, arrays in state.slots.items()
        for name, array in arrays.items()
    )
    assert (result.optimizer.iteration, result.optimizer.learning_rate) == (7, 0.125)
    assert open_model(tmp_path / f"d{ending}").standardizer.kind == "none"


def test_a_frozen_layer_stays_frozen_and_the_others_keep_their_slots(
    tmp_path: Path, run_cli: Run
) -> None:
    path, _ = fresh(
        tmp_path / "model.keras", optimizer=frozen_state("Conv2D_1"), frozen=["Conv2D_1"]
    )
    code, out, err = run_cli("convert", path, tmp_path / "again.h5")
    assert code == 0 and "optimiser: Adam after 7 steps, slots: momentum, velocity" in out, err
    assert read_keras(tmp_path / "again.h5").frozen == ("Conv2D_1",)
    code, out, err = run_cli("convert", path, tmp_path / "model.ckpt")
    assert code == 0 and "optimiser: Adam after 7 steps" in out, err
    network = open_model(tmp_path / "model.ckpt").network
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == [
        "Conv2D_1.conv.weight",
        "Conv2D_1.conv.bias",
    ]
    code, _, err = run_cli("convert", tmp_path / "model.ckpt", tmp_path / "back.keras")
    assert code == 0 and read_keras(tmp_path / "back.keras").frozen == ("Conv2D_1",), err


def test_a_run_becomes_a_keras_file_with_its_scaling_and_slots(
    trained: Model, trained_run: Path, tmp_path: Path, run_cli: Run
) -> None:
    code, out, err = run_cli("convert", trained_run, tmp_path / "keras.h5", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["optimizer"]["name"] == "RMSprop" and record["optimizer"]["iteration"] > 0
    assert record["optimizer"]["slots"] == ["momentum", "velocity"]
    model = open_model(tmp_path / "keras.h5")
    assert model.spec.table == trained.spec.table
    assert np.array_equal(model.standardizer.mean, trained.standardizer.mean)
    assert np.array_equal(model.standardizer.scale, trained.standardizer.scale)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 28, 28)).astype(np.float32)
    with torch.no_grad():
        assert torch.equal(
            model.network(model.tensor(pixels)), trained.network(trained.tensor(pixels))
        )
    kind = trained.standardizer.kind
    assert np.array_equal(
        open_model(tmp_path / "keras.h5", kind).standardizer.mean, trained.standardizer.mean
    )
    code, _, err = run_cli(
        "test", "--ckpt_path", tmp_path / "keras.h5", "--data.standardize", "unit"
    )
    assert code == 2 and "standardize = 'unit'" in err and repr(kind) in err and kind != "unit"
    tested = [
        json.loads(run_cli("test", "--ckpt_path", path, "--json")[1])
        for path in (trained_run, tmp_path / "keras.h5")
    ]
    assert (
        tested[0]["test/correct"] == tested[1]["test/correct"]
        and tested[0]["dataset"] == tested[1]["dataset"]
    )


def test_keras_files_need_no_conversion_to_be_looked_at(tmp_path: Path, run_cli: Run) -> None:
    path, _ = fresh(tmp_path / "model.keras")
    code, out, err = run_cli("summary", "--ckpt_path", path, "--json")
    assert code == 0, err
    assert json.loads(out)["parameters"] == SPEC.parameters


@pytest.mark.mnist
def test_a_keras_file_is_tested_without_a_configuration(
    tmp_path: Path, cnn_spec: NetworkSpec, mnist_root: Path, run_cli: Run
) -> None:
    """The issue's own command line; an untrained network is right one time in ten."""
    path, _ = fresh(tmp_path / "model.h5", cnn_spec)
    code, out, err = run_cli("test", "--ckpt_path", path, "--data.standardize", "unit", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["images"] == 10_000 and 0.02 < record["test/acc"] < 0.3


def test_weights_alone_take_the_network_from_a_file(
    tmp_path: Path, cnn_spec: NetworkSpec, run_cli: Run
) -> None:
    path, _ = fresh(tmp_path / "weights.h5", cnn_spec)
    config = DATA.parents[2] / "configs" / "cnn.yaml"
    code, out, err = run_cli("convert", path, tmp_path / "out", "--config", config)
    assert code == 0, err
    assert f"note: the network is that of {config}" in out
    assert open_model(tmp_path / "out" / "model.ckpt").spec == cnn_spec


def test_a_network_that_rescales_gets_its_pixels_as_they_are(tmp_path: Path) -> None:
    layers = [
        {"type": "rescaling", "name": "scale", "factor": 1 / 255},
        {"type": "flatten", "name": "f"},
        {"type": "dense", "name": "d", "units": 2},
    ]
    path, _ = fresh(
        tmp_path / "model.keras",
        NetworkSpec.from_dict({"input_shape": [4, 4, 1], "layers": layers}),
    )
    assert open_model(path).standardizer.kind == "none"
    assert open_model(path, standardize="unit").standardizer.kind == "unit"


BAD = {
    "absent": (("absent.h5", "out"), "absent.h5: no such file"),
    "onto itself": (("model.h5", "model.h5"), "is the source itself"),
    "checkpoint to checkpoint": (("model.ckpt", "other.ckpt"), "need not be converted"),
    "scaling of a checkpoint": (
        ("model.ckpt", "out", "--standardize", "unit"),
        "carries its own network and scaling",
    ),
    "unknown scaling": (("model.h5", "out", "--standardize", "unitt"), "did you mean 'unit'"),
    "another network's weights": (
        ("model.h5", "out", "--config", str(DATA.parents[2] / "configs" / "cnn.yaml")),
        "model.h5: layers with weights in the file",
    ),
    "no target": (("model.h5",), "out"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(
    tmp_path: Path, run_cli: Run, in_tmp: Path, case: str
) -> None:
    fresh(in_tmp / "model.h5")
    assert run_cli("convert", "model.h5", "model.ckpt")[0] == 0
    arguments, message = BAD[case]
    code, out, err = run_cli("convert", *arguments)
    assert code == 2 and not out and message in err and "Traceback" not in err


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`")
def test_verify_compares_every_layer_with_keras(tmp_path: Path, run_cli: Run) -> None:
    for release, loader in (("k315", "Keras 3."), ("k208", "tf_keras 2.")):
        unpacked(release, tmp_path)
        source = tmp_path / f"{release}_functional.h5"
        code, out, err = run_cli("convert", source, tmp_path / release, "--verify", "--json")
        assert code == 0, err
        record = json.loads(out)
        checked = record["verified"]
        assert checked["ok"] and checked["largest_difference"] < 1e-5
        assert checked["loaded_by"].startswith(loader) and checked["independent"]
        assert len(checked["refusals"]) == (
            release == "k208"
        )  # Keras 3 has no way to read that old a file
        assert all(layer["largest_difference"] < 1e-5 for layer in record["layers"])


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`")
def test_verify_says_when_no_keras_could_load_the_file(
    tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without tf_keras, what is left to compare with is this program's own rewriting, which proves
    less.
    """
    from lit_mnist.comparison.parity import converted

    monkeypatch.setattr(converted.importlib.util, "find_spec", lambda name: None)
    unpacked("k208", tmp_path)
    code, out, err = run_cli(
        "convert", tmp_path / "k208_functional.h5", tmp_path / "out", "--verify"
    )
    assert code == 0, err
    assert "Keras 3.15.1 does not load this file: " in out and "\nequal within" not in out
    assert "not compared with this file in any Keras" in out and "pip install tf_keras" in out
    assert not json.loads((tmp_path / "out" / "convert.json").read_text())["verified"][
        "independent"
    ]


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`")
def test_verify_builds_a_model_whose_file_names_its_input_on_the_first_layer(
    tmp_path: Path, run_cli: Run
) -> None:
    """tf.keras 2.x writes a Sequential model without InputLayer so: Reshape with batch_input_shape
    [null, 28, 28].
    """
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [28, 28, 1],
            "layers": [
                {"type": "reshape", "name": "image", "shape": [28, 28, 1]},
                {"type": "conv", "name": "conv", "filters": 2},
                {"type": "flatten", "name": "flat"},
                {"type": "dense", "name": "dense", "units": 3},
            ],
        }
    )
    path, _ = fresh(tmp_path / "model.h5", spec)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        del config["config"]["layers"][0], config["config"]["build_input_shape"]
        config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 28, 28]
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.4.0"
    code, out, err = run_cli("convert", path, tmp_path / "out", "--verify", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["verified"]["independent"] and len(record["layers"]) == 4
    assert all(layer["largest_difference"] < 1e-5 for layer in record["layers"])


@pytest.mark.keras
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`")
def test_verify_prints_nothing_of_tensorflows_own(tmp_path: Path) -> None:
    path, _ = fresh(tmp_path / "model.keras")
    result = subprocess.run(
        [sys.executable, "-m", "lit_mnist", "convert", path, tmp_path / "out", "--verify"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "beside Keras 3." in result.stdout and result.stderr == ""


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `keras`")
@pytest.mark.parametrize("fault", ["transposed", "shifted", "nan"])
def test_verify_sees_planted_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Run, fault: str
) -> None:
    from lit_mnist.export import source

    def broken(path: Path, *rest: object) -> object:
        model, file = read(path, *rest)
        with torch.no_grad():
            weight = model.network.Conv2D_1.conv.weight
            weight.copy_(
                {
                    "transposed": weight.transpose(2, 3).clone(),
                    "shifted": weight + 1e-3,
                    "nan": weight * np.nan,
                }[fault]
            )
        return model, file

    read = source.from_keras
    monkeypatch.setattr(source, "from_keras", broken)
    path, _ = fresh(tmp_path / "model.keras")
    code, out, err = run_cli("convert", path, tmp_path / "out", "--verify")
    assert code == 2 and not out
    assert (
        "layer 'Conv2D_1' differs from Keras 3." in err
    )  # Conv2D_2 comes before it and is in order
    assert not json.loads((tmp_path / "out" / "convert.json").read_text())["verified"]["ok"]
