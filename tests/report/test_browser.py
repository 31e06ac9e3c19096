"""The report in a real headless Chromium: no console errors, everything loads, picking changes what
is shown.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lit_mnist.figures.canvas import kernel_colours
from lit_mnist.report.content import Options
from lit_mnist.report.page import render
from lit_mnist.report.page_data import page_data
from lit_mnist.runs.model import save_model
from lit_mnist.spec import NetworkSpec
from tests.browser import (
    CHROMIUM,
    assert_follows_color_scheme,
    blank_canvases,
    first,
    opened,
    pixels,
    press,
    program,
)
from tests.conftest import run_program
from tests.figures.test_colour import all_sections_but, report_of
from tests.networks import tiny_model

pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

_SHOWN = ("#maps-grid canvas", "#methods-view .thumb:nth-child(2) canvas")
_PICTURES = "return [...document.querySelectorAll('#maps-grid canvas')].map((c) => c.toDataURL())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program(*CHROMIUM)
    folder = tmp_path_factory.mktemp("browser")
    save_model(tiny_model(), folder / "tiny.ckpt")
    code, _, err = run_program(
        "report",
        folder / "tiny.ckpt",
        "--out",
        folder / "page.html",
        "--steps",
        5,
        "--verdict_digits",
        2,
    )
    assert code == 0, err
    return folder / "page.html"


def test_opens_without_errors_and_everything_loads(chromium, page: Path) -> None:
    driver = opened(chromium, page)
    assert driver.get_log("browser") == []
    assert driver.execute_script(
        "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
    )
    assert driver.execute_script("return document.querySelectorAll('canvas').length") > 100
    assert blank_canvases(driver) == 0
    assert (
        driver.execute_script(
            "return performance.getEntriesByType('resource')"
            ".filter((e) => !e.name.startsWith('data:')).length"
        )
        == 0
    )


def test_another_digit_changes_maps_answer_and_attributions(chromium, page: Path) -> None:
    driver = opened(chromium, page)
    before = [pixels(driver, selector) for selector in _SHOWN]
    image = first(driver, "#answer").get_attribute("data-image")
    press(driver, "#maps .digits button", 7)
    after = [pixels(driver, selector) for selector in _SHOWN]
    assert before[0] != after[0] and before[1] != after[1]
    assert first(driver, "#answer").get_attribute("data-image") != image
    pressed = driver.find_elements("css selector", ".digits button[aria-pressed=true]")
    assert len(pressed) == 2 and {button.text for button in pressed} == {pressed[0].text}


def test_another_layer_map_and_scale(chromium, page: Path) -> None:
    driver = opened(chromium, page)
    assert len(driver.find_elements("css selector", "#maps-grid button")) == 5
    press(driver, "#maps-layers button", 2)
    assert first(driver, "#maps-grid").get_attribute("data-shows") == "Conv2D_2/0"
    assert len(driver.find_elements("css selector", "#maps-grid button")) == 9
    press(driver, "#maps-grid button", 4)
    assert first(driver, "#inspector h3").text == "Conv2D_2, map 4"
    assert len(driver.find_elements("css selector", "#inspector .kernels canvas")) == 5
    before = driver.execute_script(_PICTURES)
    press(driver, "#own-scale")
    after = driver.execute_script(_PICTURES)
    assert before != after


def test_top_images_filters_preferred_and_methods(chromium, page: Path) -> None:
    driver = opened(chromium, page)
    assert len(driver.find_elements("css selector", "#top-view .toprow")) == 9
    press(driver, "#top-layers button", 0)
    assert len(driver.find_elements("css selector", "#top-view .toprow")) == 5
    assert first(driver, "#top-view .framed i").size["width"] > 0
    press(driver, "#filters-layers button", 1)
    assert "5 input channels" in first(driver, "#filters-told").text
    press(driver, "#preferred-layers button", 0)
    assert len(driver.find_elements("css selector", "#preferred-view .thumb")) == 5
    press(driver, "#method-tabs button", 3)
    assert first(driver, "#method-view").get_attribute("data-shows") == "smoothgrad"
    assert first(driver, "#method-told").text.startswith("Judged on 2 test digits")
    assert len(driver.find_elements("css selector", ".verdicts .pass, .verdicts .fail")) > 2


def test_filters_that_read_colours_are_drawn_in_colour(chromium, tmp_path: Path) -> None:
    program(*CHROMIUM)
    content = report_of(tmp_path, Options(leave_out=all_sections_but("filters")))
    (tmp_path / "page.html").write_text(render(content))
    driver = opened(chromium, tmp_path / "page.html")
    assert driver.get_log("browser") == []
    kernels = driver.find_elements("css selector", "#filters-view canvas")
    assert len(kernels) == 4 and "in the colours" in first(driver, "#filters-told").text
    expected = 255 * kernel_colours(content.filters[0].tiles)[0].reshape(-1, 3)
    drawn = np.reshape(pixels(driver, "#filters-view canvas"), (-1, 4))
    assert np.abs(drawn[:, :3] - expected).max() < 1
    press(driver, "#filters-layers button", 1)
    assert len(driver.find_elements("css selector", "#filters-view canvas")) == 8


def test_a_page_of_a_large_network_holds_its_first_maps(
    chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(*CHROMIUM)
    content = report_of(tmp_path, Options(leave_out=all_sections_but("maps")))
    assert all(layer["all"] == layer["shape"][0] for layer in page_data(content)["maps"].values())
    monkeypatch.setattr("lit_mnist.report.page_data.MOST_VALUES", 1000)
    layers = page_data(content)["maps"]
    assert sum(np.prod(layer["shape"]) for layer in layers.values()) <= 1000
    assert layers["depth"]["all"] == 8 > layers["depth"]["shape"][0] > 1
    (tmp_path / "page.html").write_text(render(content))
    driver = opened(chromium, tmp_path / "page.html")
    press(driver, "#maps-layers button", list(layers).index("depth"))
    shown = len(driver.find_elements("css selector", "#maps-grid button"))
    assert first(driver, "#maps-told").text == f"depth: the first {shown} of 8 maps"
    assert driver.get_log("browser") == []


def test_of_many_classes_the_most_probable_are_shown(chromium, tmp_path: Path) -> None:
    program(*CHROMIUM)
    layers = [
        {"type": "conv", "name": "conv", "filters": 50},
        {"type": "global_pool", "name": "scores"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [8, 8, 3], "layers": layers})
    content = report_of(tmp_path, Options(leave_out=all_sections_but("maps")), spec)
    (tmp_path / "page.html").write_text(render(content))
    driver = opened(chromium, tmp_path / "page.html")
    probabilities = content.maps[0].answer.probabilities.round(4)
    shown = [cell.text for cell in driver.find_elements("css selector", "#answer b")]
    assert shown == [str(i) for i in np.argsort(-probabilities, kind="stable")[:10]]


def test_a_cell_of_the_confusion_matrix_shows_its_mistakes(chromium, page: Path) -> None:
    driver = opened(chromium, page)
    cell = first(driver, ".confusion button")
    press(driver, ".confusion button")
    labels = {one.text for one in driver.find_elements("css selector", "#mistakes-grid b")}
    assert labels == {
        f"{cell.get_attribute('data-true')} as {cell.get_attribute('data-predicted')}"
    }
    press(driver, ".confusion button")
    assert len({one.text for one in driver.find_elements("css selector", "#mistakes-grid b")}) > 1


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(chromium, page: Path, width: int) -> None:
    driver = opened(chromium, page, width)
    assert driver.execute_script("return document.documentElement.scrollWidth") == width


def test_light_and_dark(chromium, page: Path) -> None:
    assert_follows_color_scheme(chromium, page)
