"""The command style: pictures redrawn, results written whole, bad input refused before anything is
written.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.runs.model import save_model
from tests.conftest import Run
from tests.maximize.style_networks import narrow_vgg19, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, a text, and a network for colour pictures."""
    folder = tmp_path_factory.mktemp("style")
    for number in range(2):
        Image.fromarray(picture(number)).save(folder / f"{number}.png")
    (folder / "text.png").write_text("no picture")
    save_model(narrow_vgg19(), folder / "vgg.ckpt")
    return folder


def arguments(folder: Path, *more: object) -> list[object]:
    places = ["--content", folder / "0.png", "--style", folder / "1.png"]
    return ["style", *places, "--network", folder / "vgg.ckpt", "--size", 40, *more]


def test_command_redraws_a_photograph(run_cli: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = run_cli(
        *arguments(folder, "--steps", 4, "--snapshots", 2, "--out", out, "--json")
    )
    assert code == 0, err
    data = json.loads(text)
    files = {str(Path(file).relative_to(out)) for file in data["files"]}
    assert files == {
        *("result.png", "style.png", "losses.png", "evolution.png", "animation.gif"),
        *("snapshots/after_00000.png", "snapshots/after_00003.png", "style.npz", "style.json"),
    }
    assert files == {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert np.asarray(Image.open(out / "result.png")).shape == (30, 40, 3)
    assert data["steps"] == 4 and data["before"]["content"] == 0 < data["after"]["content"]
    assert data["settings"]["content_layer"] == "block5_conv2"
    assert "style: 4 of 4 evaluations, 0 s left" in err


def test_a_run_redraws_its_own_digits(run_cli: Run, trained_run: Path, tmp_path: Path) -> None:
    code, out, err = run_cli(
        *("style", "--content", "test:1", "--style", "test:2", "--network", trained_run),
        *(
            "--content_layer",
            "Conv2D_2",
            "--steps",
            5,
            "--snapshots",
            0,
            "--out",
            tmp_path,
            "--json",
        ),
    )
    assert code == 0, err
    data = json.loads(out)
    assert data["after"]["Conv2D_1"] < data["before"]["Conv2D_1"]
    assert np.asarray(Image.open(tmp_path / "result.png")).shape == (28, 28)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--content_layer", "block5_conv9"), "did you mean 'block5_conv"),
        (("--style_layers", "block1_conv1=2", "blok2_conv1"), "did you mean 'block2_conv1'"),
        (("--content", "{folder}/text.png"), "text.png': not a readable image"),
        (("--content", "{folder}/none.png"), "none.png': no such file"),
        (("--style", "{folder}/text.png"), "text.png': not a readable image"),
        (("--network", "vgg20"), "vgg20: no such file or folder; accepted: vgg19, squeezenet"),
        (("--network", "{folder}/text.png"), "text.png"),
        (("--out", "{folder}/text.png"), "is a file"),
        (("--out", "/proc/style"), "--out /proc/style: cannot be written"),
        (("--steps", "0"), "steps = 0"),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(
    run_cli: Run, folder: Path, in_tmp: Path, options: tuple[str, ...], message: str
) -> None:
    before = sorted(folder.rglob("*"))
    words = [option.replace("{folder}", str(folder)) for option in options]
    code, out, err = run_cli(*_without(arguments(folder), words[0]), *words)
    assert code == 2 and not out and message in err and len(err.strip().splitlines()) == 1, err
    assert not list(in_tmp.iterdir()) and sorted(folder.rglob("*")) == before


def _without(words: list[object], option: str) -> list[object]:
    """`words` without `option` and its value."""
    if option not in words:
        return words
    place = words.index(option)
    return [*words[:place], *words[place + 2 :]]
