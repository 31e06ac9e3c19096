"""Pictures read in the page as `predict` reads them: the same pixels give the same input."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import DataError, Dataset
from lit_mnist.data.images import image_file
from lit_mnist.data.pictures import SUFFIXES, open_picture
from lit_mnist.data.reader import doubt, no_digit, read_digit
from lit_mnist.data.reader.no_digit import log_odds
from tests.data.reader.papers import PAPERS, Paper, paper

from .lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
HANDWRITTEN = {"way": "handwritten", "shape": [28, 28, 1]}


@pytest.fixture(scope="module")
def lab(chromium) -> Lab:
    return Lab.opened(chromium)


def read(lab: Lab, picture: Image.Image, reader: dict[str, Any]) -> dict[str, Any]:
    """What the page makes of a picture's red, green, blue and opacity."""
    rgba = base64.b64encode(picture.convert("RGBA").tobytes()).decode()
    return lab.call("read", rgba, *picture.size, reader)


def check_digit(lab: Lab, grey: np.ndarray) -> None:
    grey = np.rint(grey).clip(0, 255).astype(np.uint8)
    result = read(lab, Image.fromarray(grey), HANDWRITTEN)
    try:
        digit = read_digit(grey.astype(float))
    except DataError as error:
        assert result == {"error": str(error)}
        return
    assert np.abs(np.array(result["pixels"]) - digit.pixels.ravel()).max() < 1e-6
    for name, value in vars(digit.strokes).items():
        assert result["strokes"][name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.mnist
@pytest.mark.parametrize("kind", PAPERS, ids=lambda kind: kind.__name__)
def test_papers_of_every_kind(lab: Lab, kind: Paper, mnist: Dataset) -> None:
    generator = np.random.default_rng(3)
    for digit in mnist.test_images[:4]:
        check_digit(lab, kind(digit, generator))


def test_embedded_digits_on_paper(lab: Lab, digits: Dataset) -> None:
    for digit in digits.test_images[:4]:
        check_digit(lab, paper(digit, np.random.default_rng(int(digit.sum()))))


@pytest.mark.parametrize(
    "grey",
    [
        np.full((40, 50), 200),
        np.zeros((5, 90)),
        np.eye(8) * 255,
        np.add.outer(np.arange(60), np.arange(60)),
    ],
    ids=["blank", "too small", "smallest", "ramp"],
)  # fmt: skip
def test_pictures_without_a_digit_are_refused_alike(lab: Lab, grey: np.ndarray) -> None:
    check_digit(lab, grey)


@pytest.mark.mnist
def test_mnist_keeps_its_pixels(lab: Lab, mnist: Dataset) -> None:
    image = mnist.test_images[0]
    result = read(lab, Image.fromarray(image), HANDWRITTEN)
    assert result["pixels"] == image.ravel().tolist()


@pytest.mark.slow
@pytest.mark.mnist
def test_own_digits(lab: Lab, mnist_root: Path) -> None:
    files = [path for path in (mnist_root / "own_digits").glob("*.*") if path.suffix in SUFFIXES]
    if not files:
        pytest.skip("no own_digits beside MNIST")
    for path in files:
        check_digit(lab, np.asarray(open_picture(path, "L")))


def colours(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    width, height = size
    channels = len(mode)
    smooth = np.random.default_rng(5).integers(0, 256, (9, 7, channels)).astype(np.uint8)
    return Image.fromarray(smooth).convert(mode).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(90, 61), (20, 12), (32, 32), (33, 250)])
@pytest.mark.parametrize(
    ("shape", "dataset", "way"),
    [
        ((32, 32, 3), "cifar10", "resized"),
        ((20, 24, 1), "folder", "resized"),
        ((28, 28, 1), "fashion_mnist", "framed"),
    ],
)
def test_other_pictures(
    lab: Lab,
    tmp_path: Path,
    size: tuple[int, int],
    shape: tuple[int, int, int],
    dataset: str,
    way: str,
) -> None:  # fmt: skip
    picture = colours(size)
    picture.save(tmp_path / "picture.png")
    expected = image_file(tmp_path / "picture.png", shape, dataset)
    got = np.array(read(lab, picture, {"way": way, "shape": shape})["pixels"])
    # Pillow rounds to whole levels between its two passes, and from release 13 on may begin with
    # the rows
    gap = np.abs(got - expected.ravel())
    assert gap.max() < 1e-4 if way == "framed" else gap.max() <= 1 and gap.mean() < 0.2


@pytest.mark.parametrize("ink", [20, 240])
def test_transparent_pictures_lie_on_paper(lab: Lab, tmp_path: Path, ink: int) -> None:
    picture = Image.new("RGBA", (60, 60), (ink, ink, ink, 0))
    picture.paste((ink, ink, ink, 255), (25, 8, 34, 52))
    picture.save(tmp_path / "ink.png")
    expected = image_file(tmp_path / "ink.png")
    got = np.array(read(lab, picture, HANDWRITTEN)["pixels"])
    assert np.abs(got - expected.ravel()).max() < 1e-6


@pytest.mark.parametrize("shape", [(32, 32, 1), (20, 20, 1), (48, 40, 1)])
def test_digits_for_networks_of_other_sizes(
    lab: Lab, digits: Dataset, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    page = paper(digits.test_images[7], np.random.default_rng(2)).round().astype(np.uint8)
    Image.fromarray(page).save(tmp_path / "digit.png")
    expected = image_file(tmp_path / "digit.png", shape)
    got = read(lab, Image.fromarray(page), {"way": "handwritten", "shape": shape})["pixels"]
    assert got == expected.ravel().tolist()


def test_the_same_doubt(lab: Lab, digits: Dataset) -> None:
    rule = {"intercept": no_digit.INTERCEPT, "weights": no_digit.WEIGHTS, "sure": no_digit.SURE}
    strokes = read_digit(paper(digits.test_images[3], np.random.default_rng(1))).strokes
    for probability in (0.3, 0.999):
        bound = {**rule, "intercept": rule["intercept"] - log_odds(strokes, probability) - 0.3}
        assert lab.call("doubt", vars(strokes), probability, rule) == doubt(strokes, probability)
        assert "log-odds -0.3" in lab.call("doubt", vars(strokes), probability, bound)
