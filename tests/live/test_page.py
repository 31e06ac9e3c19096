"""The live page in a real headless Chromium, through its own controls."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.attribution.methods import make_setting
from lit_mnist.attribution.perturbation import Occlusion
from lit_mnist.attribution.targets import resolve
from lit_mnist.data import load_dataset
from lit_mnist.inside.kept import kept_results
from lit_mnist.inside.top_images import top_images_once
from lit_mnist.maximize.maximization import Settings, maximize_maps
from lit_mnist.report.encode import base64_of
from lit_mnist.runs.model import Model, open_model, save_model
from tests.browser import assert_follows_color_scheme, first, opened, pixels, press
from tests.conftest import run_program
from tests.networks import tiny_model

from .controls import MAPS, SEVEN, UPDATED, seen, stroke, waited
from .lab import Lab, carried, channels_last

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

_ASCENT = Settings(steps=3, restarts=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a tiny network, top images and preferred images of its maps on record."""
    folder = tmp_path_factory.mktemp("live") / "runs" / "tiny" / "version_0"
    save_model(tiny_model(), folder / "checkpoints" / "last.ckpt")
    (folder / "summary.json").write_text(json.dumps({"checkpoint": "last.ckpt"}))
    (folder / "config.yaml").write_text("{}")
    model = open_model(folder)
    kept = kept_results(model)
    top_images_once(model, "train", load_dataset("digits").train_images, ["Conv2D_1"], 8, kept)
    maximize_maps(model, "Conv2D_1", settings=_ASCENT, kept=kept)
    options = ("--images", "test:0", "--methods", "occlusion", "--out", folder / "explained")
    code, _, err = run_program("explain", "--ckpt_path", folder, *options)
    assert code == 0, err
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    code, out, err = run_program("live", "--ckpt_path", run)
    assert code == 0, err
    assert str(run / "live.html") in out
    return run / "live.html"


@pytest.fixture
def live(chromium, page: Path):
    """The page, freshly opened."""
    return opened(chromium, page, height=1400)


def answer(model: Model, image: np.ndarray) -> int:
    with torch.no_grad():
        return int(model.network(model.tensor(image[None].astype(np.float32))).argmax())


def test_opens_proves_itself_and_loads_nothing(live, run: Path) -> None:
    assert live.get_log("browser") == []
    mark = first(live, "#check")
    assert mark.get_attribute("class") == "agrees" and "16 pictures" in mark.text
    assert float(mark.get_attribute("data-difference")) < 1e-5
    assert live.execute_script(
        "return performance.getEntriesByType('resource').filter((e) => "
        "!e.name.startsWith('data:')).length"
    ) == 0  # fmt: skip
    image = seen(live)
    assert first(live, "#answer-symbol").text == str(answer(open_model(run), image))
    shares = [
        float(span.text.split(" ")[0])
        for span in live.find_elements("css selector", "#probabilities span")
    ]  # fmt: skip
    assert len(shares) == 10 and sum(shares) == pytest.approx(100, abs=0.5)


def test_a_fault_in_one_weight_shows(chromium, page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    stored = re.search(r'"weights":"([A-Za-z0-9+/=]+)"', text)[1]
    weights = np.frombuffer(base64.b64decode(stored), "<f4").copy()
    weights[7] += 0.5
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace(stored, base64_of(weights)))
    driver = opened(chromium, broken)
    assert first(driver, "#check").get_attribute("class") == "differs"
    assert "do not trust" in first(driver, "#check").text


def test_undo_and_clear(live) -> None:
    press(live, "#clear")
    waited(live, "document.querySelector('#answer-text').textContent === 'Draw something.'")
    stroke(live, *SEVEN)
    one = seen(live)
    stroke(live, (-40, 0), (40, 10))
    assert (seen(live) != one).any()
    press(live, "#undo")
    waited(live, "true")
    waited(live, "new Promise((done) => setTimeout(() => done(true), 200))")
    assert (seen(live) == one).all()
    press(live, "#clear")
    waited(live, "document.querySelector('#answer-text').textContent === 'Draw something.'")
    assert not seen(live).any()


def test_stroke_width(live) -> None:
    ink = []
    for width in (5, 25):
        press(live, "#clear")
        live.execute_script(
            "const s = document.getElementById('stroke'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'));",
            width,
        )
        stroke(live, (-50, 0), (50, 0))
        ink.append((np.array(pixels(live, "#pad"))[::4] < 128).sum())
    assert 3 < ink[1] / ink[0] < 8


def test_another_layer_and_scale(live) -> None:
    names = [one.text for one in live.find_elements("css selector", "#layer-tabs button")]
    assert names == ["All layers", "Conv2D_1", "Max_Pool_1", "Conv2D_2", "Dense_1"]
    assert len(live.find_elements("css selector", "#layer-blocks canvas")) == 5
    press(live, "#layer-tabs button", 3)
    assert len(live.find_elements("css selector", "#layer-blocks canvas")) == 9
    before = live.execute_script(MAPS)
    press(live, "#own-scale")
    assert live.execute_script(MAPS) != before
    press(live, "#layer-tabs button", 4)
    assert len(live.find_elements("css selector", "#layer-blocks .bars button")) == 10
    press(live, "#layer-tabs button", 0)
    assert len(live.find_elements("css selector", "#layer-blocks .block")) == 4


def test_a_pressed_map_shows_what_is_known_of_it(live, run: Path) -> None:
    spec = open_model(run).spec
    press(live, "#layer-blocks button", 2)
    assert first(live, "#inspector-title").text == "Conv2D_1, map 2"
    assert len(live.find_elements("css selector", "#kernels canvas")) == 1
    assert len(live.find_elements("css selector", "#top-images canvas")) == 6
    record = maximize_maps(open_model(run), "Conv2D_1", settings=_ASCENT)
    reached = record.quality.activation[record.best[2]]
    words = first(live, "#preferred-text").text.split()
    assert words[0] == "reaches" and float(words[1]) == pytest.approx(reached, rel=0.01)
    from selenium.webdriver import ActionChains

    chart = first(live, "#map")
    corner = (-chart.size["width"] // 2 + 2, -chart.size["height"] // 2 + 2)
    ActionChains(live).move_to_element_with_offset(chart, *corner).click().perform()
    assert "at row 0, column 0" in first(live, "#map-value").text
    from selenium.webdriver import Keys

    chart.send_keys(
        Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_UP
    )
    assert "at row 0, column 0" in first(live, "#map-value").text
    chart.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert "at row 2, column 1" in first(live, "#map-value").text
    ActionChains(live).move_to_element_with_offset(chart, *corner).click().perform()
    info = spec["Conv2D_1"]
    box = [*info.start, *(s + f for s, f in zip(info.start, info.receptive_field, strict=True))]
    assert first(live, "#field").get_attribute("data-box") == ",".join(map(str, box))
    press(live, "#place button", 0)
    assert first(live, "#layer-tabs button[aria-pressed=true]").text == "Max_Pool_1"
    press(live, "#layer-tabs button", 4)
    press(live, "#layer-blocks button", 0)
    assert "Flatten" in first(live, "#place").text and not live.find_elements(
        "css selector", "#place button"
    )
    press(live, "#inspector-close")
    assert not first(live, "#inspector").is_displayed()


def test_the_camera(live) -> None:
    press(live, "#open-camera")
    waited(live, "document.querySelector('video').videoWidth > 0")
    before = live.execute_script(UPDATED)
    press(live, "#take-picture")
    waited(live, f"Number(document.documentElement.dataset.updates) > {before}")
    assert not live.execute_script("return document.getElementById('camera').open")
    assert live.execute_script("return document.querySelector('video').srcObject.active") is False


def test_why_is_shown_with_its_verdict(live) -> None:
    press(live, "#why-on")
    waited(live, "document.getElementById('why').dataset.done === 'true'")
    assert len(set(pixels(live, "#why")[::4])) > 5
    assert "judged on" in first(live, "#verdict").text


def test_occlusion_is_that_of_explain(chromium, digits) -> None:
    model = tiny_model()
    image = model.tensor(digits.test_images[:1].astype(np.float32))
    setting = make_setting(model)
    target = resolve(model.network, image, "predicted")
    expected = Occlusion(setting.baseline)(model.network, image, target).sum(1)[0].numpy()
    empty = channels_last(next(setting.baseline(image))[0])
    got = Lab.opened(chromium).call(
        "occlusion",
        *carried(model.network),
        base64_of(empty),
        base64_of(channels_last(image[0])),
        int(target.first),
    )  # fmt: skip
    assert np.abs(np.array(got) - expected.ravel()).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("layer", [0, 1])
def test_nothing_is_wider_than_the_screen(chromium, page: Path, width: int, layer: int) -> None:
    driver = opened(chromium, page, width, height=844)
    press(driver, "#layer-tabs button", layer)
    press(driver, "#layer-blocks button", 1)
    assert driver.execute_script("return document.documentElement.scrollWidth") == width


def test_light_and_dark(chromium, page: Path) -> None:
    assert_follows_color_scheme(chromium, page)


def test_every_control_has_a_name(live) -> None:
    press(live, "#layer-tabs button", 0)
    nameless = (
        "return [...document.querySelectorAll('button, input, select, canvas')].filter((e) => {"
        "const inButton = e.closest('button') && e.tagName === 'CANVAS';"
        "return !inButton && !e.getAttribute('aria-label') && !e.textContent.trim() && "
        "!e.labels?.length; })"
        ".map((e) => e.outerHTML)"
    )
    assert live.execute_script(nameless) == []
