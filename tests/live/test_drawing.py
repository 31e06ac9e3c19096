"""Digits drawn on the live page and pictures given to it, in a real headless Chromium."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data.reader import read_digit
from lit_mnist.runs.model import save_model
from lit_mnist.spec import NetworkSpec
from tests.browser import first, opened, pixels, press
from tests.conftest import run_program
from tests.data.reader.papers import paper
from tests.networks import model_of, tiny_model

from .controls import MAPS, SEVEN, drop, seen, stroke, waited

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

COLOUR = {
    "input_shape": [12, 10, 3],
    "layers": [
        {"type": "conv", "name": "Conv", "filters": 4, "activation": "relu"},
        {"type": "global_pool", "name": "Mean"},
        {"type": "dense", "name": "Classes", "units": 2, "activation": "softmax"},
    ],
}


@pytest.fixture(scope="module")
def handwriting_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a network that is said to be MNIST's, whose pictures are read as handwriting."""
    folder = tmp_path_factory.mktemp("handwriting")
    save_model(model_of(tiny_model().spec, dataset="mnist"), folder / "tiny.ckpt")
    code, _, err = run_program("live", folder / "tiny.ckpt", "--out", folder)
    assert code == 0, err
    return folder / "live.html"


@pytest.fixture
def handwriting(chromium, handwriting_page: Path):
    """That page, freshly opened."""
    return opened(chromium, handwriting_page, height=1400)


def test_a_stroke_is_read_as_predict_reads_it(handwriting) -> None:
    before = handwriting.execute_script(MAPS)
    press(handwriting, "#clear")
    stroke(handwriting, *SEVEN)
    drawn = np.array(pixels(handwriting, "#pad")).reshape(168, 168, 4)
    assert (drawn[..., 0] < 128).sum() > 1500
    expected = np.rint(read_digit(drawn[..., 0].astype(float)).pixels)
    assert np.abs(seen(handwriting) - expected).max() <= 1
    assert handwriting.execute_script(MAPS) != before
    assert handwriting.get_log("browser") == []


def test_drawing_by_keys(handwriting) -> None:
    from selenium.webdriver import Keys

    press(handwriting, "#clear")
    pad = first(handwriting, "#pad")
    handwriting.execute_script("arguments[0].focus()", pad)
    pad.send_keys(" ", *[Keys.ARROW_DOWN] * 12, " ", Keys.ARROW_LEFT)
    waited(handwriting, "document.querySelector('#answer-symbol').textContent !== '–'")
    image = seen(handwriting)
    assert image[5:23].any(1).sum() > 14 and image.any(0).sum() < 12  # upright, and narrow


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_dropped_or_pasted_picture(handwriting, digits, tmp_path: Path, kind: str) -> None:
    grey = paper(digits.test_images[5], np.random.default_rng(0)).round().astype(np.uint8)
    drop(handwriting, Image.fromarray(grey), tmp_path, kind)
    expected = np.rint(read_digit(grey.astype(float)).pixels)
    assert np.abs(seen(handwriting) - expected).max() <= 1


def test_an_opened_picture_and_what_is_none(handwriting, tmp_path: Path) -> None:
    Image.new("L", (50, 50), 200).save(tmp_path / "blank.png")
    first(handwriting, "#file").send_keys(str(tmp_path / "blank.png"))
    waited(
        handwriting,
        "document.querySelector('#message').textContent.includes('nothing but background')",
    )
    assert first(handwriting, "#answer-symbol").text == "–"
    (tmp_path / "text.png").write_text("no picture")
    first(handwriting, "#file").send_keys(str(tmp_path / "text.png"))
    waited(
        handwriting,
        "document.querySelector('#message').textContent.startsWith('text.png: no picture')",
    )


@pytest.fixture(scope="module")
def colour_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colour")
    save_model(model_of(NetworkSpec.from_dict(COLOUR), dataset="arrays"), folder / "colour.ckpt")
    code, _, err = run_program("live", folder / "colour.ckpt", "--out", folder)
    assert code == 0, err
    return folder / "live.html"


def test_a_colour_network(chromium, colour_page: Path, tmp_path: Path) -> None:
    driver = opened(chromium, colour_page)
    assert first(driver, "#check").get_attribute("class") == "agrees"
    assert first(driver, "#pen").is_displayed()
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    drop(driver, Image.fromarray(noise), tmp_path)
    small = Image.fromarray(noise).resize((10, 12), Image.Resampling.BILINEAR)
    shown = np.array(pixels(driver, "#seen")).reshape(12, 10, 4)[..., :3]
    assert np.abs(shown - np.asarray(small, int)).max() <= 1
    press(driver, "#layer-blocks button", 1)
    assert len(driver.find_elements("css selector", "#kernels canvas")) == 3


def test_dark_pages_turn_drawings_round_but_no_photographs(
    chromium, handwriting_page: Path, digits, tmp_path: Path
) -> None:
    driver = opened(chromium, handwriting_page, scheme="dark")
    turned = "return getComputedStyle(document.getElementById('pad')).filter"
    press(driver, "#samples button", 1)
    assert driver.execute_script(turned) == "invert(1)"
    drop(
        driver,
        Image.fromarray(paper(digits.test_images[5], np.random.default_rng(0)).astype(np.uint8)),
        tmp_path,
    )
    assert driver.execute_script(turned) == "none"
