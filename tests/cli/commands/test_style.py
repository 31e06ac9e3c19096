"""The command style: one image redrawn in the style of another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import Run


def test_command_transfers_style(run_cli: Run, trained_run: Path, tmp_path: Path) -> None:
    upright = np.zeros((28, 28), np.uint8)
    upright[4:24, 12:16] = 220
    for number, picture in enumerate((upright, upright.T)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    images = [tmp_path / "0.png", tmp_path / "1.png"]
    code, out, err = run_cli(
        "style",
        "--ckpt_path",
        trained_run,
        "--steps",
        5,
        "--images",
        *images,
        "--content_layer",
        "Conv2D_2",
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert code == 0, err
    data = json.loads(out)
    assert data["steps"] == 5 and (data["content"], data["style"]) == tuple(map(str, images))
    assert data["style_loss"][1] < data["style_loss"][0]
    assert {Path(file).name for file in data["files"]} == {"style.png", "style.npz", "style.json"}


def test_it_takes_two_images(run_cli: Run, trained_run: Path, in_tmp: Path) -> None:
    code, _, err = run_cli("style", "--ckpt_path", trained_run, "--images", "test:1")
    assert code == 2 and "two images" in err and not list(in_tmp.iterdir())
