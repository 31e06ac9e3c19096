"""The command, the pictures, the animation, TensorBoard's events and the page's entries of
activation maximisation.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.figures import maximize as draw
from lit_mnist.figures.canvas import to_rgb
from lit_mnist.maximize.maximization import (
    MaximizationResult,
    Settings,
    maximize_classes,
    maximize_maps,
)
from lit_mnist.maximize.quality import reference
from lit_mnist.maximize.result import grey_levels, write_tensorboard
from lit_mnist.runs.model import Model, save_model


@pytest.fixture(scope="module")
def made(trained: Model, digits) -> MaximizationResult:
    data = reference(trained, "Conv2D_1", 3, pixels=digits.train_images[:200])
    return maximize_maps(trained, "Conv2D_1", [5, 0, 9], Settings(restarts=2, steps=12), data)


def test_without_a_data_set_nothing_is_compared(run_cli, trained: Model, in_tmp: Path) -> None:
    save_model(replace(trained, dataset="folder"), in_tmp / "net.ckpt")
    options = ("--ckpt_path", "net.ckpt", "--layer", "Conv2D_1", "--maps", 3, "--steps", 2)
    code, out, err = run_cli("maximize", *options, "--restarts", 1, "--json")
    assert code == 0, err
    assert "the images are compared with no training images" in err
    assert json.loads(out)["compared_with"] is None
    code, _, err = run_cli("maximize", *options, "--data_root", "absent")
    assert code == 2 and "absent" in err
    code, _, err = run_cli("maximize", *options, "--dataset", "csv")
    assert code == 2 and "data.root" in err


def test_command_writes_what_it_says(run_cli, trained_run: Path, tmp_path: Path) -> None:
    code, out, err = run_cli(
        "maximize",
        "--ckpt_path",
        trained_run,
        "--layer",
        "Conv2D_2",
        "--maps",
        "3",
        "8-9",
        "--steps",
        8,
        "--restarts",
        2,
        "--compare",
        "false",
        "--animate",
        "apng",
        "--tensorboard",
        tmp_path / "tb",
        "--out",
        tmp_path,
        "--json",
    )
    assert code == 0, err
    data = json.loads(out)
    assert json.loads((tmp_path / "maximize.json").read_text())["summary"] == data["summary"]
    assert all(Path(file).is_file() for file in data["files"]) and len(data["files"]) == 8
    assert [card["map"] for card in data["images"]] == [3, 3, 8, 8, 9, 9]
    assert len(data["images"][0]["objective"]) == 8 and data["images"][0]["ratio"] is None
    with np.load(tmp_path / "maximize.npz") as stored:
        assert stored["images"].shape == (6, 1, 28, 28) and np.isfinite(stored["images"]).all()
    assert any((tmp_path / "tb").iterdir())


def test_command_makes_class_images_and_searches(
    run_cli, trained_run: Path, tmp_path: Path
) -> None:
    code, out, err = run_cli(
        "maximize",
        "--ckpt_path",
        trained_run,
        "--classes",
        "7",
        "--steps",
        3,
        "--restarts",
        1,
        "--search",
        40,
        "--compare",
        "false",
        "--preset",
        "source",
        "--out",
        tmp_path,
        "--json",
    )
    assert code == 0, err
    assert json.loads(out)["images"][0]["class"] == 7


def test_command_makes_images_of_dense_units(run_cli, trained_run: Path, tmp_path: Path) -> None:
    code, out, err = run_cli(
        "maximize",
        "--ckpt_path",
        trained_run,
        "--layer",
        "Dense_1",
        "--maps",
        "3",
        "8",
        "--steps",
        4,
        "--restarts",
        1,
        "--compare",
        "false",
        "--out",
        tmp_path,
        "--json",
    )
    assert code == 0, err
    data = json.loads(out)
    assert [card["unit"] for card in data["images"]] == [3, 8] and data["settings"][
        "preset"
    ] == "class"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layer", "Conv2D_9"), "did you mean 'Conv2D_"),
        (("--layer", "Dense_1", "--maps", "4096"), "--maps 4096"),
        (("--maps", "500"), "--maps 500"),
        (("--maps", "3", "x"), "such as 3 17"),
        (("--maps", "0-500"), "0 to 127"),
        (("--steps", "0"), "steps = 0"),
        (("--step", "nan"), "nan"),
        (("--classes", "10"), "--classes 10"),
        (("--classes", "all", "--layer", "Conv2D_1"), "one of the two"),
        (("--preset", "style"), "style"),
        (("--preset", "sauce"), "sauce"),
        (("--maps", "3", "3"), "different numbers"),
        (("--restarts", "0"), "restarts = 0"),
    ],
)
def test_bad_input_exits_with_2_and_one_message_before_any_work(
    run_cli,
    trained_run: Path,
    tmp_path: Path,
    options: tuple,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        sys.modules["lit_mnist.maximize.quality"],
        "reference",
        lambda *_, **__: pytest.fail("a pass over the data"),
    )
    code, out, err = run_cli("maximize", "--ckpt_path", trained_run, "--out", tmp_path, *options)
    assert (
        code == 2
        and message in err
        and "Traceback" not in err
        and not out
        and not list(tmp_path.iterdir())
    )


def test_every_picture_is_drawn(made: MaximizationResult) -> None:
    drawn = draw.pictures(made, [9, 5])
    assert set(drawn) == {"grid", "evolution", "curves", "quality", "restarts", "beside_data"}
    assert all(to_rgb(figure).std() > 5 for figure in drawn.values())
    for format, kind in (("gif", "GIF"), ("apng", "PNG")):
        with Image.open(io.BytesIO(draw.animation(made, [5], format))) as moving:
            assert moving.format == kind and moving.n_frames > 1
    with pytest.raises(ValueError, match="map 7 was not maximised"):
        draw.evolution(made, [7])


def test_classes_and_dead_maps_are_drawn(trained: Model) -> None:
    names = [f"digit {number}" for number in range(10)]
    made = maximize_classes(trained, [3], Settings("class", restarts=1, steps=2), names=names)
    assert draw.pictures(made).keys() == {"grid", "evolution", "curves", "quality"}
    assert made.card(0)["name"] == "digit 3"
    assert (grey_levels(np.zeros((1, 4, 4))) == 0).all()


def test_tensorboard_holds_the_ascent_with_a_slider(
    made: MaximizationResult, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_tensorboard(made, tmp_path, lambda result: {"grid": to_rgb(draw.grid(result))})
    events = EventAccumulator(str(tmp_path), {"images": 0, "scalars": 0}).Reload()
    steps = [image.step for image in events.Images("maximize/Conv2D_1/source/ascent")]
    assert steps == list(made.ascent.snapshot_steps)
    assert len(events.Scalars("maximize/Conv2D_1/source/median_objective")) == 12
    assert "maximize/Conv2D_1/source/grid" in events.Tags()["images"]
