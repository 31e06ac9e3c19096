"""The report: what it computes, how it packs, that it holds together without network or browser."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from lit_mnist.data import Dataset
from lit_mnist.data.images import read_images
from lit_mnist.errors import UserError
from lit_mnist.figures.canvas import SIGNED
from lit_mnist.inside.evaluation import evaluate
from lit_mnist.report.content import SECTIONS, Content, Options
from lit_mnist.report.curves import charts
from lit_mnist.report.encode import colours, limits, packed, signed, sprite
from lit_mnist.report.gather import gather
from lit_mnist.report.run_files import epoch_history
from lit_mnist.runs.model import Model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import run_program
from tests.networks import LAYERS, model_of, tiny_model


def page_data(html: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1]
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a small untrained network, five steps for each preferred image."""
    folder = tmp_path_factory.mktemp("report")
    save_model(tiny_model(), folder / "tiny.ckpt")
    code, out, err = run_program(
        "report",
        folder / "tiny.ckpt",
        "--out",
        folder / "page.html",
        "--steps",
        5,
        "--json",
        "--verdict_digits",
        2,
    )
    assert code == 0, err
    outcome = json.loads(out)
    assert outcome["files"] == [str(folder / "page.html")]
    assert outcome["bytes"] == (folder / "page.html").stat().st_size < 3e6
    assert outcome["missing"] == {} and outcome["sections"] == list(SECTIONS)
    return (folder / "page.html").read_text()


def test_page_needs_nothing_else(page: str) -> None:
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", page)
    assert all(one.startswith(("#", "data:")) for one, other in addresses) and not re.search(
        r"https?://", page
    )


def test_links_to_a_live_page_beside_it(in_tmp: Path) -> None:
    save_model(tiny_model(), in_tmp / "tiny.ckpt")
    options = ("--out", in_tmp, "--leave_out", "top_images", "preferred", "attributions", "maps")
    assert run_program("report", in_tmp / "tiny.ckpt", *options)[0] == 0
    assert "live.html" not in (in_tmp / "report.html").read_text()
    (in_tmp / "live.html").write_text("")
    assert run_program("report", in_tmp / "tiny.ckpt", *options)[0] == 0
    assert '<a href="live.html">' in (in_tmp / "report.html").read_text()


def test_page_holds_every_section(page: str) -> None:
    for section in ("summary", *SECTIONS):
        assert f'<section id="{section}">' in page
    assert {"digits", "maps", "filters", "mistakes", "top", "preferred", "attributions"} <= set(
        page_data(page)
    )


def test_feature_maps_survive_packing(page: str, digits: Dataset) -> None:
    model, data = tiny_model(), page_data(page)
    first = int(data["digits"]["items"][3]["name"].split(":")[1])
    assert digits.test_labels[first] == data["digits"]["items"][3]["label"] == 3
    import torch

    from lit_mnist import capture

    with torch.no_grad(), capture(model.network, "Conv2D_2") as maps:
        model.network(model.tensor(digits.test_images[first : first + 1]))
    layer = data["maps"]["Conv2D_2"]
    levels = np.frombuffer(base64.b64decode(layer["values"]), np.uint8).reshape(
        -1, *layer["shape"]
    )[3]
    low, high = layer["low"][3], layer["high"][3]
    step = (high - low) / 255
    np.testing.assert_allclose(
        low + levels * step, maps["Conv2D_2"][0].numpy(), atol=0.51 * step + 1e-3 * high
    )


def test_confusion_agrees_with_plain_loop(digits: Dataset) -> None:
    model = tiny_model()
    pixels, labels = digits.test_images[:60], digits.test_labels[:60]
    record = evaluate(model, pixels, labels)
    answers = [int(model.network(model.tensor(pixels[i : i + 1])).argmax()) for i in range(60)]
    for true in range(10):
        for guess in range(10):
            count = sum(
                label == true and answer == guess
                for label, answer in zip(labels, answers, strict=True)
            )
            assert record.confusion[true, guess] == count
    assert sorted(record.wrong) == [i for i in range(60) if answers[i] != labels[i]]
    assert (np.diff(record.confidence) <= 0).all() and record.images == 60


def test_left_out_sections_say_so(tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path / "tiny.ckpt")
    code, out, err = run_program(
        "report",
        tmp_path / "tiny.ckpt",
        "--out",
        tmp_path / "page.html",
        "--json",
        "--leave_out",
        "preferred",
        "attributions",
        "top_images",
    )
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert page.count("left out as asked") == 3
    assert not {"preferred", "attributions", "top"} & set(page_data(page))
    assert set(json.loads(out)["missing"]) == {"preferred", "attributions", "top_images"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--leave_out", "filter"], "did you mean 'filters'?"),
        (["--k", "0"], "k = 0"),
        (["--images", "test:99999"], "test:99999"),
    ],
)
def test_wrong_options(tmp_path: Path, options: list[str], told: str) -> None:
    save_model(tiny_model(), tmp_path / "tiny.ckpt")
    code, out, err = run_program(
        "report", tmp_path / "tiny.ckpt", "--out", tmp_path / "page.html", *options
    )
    assert code == 2 and out == "" and told in err
    assert not (tmp_path / "page.html").exists()


def test_text_from_outside_cannot_become_markup(tmp_path: Path) -> None:
    """A file's name is shown as text; a closing tag in the data does not end the data."""
    from PIL import Image

    image = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.pad(np.full((10, 4), 255, np.uint8), ((9, 9), (12, 12)))).save(image)
    save_model(tiny_model(), tmp_path / "<b>x<!--.ckpt")
    code, _, err = run_program(
        "report",
        tmp_path / "<b>x<!--.ckpt",
        "--out",
        tmp_path / "page.html",
        "--images",
        image,
        "--leave_out",
        "preferred",
        "attributions",
        "top_images",
    )
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    rest = re.sub(r'(?s)<script type="application/json".*?</script>', "", page)
    assert "<b>x" not in rest and "<img src=x" not in page
    assert page_data(page)["digits"]["items"][0]["name"] == str(image)


def test_trained_run_has_curves_and_figures(trained_run: Path, tmp_path: Path) -> None:
    code, _, err = run_program(
        "report",
        trained_run,
        "--out",
        tmp_path / "page.html",
        "--leave_out",
        "preferred",
        "attributions",
        "top_images",
    )
    assert code == 0, err
    page, summary = (
        (tmp_path / "page.html").read_text(),
        json.loads((trained_run / "summary.json").read_text()),
    )
    assert f"<b>{100 * summary['test/acc']:.2f} %</b>" in page and "208,982" in page
    assert page.count("<polyline") == 4
    assert f"{summary['test/correct']:,} of {summary['images']:,}" in page
    assert (tmp_path / "page.html").stat().st_size < 10e6


def test_history_takes_each_epoch_once(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train/acc,val/acc,train/loss,val/loss\n0,9,,.5,,2\n,10,.4,,3,\n"
        "1,19,,.6,,1\n,20,.5,,2,\n"
    )
    assert epoch_history(tmp_path, {}) == {
        "epochs": [1, 2],
        "train_acc": [0.4, 0.5],
        "val_acc": [0.5, 0.6],
        "train_loss": [3, 2],
        "val_loss": [2, 1],
    }
    assert epoch_history(tmp_path / "absent", {"history": {"epochs": [1], "val_acc": []}}) == {
        "epochs": [1]
    }


def test_charts_place_points_in_order() -> None:
    accuracy, loss = charts(
        {
            "epochs": [1, 2, 3],
            "train_acc": [0.9, 0.95, 0.99],
            "train_loss": [1.0, 0.5, float("nan")],
        },
        0.98,
    )
    heights = [y for _, y in accuracy.lines[0].points]
    assert (
        heights == sorted(heights, reverse=True)
        and accuracy.top <= heights[-1] < heights[0] <= accuracy.bottom
    )
    assert accuracy.reference is not None and accuracy.reference[1] == "0.98"
    assert heights[-1] < accuracy.reference[0] < heights[-2]
    assert len(loss.lines[0].points) == 2 and loss.reference is None
    assert charts({}) == ()
    plain = charts({"epochs": [1], "train_acc": [0.99], "train_loss": [0.1]})
    assert all(chart.reference is None for chart in plain)


def test_packing() -> None:
    values = np.array([[0.0, 1.0, 2.0], [-4.0, 0.0, np.nan]])
    low, high = limits(values, (1,))
    assert low.ravel().tolist() == [-2, -4] and high.ravel().tolist() == [2, 4]
    levels = np.frombuffer(base64.b64decode(packed(values, low, high)), np.uint8)
    assert levels.tolist() == [128, 191, 255, 0, 128, 0]
    assert (
        limits(np.array([[1.0, 3.0]]), (1,))[0] == 0
    )  # positive maps start at zero, not at their least value
    assert signed(np.array([0.5, -2.0]), (0,))[1] == 2
    table = np.frombuffer(base64.b64decode(colours(SIGNED)), np.uint8).reshape(256, 3).astype(int)
    assert table[0, 2] > table[0, 0] and table[255, 0] > table[255, 2]  # blue below zero, red above


def test_sprite_keeps_every_image() -> None:
    import io

    from PIL import Image

    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    result = sprite(images)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(result["uri"].split(",")[1]))))
    for number in range(5):
        y, x = number // result["columns"] * 2, number % result["columns"] * 3
        assert (sheet[y : y + 2, x : x + 3] == number).all()


def test_options_are_checked() -> None:
    with pytest.raises(UserError, match="steps = 0"):
        Options(steps=0)


def _dense_model(input_shape: list[int], units: int) -> Model:
    from lit_mnist.spec import NetworkSpec
    from tests.networks import model_of

    layers = [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense_1", "units": units, "activation": "softmax"},
    ]
    return model_of(NetworkSpec.from_dict({"input_shape": input_shape, "layers": layers}))


def _gathered(model: Model) -> Content:
    sections = ("filters", "maps", "top_images", "preferred", "attributions")
    options = Options(leave_out=sections)
    return gather(model, options)


def test_images_are_brought_to_the_networks_shape() -> None:
    content = _gathered(_dense_model([32, 32, 3], 10))
    assert content.digits.pixels.shape[1:] == (32, 32, 3)
    assert "three channels" in content.dataset.adapted


def test_data_of_other_classes_need_files() -> None:
    with pytest.raises(UserError, match="image files, with --images"):
        _gathered(_dense_model([28, 28, 1], 26))


def test_another_output_gives_the_reports_answer(tmp_path: Path) -> None:
    side = {"type": "dense", "name": "Side", "units": 10, "inputs": ["Flatten"]}
    spec = NetworkSpec.from_dict(
        {
            "layers": [*LAYERS, side | {"activation": "softmax"}],
            "outputs": ["Dense_1", "Side"],
        }
    )
    model = model_of(spec, 1)
    save_model(model, tmp_path / "two.ckpt")
    shown = {}
    for output in ("Dense_1", "Side"):
        file = tmp_path / f"{output}.html"
        code, _, err = run_program(
            "report",
            tmp_path / "two.ckpt",
            "--output",
            output,
            "--out",
            file,
            "--images",
            "test:0",
            "--leave_out",
            *(section for section in SECTIONS if section != "maps"),
        )
        assert code == 0, err
        shown[output] = page_data(file.read_text())["digits"]["items"][0]["probabilities"]
        pixels = read_images(["test:0"], "digits", None, (28, 28, 1)).pixels
        chosen = model.with_output(output).network
        expected = chosen.probabilities(chosen(model.tensor(pixels)))[0].tolist()
        assert shown[output] == pytest.approx(expected, abs=1e-4)
    assert shown["Dense_1"] != shown["Side"]


def test_dense_network_shows_what_it_can(tmp_path: Path) -> None:
    """No convolution: no filters and no top images, but maps (units), class images and
    attributions.
    """
    from lit_mnist.spec import NetworkSpec
    from tests.networks import model_of

    layers = [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense_1", "units": 12, "activation": "relu"},
        {"type": "dense", "name": "Dense_2", "units": 10, "activation": "softmax"},
    ]
    save_model(model_of(NetworkSpec.from_dict({"layers": layers})), tmp_path / "dense.ckpt")
    code, out, err = run_program(
        "report",
        tmp_path / "dense.ckpt",
        "--out",
        tmp_path / "page.html",
        "--steps",
        3,
        "--verdict_digits",
        0,
        "--json",
    )
    assert code == 0, err
    data = page_data((tmp_path / "page.html").read_text())
    assert json.loads(out)["missing"] == dict.fromkeys(
        ("filters", "top_images"), "this network has no convolution"
    )
    assert set(data["maps"]) == {"Dense_1", "Dense_2"} and data["maps"]["Dense_1"]["shape"] == [
        12,
        1,
        1,
    ]
    assert (
        list(data["preferred"]) == ["classes"] and "attributions" in data and "filters" not in data
    )
