"""Pictures brought to a network's size and colours, and classes compared, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lit_mnist.data import DataError, DataOptions, Dataset, prepare
from lit_mnist.data.adapt import adapt, adaptation, check_classes
from lit_mnist.runs.model import open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import Run
from tests.data.files import bars
from tests.networks import model_of


def spec_of(
    shape: tuple[int, int, int] = (28, 28, 1),
    units: int = 10,
    activation: str = "softmax",
    first: list[dict] | None = None,
) -> NetworkSpec:
    """A network of one dense layer."""
    layers = [
        *(first or []),
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Output", "units": units, "activation": activation},
    ]
    return NetworkSpec.from_dict({"input_shape": shape, "layers": layers})


def write_config(path: Path, spec: NetworkSpec, **data: object) -> Path:
    content = {
        "model": {
            "network": spec.to_dict(),
            "optimizer": {
                "class_path": "lit_mnist.training.optimizers.Adam",
                "init_args": {"learning_rate": 0.01},
            },
        },
        "data": {"batch_size": 8, "standardize": "unit", **data},
        "trainer": {"max_epochs": 3},
    }
    path.write_text(yaml.safe_dump(content))
    return path


# ---- sizes and colours


def test_28_by_28_goes_into_32_by_32_within_zeros() -> None:
    images, _ = bars(3, 28)
    padded = adapt(images, (32, 32, 1))
    assert (padded[:, 2:-2, 2:-2] == images).all() and padded.sum() == images.sum()
    assert (
        adaptation((28, 28, 1), (32, 32, 1)) == "images of 28 x 28 x 1 padded with zeros to 32 x 32"
    )


def test_other_sizes_are_resized_with_antialiasing() -> None:
    board = (np.indices((28, 28)).sum(0) % 2 * 255).astype(np.uint8)[None]
    assert (
        np.abs(adapt(board, (7, 7, 1)).astype(int) - 128).max() <= 32
    )  # not one of the two levels
    assert adapt(board, (56, 40, 3)).shape == (1, 56, 40, 3)
    assert adaptation((28, 28, 1), (56, 40, 3)) == (
        "images of 28 x 28 x 1 resized to 56 x 40, repeated in three channels"
    )


def test_grey_and_colour() -> None:
    grey, _ = bars(2)
    colour = adapt(grey, (12, 12, 3))
    assert (colour == grey[..., None]).all() and (adapt(colour, (12, 12, 1)) == grey).all()
    assert adaptation((12, 12, 3), (12, 12, 1)) == "images of 12 x 12 x 3 turned grey"
    assert adapt(grey, (12, 12, 1)) is grey and adaptation((12, 12, 1), (12, 12, 1)) is None


def test_what_no_picture_can_become() -> None:
    with pytest.raises(DataError, match=r"12 x 12 x 2.*1 channel \(grey\) or 3"):
        adapt(bars(2)[0], (12, 12, 2))
    with pytest.raises(DataError, match="GiB.*smaller images"):
        adapt(np.zeros((1000, 28, 28), np.uint8), (100_000, 100_000, 3))


# ---- classes


def two_classes() -> Dataset:
    images, labels = bars(8)
    return Dataset("arrays", images, labels, images, labels, ("lying", "standing"))


@pytest.mark.parametrize(
    ("units", "activation", "words"),
    [
        (5, "softmax", "has 5 units, but the data set arrays has 2 classes"),
        (26, "sigmoid", "has 26 units"),
        (1, "softmax", "softmax over one unit is always 1"),
    ],
)
def test_classes_that_do_not_fit(units: int, activation: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_classes(two_classes(), spec_of(units=units, activation=activation))


@pytest.mark.parametrize(
    ("units", "activation"), [(1, "sigmoid"), (1, "linear"), (2, "softmax"), (2, "sigmoid")]
)
def test_classes_that_fit(units: int, activation: str) -> None:
    check_classes(two_classes(), spec_of(units=units, activation=activation))


def test_one_unit_for_ten_classes_is_refused() -> None:
    with pytest.raises(
        DataError, match="one unit, for 2 classes, but the data set digits has 10 classes"
    ):
        prepare(DataOptions("digits"), network=spec_of(units=1, activation="sigmoid"))


@pytest.mark.parametrize("units", [5, 26])
def test_fit_and_test_compare_classes_first(run_cli: Run, tmp_path: Path, units: int) -> None:
    spec = spec_of(units=units)
    config = write_config(tmp_path / "c.yaml", spec, dataset="digits")
    save_model(model_of(spec), tmp_path / "m.ckpt")
    for arguments in (
        ["fit", "--config", config, "--runs_dir", tmp_path / "runs"],
        ["test", "--ckpt_path", tmp_path / "m.ckpt", "--data.dataset", "digits"],
    ):
        code, _, err = run_cli(*arguments)
        assert code == 2 and f"has {units} units, but the data set digits has 10 classes" in err
        assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


# ---- from end to end


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """Two classes of grey 12 x 12 pictures."""
    (x, y), (x_test, y_test) = bars(80), bars(16, seed=1)
    np.savez(tmp_path / "bars.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return tmp_path / "bars.npz"


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_unit_learns_two_classes(
    run_cli: Run, arrays: Path, tmp_path: Path, activation: str
) -> None:
    """fit, test, predict and features of a single unit, on pictures of another size than the
    network's.
    """
    convolution = {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"}
    spec = spec_of((16, 14, 1), 1, activation, [convolution])
    config = write_config(tmp_path / "one.yaml", spec, dataset="arrays", root=str(arrays))
    code, out, err = run_cli("fit", "--config", config, "--runs_dir", tmp_path / "runs", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["test/acc"] == 1.0 and np.array(summary["confusion_matrix"]).shape == (2, 2)
    assert "images of 12 x 12 x 1 resized to 16 x 14" in err and summary["adapted"]
    run = summary["run"]
    code, out, err = run_cli("test", "--ckpt_path", run)
    assert code == 0 and "100.00 %" in out and "resized to 16 x 14" in out, err
    code, out, err = run_cli(
        "predict", "--ckpt_path", run, "--images", "test:0", "test:1", "--json"
    )
    answers = json.loads(out)["images"]
    assert code == 0 and [answer["predicted"] for answer in answers] == [0, 1], err
    assert all(
        len(answer["probabilities"]) == 2 and answer["probability"] > 0.5 for answer in answers
    )
    code, _, err = run_cli("predict", "--ckpt_path", run)
    assert code == 0, err


def test_class_names_travel_with_the_checkpoint(run_cli: Run, tmp_path: Path) -> None:
    x, y = bars(40)
    np.savez(tmp_path / "bars.npz", x_train=x, y_train=np.array(["lying", "standing"])[y])
    place = str(tmp_path / "bars.npz")
    config = write_config(
        tmp_path / "c.yaml", spec_of((12, 12, 1), 2), dataset="arrays", root=place
    )
    code, out, err = run_cli("fit", "--config", config, "--runs_dir", tmp_path / "runs", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (
        open_model(summary["run"]).class_names
        == ("lying", "standing")
        == tuple(summary["class_names"])
    )
    assert "no test part" in err
    code, out, _ = run_cli("predict", "--ckpt_path", summary["run"], "--images", "test:0")
    _, answers, _ = run_cli(
        "predict", "--ckpt_path", summary["run"], "--images", "test:0", "--json"
    )
    name = ("lying", "standing")[json.loads(answers)["images"][0]["label"]]
    assert (
        code == 0
        and out.startswith(("test:0: lying (", "test:0: standing ("))
        and f", label {name}" in out
    )


def test_a_network_that_scales_itself_says_so(run_cli: Run, tmp_path: Path) -> None:
    rescaling = [{"type": "rescaling", "name": "Rescaling_1", "factor": 1 / 255}]
    save_model(model_of(spec_of(first=rescaling)), tmp_path / "m.ckpt")  # with standardize unit
    _, _, err = run_cli("test", "--ckpt_path", tmp_path / "m.ckpt", "--data.dataset", "digits")
    assert (
        "the network scales its pixels itself (layer 'Rescaling_1')" in err
        and "--data.standardize none" in err
    )
    save_model(model_of(spec_of()), tmp_path / "plain.ckpt")
    _, _, err = run_cli("test", "--ckpt_path", tmp_path / "plain.ckpt", "--data.dataset", "digits")
    assert "scales its pixels itself" not in err


def test_predict_says_what_was_done_to_pictures(run_cli: Run, tmp_path: Path) -> None:
    picture = np.full((90, 70), 255, np.uint8)
    picture[20:70, 30:40] = 0
    Image.fromarray(picture).save(tmp_path / "one.png")
    for shape, words in (
        ((32, 32, 1), "padded with zeros to 32 x 32"),
        ((64, 64, 1), "resized to 64 x 64"),
        ((20, 20, 3), "resized to 20 x 20"),
    ):
        save_model(model_of(spec_of(shape), dataset="mnist"), tmp_path / "m.ckpt")
        code, out, err = run_cli(
            "predict", "--ckpt_path", tmp_path / "m.ckpt", "--images", tmp_path / "one.png"
        )
        assert code == 0 and words in out, err + out
