"""The commands that look inside, as a user calls them: pictures, numbers, files, messages."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.cli.commands.activation_stats import activation_stats
from lit_mnist.cli.commands.mistakes import mistakes
from lit_mnist.cli.commands.top_images import top_images
from lit_mnist.inside.passes import BATCH
from lit_mnist.network import Network
from lit_mnist.runs.model import Model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import ROOT, Run
from tests.networks import all_values, model_of, tiny_model

COMMANDS = ("features", "filters", "journey", "top_images", "activation_stats")


@pytest.fixture(scope="module")
def ckpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.ckpt"
    save_model(tiny_model(), path)
    return path


def outcome(run_cli: Run, *args: object) -> dict:
    """The command's JSON, after checking that every file it names is there and whole, and no
    other.
    """
    code, out, err = run_cli(*args, "--json")
    assert code == 0, err
    data = json.loads(out)
    files = [Path(name) for name in data["files"]]
    assert len(set(files)) == len(files)
    assert {path for path in files[0].parent.iterdir()} == set(files)
    for path in files:
        assert path.stat().st_size
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
    record = next(path for path in files if path.suffix == ".json")
    assert record.name == f"{args[0]}.json" and json.loads(record.read_text()) == data
    return data


def test_features(ckpt: Path, tmp_path: Path, run_cli: Run) -> None:
    data = outcome(
        run_cli,
        "features",
        "--ckpt_path",
        ckpt,
        "--images",
        "test:3",
        "train:7",
        "--layer",
        "Conv2D_*",
        "Dense_1:probabilities",
        "--out",
        tmp_path / "f",
        "--svg",
        "true",
    )
    assert [image["image"] for image in data["images"]] == ["test:3", "train:7"]
    assert len([name for name in data["files"] if name.endswith(".svg")]) == 2 * (1 + 3)
    names = [(layer["image"], layer["layer"]) for layer in data["layers"]]
    assert names[:2] == [("test:3", "Conv2D_1"), ("test:3", "Conv2D_2")]
    from lit_mnist.data.images import read_images

    values = all_values(tiny_model(), read_images(["test:3"], "digits").pixels, 1, "Conv2D_2")[0]
    np.testing.assert_allclose(data["layers"][1]["maximum"], values.max(1), rtol=1e-6)
    np.testing.assert_allclose(data["layers"][1]["zeros"], (values == 0).mean(1))
    arrays = np.load(tmp_path / "f" / "features.npz")
    assert np.array_equal(arrays["test:3/Conv2D_2"], values.reshape(9, 11, 11))


def test_filters(ckpt: Path, tmp_path: Path, run_cli: Run) -> None:
    data = outcome(run_cli, "filters", "--ckpt_path", ckpt, "--out", tmp_path / "f")
    assert [layer["shape"] for layer in data["layers"]] == [[5, 1, 3, 3], [9, 5, 3, 3]]
    kernels = np.load(tmp_path / "f" / "filters.npz")["Conv2D_2/kernels"]
    np.testing.assert_allclose(
        data["layers"][1]["norm"], np.sqrt((kernels**2).sum((1, 2, 3))), rtol=1e-5
    )
    outcome(
        run_cli,
        "filters",
        "--ckpt_path",
        ckpt,
        "--layer",
        "Conv2D_2",
        "--maps",
        3,
        "--out",
        tmp_path / "g",
    )


def test_journey(ckpt: Path, tmp_path: Path, run_cli: Run) -> None:
    data = outcome(run_cli, "journey", "--ckpt_path", ckpt, "--maps", 1, "--out", tmp_path / "j")
    assert [image["image"] for image in data["images"]] == ["test:0", "test:23", "test:28"]
    assert data["layers"] == ["Conv2D_1", "Max_Pool_1", "Conv2D_2"]
    assert np.shape(data["images"][2]["values"]["Max_Pool_1"]) == (13, 13)


def test_top_images(ckpt: Path, tmp_path: Path, run_cli: Run) -> None:
    data = outcome(
        run_cli,
        "top_images",
        "--ckpt_path",
        ckpt,
        "--part",
        "test",
        "--k",
        3,
        "--out",
        tmp_path / "t",
    )
    (layer,) = data["layers"]
    assert (layer["layer"], len(layer["maps"]), data["images"]) == ("Conv2D_2", 9, 360)
    best = layer["maps"][4]["peak"]
    assert len(best) == 3 and best[0]["value"] >= best[1]["value"] >= best[2]["value"]
    top, left, bottom, right = best[0]["box"]
    assert best[0]["image"].startswith("test:") and (bottom - top, right - left) == (8, 8)
    chosen = outcome(
        run_cli,
        "top_images",
        "--ckpt_path",
        ckpt,
        "--part",
        "test",
        "--layer",
        "Conv2D_1",
        "--maps",
        1,
        4,
        "--by",
        "both",
        "--out",
        tmp_path / "u",
    )
    assert (
        len(data["files"]) == 2 and "peak" in data["files"][0]
    )  # the mean is drawn where it is asked for
    assert len(chosen["files"]) == 3 and len(chosen["layers"][0]["maps"]) == 5


def test_activation_stats(ckpt: Path, tmp_path: Path, run_cli: Run) -> None:
    data = outcome(
        run_cli, "activation_stats", "--ckpt_path", ckpt, "--attempts", 8, "--out", tmp_path / "s"
    )
    assert [layer["layer"] for layer in data["layers"]] == [
        "Conv2D_1",
        "Max_Pool_1",
        "Conv2D_2",
        "Flatten",
        "Dense_1",
    ]
    assert len(data["layers"][2]["state"]) == 9 and (data["images"], data["attempts"]) == (360, 8)


def test_statistics_of_many_layers_are_written_as_pages(tmp_path: Path, run_cli: Run) -> None:
    layers = [{"type": "activation", "name": f"A{n}", "activation": "relu"} for n in range(17)]
    layers += [{"type": "flatten", "name": "F"}, {"type": "dense", "name": "D", "units": 10}]
    spec = NetworkSpec.from_dict({"input_shape": [8, 8, 1], "layers": layers})
    save_model(model_of(spec), tmp_path / "deep.ckpt")
    options = ["--ckpt_path", tmp_path / "deep.ckpt", "--attempts", 2, "--out", tmp_path / "s"]
    data = outcome(run_cli, "activation_stats", *options)
    names = [Path(file).name for file in data["files"]]
    pictures = [f"activation_stats{number}.png" for number in ("", "_2", "_3")]
    assert names == [*pictures, "activation_stats.json"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, run_cli: Run) -> None:
    code, out, _ = run_cli(command, "--help")
    assert code == 0 and f"Example: python -m lit_mnist {command}" in " ".join(out.split())


@pytest.mark.parametrize(
    "args, told",
    [
        (["features", "--layer", "Conv2D_4"], "no layer 'Conv2D_4'"),
        (["features", "--images", "test:360"], "test:0 to test:359"),
        (["features", "--images"], "--images"),
        (["features", "--columns", "0"], "columns = 0"),
        (["features", "--colums", "3"], "did you mean 'columns'"),
        (["filters", "--layer", "Flatten"], "'Flatten' is not a convolution"),
        (["filters", "--maps", "5"], "--maps 5 of layer 'Conv2D_1'"),
        (["journey", "--maps", "5"], "map 5"),
        (["top_images", "--maps", "9"], "numbers of 0 to 8"),
        (["top_images", "--k", "0"], "k = 0"),
        (["top_images", "--part", "tests"], "tests"),
        (["top_images", "--batch_size", "0"], "batch_size = 0"),
        (["activation_stats", "--attempts", "0"], "attempts = 0"),
        (["activation_stats", "--layer", "Max_Pool_1:pre"], "no activation"),
    ],
)
def test_bad_input(ckpt: Path, in_tmp: Path, run_cli: Run, args: list[str], told: str) -> None:
    code, out, err = run_cli(args[0], "--ckpt_path", ckpt, *args[1:])
    assert code == 2 and out == "" and err.count("\n") == 1 and told in err
    assert not list(in_tmp.iterdir())  # nothing is written before it is known to work


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_where_the_folder_should_be(
    command: str, ckpt: Path, in_tmp: Path, run_cli: Run
) -> None:
    Path("taken").write_text("mine")
    code, out, err = run_cli(command, "--ckpt_path", ckpt, "--out", "taken")
    assert (
        code == 2
        and out == ""
        and err.startswith("error: --out taken: is a file")
        and err.count("\n") == 1
    )
    assert Path("taken").read_text() == "mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_networks_without_convolution(command: str, in_tmp: Path, run_cli: Run) -> None:
    spec = NetworkSpec.from_dict(
        {
            "layers": [
                {"type": "flatten", "name": "Flatten"},
                {"type": "dense", "name": "Out", "units": 10},
            ]
        }
    )
    tiny = tiny_model()
    save_model(Model(Network(spec), tiny.standardizer, "digits", tiny.path), in_tmp / "dense.ckpt")
    code, _, err = run_cli(command, "--ckpt_path", "dense.ckpt")
    assert (code, "convolution" in err) == (
        (0, False) if command in ("features", "activation_stats") else (2, True)
    )


@pytest.mark.mnist
def test_the_sources_examples(
    mnist_root: Path, trained_run: Path, trained: Model, tmp_path: Path, run_cli: Run
) -> None:
    """Test image 19 through every layer, train image 31727 with its soft-max bars, test image
    51.
    """
    data = outcome(
        run_cli,
        "features",
        "--ckpt_path",
        trained_run,
        "--images",
        "test:19",
        "--out",
        tmp_path / "f",
    )
    assert [layer["layer"] for layer in data["layers"]] == list(trained.spec.names)
    assert [layer["shape"] for layer in data["layers"][:3]] == [
        [32, 26, 26],
        [32, 13, 13],
        [64, 11, 11],
    ]
    more = outcome(
        run_cli,
        "features",
        "--ckpt_path",
        trained_run,
        "--images",
        "train:31727",
        "test:51",
        "--layer",
        "Dense_2:probabilities",
        "--out",
        tmp_path / "g",
    )
    assert [image["label"] for image in (*data["images"], *more["images"])] == [4, 1, 3]
    assert str(tmp_path / "g" / "softmax_train-31727.png") in more["files"]


@pytest.mark.slow
@pytest.mark.mnist
def test_first_ten_digits(mnist_root: Path, tmp_path: Path, run_cli: Run) -> None:
    """The sources' own check of a trained network, after four epochs: 7 2 1 0 4 1 4 9 5 9."""
    config = ROOT / "configs" / "cnn.yaml"
    code, _, err = run_cli(
        "fit", "--config", config, "--trainer.max_epochs", 4, "--runs_dir", tmp_path / "runs"
    )
    assert code == 0, err
    (run,) = (tmp_path / "runs" / "cnn").iterdir()
    data = outcome(
        run_cli,
        "features",
        "--ckpt_path",
        run,
        "--layer",
        "Dense_2",
        "--images",
        *(f"test:{number}" for number in range(10)),
        "--out",
        tmp_path / "f",
    )
    assert [image["predicted"] for image in data["images"]] == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.parametrize("command", [activation_stats, mistakes, top_images])
def test_passes_come_in_batches_of_one_size(command: Callable[..., object]) -> None:
    """The commands name the number, since importing it would load torch for ``--help``."""
    assert inspect.signature(command).parameters["batch_size"].default == BATCH
