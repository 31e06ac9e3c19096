"""Networks that cannot be, and pictures that are none: one error, exit code 2, nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lit_mnist.runs.model import save_model
from tests.conftest import Run
from tests.data.files import write_folder
from tests.networks import tiny_model

FIRST = {"type": "conv", "name": "A", "filters": 2}
HEAD = (
    {"type": "global_pool", "name": "Pool"},
    {"type": "dense", "name": "Out", "units": 1, "activation": "sigmoid"},
)
LAYERS = {
    "a cycle": (
        (
            FIRST,
            {"type": "add", "name": "Sum", "inputs": ["A", "B"]},
            {"type": "conv", "name": "B", "filters": 2, "inputs": ["Sum"]},
        ),
        "layer 'Sum': its input 'B' cannot work.*cycle.*accepted: input, A",
    ),
    "an input that does not exist": (
        (FIRST, {"type": "conv", "name": "B", "filters": 2, "inputs": ["AA"]}),
        "layer 'B': no layer 'AA' to read from; did you mean 'A'",
    ),
    "shapes that do not merge": (
        (
            FIRST,
            {"type": "conv", "name": "B", "filters": 2},
            {"type": "add", "name": "Sum", "inputs": ["A", "B"]},
        ),
        r"layer 'Sum': inputs of the shapes \(10, 10, 2\) and \(8, 8, 2\) do not merge; accepted",
    ),
}


def empty_class(root: Path) -> list[object]:
    for path in (root / "lying").iterdir():
        path.unlink()
    return []


def no_picture(root: Path) -> list[object]:
    (root / "lying" / "000.png").write_bytes(b"no picture")
    return ["--data.on_damaged", "error"]


def lacking_layer(root: Path) -> list[object]:
    save_model(tiny_model(), root.parent / "pretrained.ckpt")
    frozen = ("--model.network.layers.A.trainable", "false")
    return ["--model.initial_weights", root.parent / "pretrained.ckpt", *frozen]


PLACES: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "a class folder without pictures": (
        empty_class,
        r"lying: holds no pictures; accepted: .*\.jpg",
    ),
    "a picture that is not one": (no_picture, r"000\.png': not a readable image.*'skip' leaves"),
    "a pretrained file that lacks a layer": (
        lacking_layer,
        r"pretrained\.ckpt: lacks layer 'A', which is frozen.*it has Conv2D_1.*accepted",
    ),
}


def assert_refused(run_cli: Run, folder: Path, layers: tuple, options: list, message: str) -> None:
    network = {"input_shape": [12, 12, 1], "layers": [*layers, *HEAD]}
    config = {"model": {"network": network}, "data": {"dataset": "folder"}}
    (folder / "net.yaml").write_text(yaml.safe_dump(config))
    arguments = ("--config", folder / "net.yaml", "--runs_dir", folder / "runs", *options)
    code, out, err = run_cli("fit", *arguments, "--data.root", folder / "pictures")
    assert code == 2 and out == ""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in err
    assert re.search(message, lines[0])
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("kind", LAYERS)
def test_networks_that_cannot_be(run_cli: Run, tmp_path: Path, kind: str) -> None:
    layers, message = LAYERS[kind]
    assert_refused(run_cli, tmp_path, layers, [], message)


@pytest.mark.parametrize("kind", PLACES)
def test_pictures_and_weights_that_cannot_be(run_cli: Run, tmp_path: Path, kind: str) -> None:
    write_folder(tmp_path / "pictures", 12)
    spoil, message = PLACES[kind]
    assert_refused(run_cli, tmp_path, (FIRST,), spoil(tmp_path / "pictures"), message)
