"""``predict --images``: pictures beside their input, pictures that cannot be read, pages of digits,
no digits.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import Dataset
from tests.conftest import Run
from tests.data.reader.pages import composed, drawn
from tests.data.reader.papers import shaded

pytestmark = pytest.mark.mnist


def save(grey: np.ndarray, path: Path) -> Path:
    """Write a grey picture, 0 to 255."""
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path)
    return path


def test_a_picture_that_cannot_be_read_stops_no_other(
    run_cli: Run, trained_run: Path, mnist: Dataset, tmp_path: Path
) -> None:
    good = save(shaded(mnist.test_images[0], np.random.default_rng(0)), tmp_path / "seven.png")
    blank = save(np.full((60, 60), 200.0), tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    names = [tmp_path / "none.png", good, blank, tmp_path / "text.png", "test:99999", "test:0"]
    code, out, _ = run_cli("predict", "--ckpt_path", trained_run, "--images", *names, "--json")
    images = json.loads(out)["images"]
    assert code == 1
    assert [entry["image"] for entry in images] == [str(name) for name in names]
    assert [entry.get("predicted") for entry in images] == [None, 7, None, None, None, 7]
    reasons = ["no such file", "nothing but background", "not a readable image", "out of range"]
    errors = [entry["error"] for entry in images if "error" in entry]
    assert all(reason in error for reason, error in zip(reasons, errors, strict=True))
    assert all(entry["image"] in entry["error"] for entry in images if "error" in entry)


def test_out_shows_what_was_seen(
    run_cli: Run, trained_run: Path, mnist: Dataset, tmp_path: Path
) -> None:
    good = save(shaded(mnist.test_images[0], np.random.default_rng(0)), tmp_path / "seven.png")
    code, out, err = run_cli(
        "predict",
        "--ckpt_path",
        trained_run,
        "--images",
        good,
        "test:1",
        tmp_path / "none.png",
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert code == 1, err
    data = json.loads(out)
    pictures = [path for path in data["files"] if path.endswith(".png")]
    assert len(pictures) == 2 and "seven" in pictures[0] and "test-1" in pictures[1]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width > 800  # three panels
    assert json.loads((tmp_path / "out" / "predict.json").read_text())["images"] == data["images"]


def test_many_reads_a_page_by_lines(
    run_cli: Run, trained_run: Path, mnist: Dataset, tmp_path: Path
) -> None:
    page = save(
        composed(mnist.test_images[:10], 5, np.random.default_rng(0)), tmp_path / "page.png"
    )
    house = save(drawn(["142"]), tmp_path / "house.png")
    arguments = [
        "predict",
        "--ckpt_path",
        trained_run,
        "--images",
        page,
        house,
        "--many",
        "--out",
        tmp_path / "out",
    ]
    code, out, err = run_cli(*arguments)
    assert code == 0, err
    assert "house.png: 142\n" in out and "page.png: 72104 / 14959\n" in out
    data = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert [entry["line"] for entry in data["images"]] == [0] * 5 + [1] * 5 + [0] * 3
    lefts = [entry["box"][1] for entry in data["images"][:5]]
    assert lefts == sorted(lefts)
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.parametrize("option", [["--many"], ["--out", "folder"]])
def test_options_of_pictures_need_pictures(
    run_cli: Run, trained_run: Path, option: list[str]
) -> None:
    code, _, err = run_cli("predict", "--ckpt_path", trained_run, *option)
    assert code == 2 and f"{option[0]} needs --images" in err


def test_what_is_no_digit_is_said_so(
    run_cli: Run, trained_run: Path, mnist: Dataset, tmp_path: Path
) -> None:
    picture = np.full((120, 120), 250.0)
    picture[30:95, 35:85] = picture[30:55, 15:105] = 60  # refused however sure the network is
    shirt = save(picture, tmp_path / "shirt.png")
    code, out, _ = run_cli("predict", "--ckpt_path", trained_run, "--images", shirt, "test:0")
    first, second = out.splitlines()[:2]
    assert code == 0 and "shirt.png: no digit" in first
    assert second.startswith("test:0: 7")
