"""``mistakes``, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from lit_mnist.inside.passes import class_probabilities, dataset_part
from lit_mnist.runs.model import open_model, save_model
from tests.conftest import Run
from tests.networks import tiny_model


def test_every_mistake_is_named_and_drawn(trained_run: Path, tmp_path: Path, run_cli: Run) -> None:
    out = tmp_path / "out"
    code, text, err = run_cli("mistakes", "--ckpt_path", trained_run, "--out", out)
    assert code == 0, err
    record = json.loads((out / "mistakes.json").read_text())
    model = open_model(trained_run)
    pixels, labels = dataset_part(model, "test")
    guesses = class_probabilities(model, pixels).argmax(1)
    wrong = {f"test:{i}" for i in np.flatnonzero(guesses != labels)}
    assert wrong and {item["image"] for item in record["mistakes"]} == wrong
    assert record["correct"] == len(guesses) - len(wrong) == np.trace(record["confusion"])
    assert f"{len(wrong)} wrong" in text and "most often" in text
    drawn = {path.name for path in out.glob("*.png")}
    assert {"confusion.png", f"mistakes_000-{min(60, len(wrong)) - 1:03d}.png"} <= drawn


def test_as_many_are_drawn_as_asked_for(tmp_path: Path, run_cli: Run) -> None:
    save_model(tiny_model(), tmp_path / "tiny.ckpt")
    out = tmp_path / "out"
    code, _, err = run_cli(
        "mistakes", "--ckpt_path", tmp_path / "tiny.ckpt", "--most", 70, "--out", out
    )
    assert code == 0, err
    assert {path.name for path in out.glob("mistakes*.png")} == {
        "mistakes_000-059.png",
        "mistakes_060-069.png",
    }
    assert len(json.loads((out / "mistakes.json").read_text())["mistakes"]) > 70


def test_images_without_labels(tmp_path: Path, run_cli: Run) -> None:
    save_model(tiny_model(), tmp_path / "tiny.ckpt")
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("L", (28, 28), 90).save(photos / "grey.png")
    data = ("--data.dataset", "folder", "--data.root", photos, "--out", tmp_path / "out")
    code, _, err = run_cli("mistakes", "--ckpt_path", tmp_path / "tiny.ckpt", *data)
    assert code == 2 and "have no labels" in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()
