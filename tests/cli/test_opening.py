"""How commands open Keras files: whose images, how they are scaled, and which output is the
answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.inside.passes import BATCH, batch_size, batches, dataset_part
from lit_mnist.runs.model import open_model
from lit_mnist.spec import NetworkSpec
from tests.keras_files.files import fresh

COLOUR = NetworkSpec.from_dict(
    {
        "input_shape": [12, 12, 3],
        "layers": [
            {"type": "conv", "name": "conv", "filters": 4, "activation": "relu"},
            {"type": "global_pool", "name": "mean"},
            {"type": "dense", "name": "first", "units": 3, "activation": "softmax"},
            {
                "type": "dense",
                "name": "second",
                "units": 4,
                "activation": "softmax",
                "inputs": ["mean"],
            },
        ],
        "outputs": ["first", "second"],
    }
)
COMMANDS = {
    "features": ("--images", "photos"),
    "journey": ("--images", "photos"),
    "top_images": ("--layer", "conv"),
    "activation_stats": ("--attempts", "3"),
    "maximize": ("--classes", "0", "--steps", "2", "--restarts", "1"),
    "explain": ("--images", "photos", "--methods", "saliency", "--verdict_digits", "0"),
    "predict": ("--images", "photos"),
}


@pytest.fixture
def colour(in_tmp: Path) -> Path:
    """A Keras file of a network with two outputs for colour images, and a folder of photographs
    beside it.
    """
    (in_tmp / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(4):
        pixels = random.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(in_tmp / "photos" / f"photo{number}.png")
    return fresh(in_tmp / "colour.keras", COLOUR)[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_folder_a_scaling_and_an_output(
    colour: Path, run_cli: Callable, command: str
) -> None:
    data = ("--data.dataset", "folder", "--data.root", "photos", "--data.standardize", "none")
    code, out, err = run_cli(
        command, "--ckpt_path", colour, *COMMANDS[command], *data, "--output", "second", "--json"
    )
    assert code == 0 and "is assumed" not in err, err
    record = json.loads(out)
    if command in ("features", "journey", "predict"):
        assert {len(image["probabilities"]) for image in record["images"]} == {4}
    if command in ("top_images", "activation_stats"):
        assert record["images"] == 4
    code, _, err = run_cli(
        command, "--ckpt_path", colour, *COMMANDS[command], *data, "--output", "secnd"
    )
    assert code == 2 and "no output 'secnd' in this network; did you mean 'second'?" in err


def test_a_colour_file_asks_for_pictures_and_says_which_scaling_it_assumes(
    colour: Path, run_cli: Callable
) -> None:
    code, _, err = run_cli("top_images", "--ckpt_path", colour)
    assert code == 2 and "needs --data.root" in err and "'unit' is assumed" in err
    code, _, err = run_cli("top_images", "--ckpt_path", colour, "--data.dataset", "foldr")
    assert code == 2 and "did you mean 'folder'?" in err


def test_predict_scales_as_asked(colour: Path, run_cli: Callable) -> None:
    answers = [
        json.loads(
            run_cli("predict", "--ckpt_path", colour, "--images", "photos", "--json", *scaling)[1]
        )["images"][0]["probabilities"]
        for scaling in ((), ("--data.standardize", "unit"), ("--data.standardize", "none"))
    ]
    assert answers[0] == answers[1] != answers[2]


def test_large_images_go_through_in_smaller_batches_with_the_same_pixels(colour: Path) -> None:
    model = replace(open_model(colour), data_root=Path("photos"))
    pixels, labels = dataset_part(model, "test")
    assert pixels.shape == (4, 12, 12, 3) and (labels == -1).all()
    assert batch_size(COLOUR) == BATCH and batch_size(COLOUR, 3) == 3
    large = NetworkSpec.from_dict(COLOUR.to_dict() | {"input_shape": [600, 600, 3]})
    assert batch_size(large) == 2**27 // (598 * 598 * 4 + 4 + 3 + 4) < BATCH
    assert [len(batch) for batch in batches(model, pixels, 3)] == [3, 1]


def test_a_thousand_classes_of_colour_images_are_called_as_imagenets(in_tmp: Path) -> None:
    layers = [
        {"type": "global_pool", "name": "mean"},
        {"type": "dense", "name": "out", "units": 1000, "activation": "softmax"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [4, 4, 3], "layers": layers})
    model = open_model(fresh(in_tmp / "net.keras", spec)[0])
    assert model.class_names[285] == "Egyptian cat" and model.class_names[967] == "espresso"
