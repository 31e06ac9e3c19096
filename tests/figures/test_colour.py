"""Colour images, and kernels that read them, are drawn in their colours."""

from __future__ import annotations

import base64
import io
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lit_mnist.data import Standardizer
from lit_mnist.figures import board
from lit_mnist.figures.canvas import kernel_colours
from lit_mnist.figures.filters import filters as draw_filters
from lit_mnist.figures.maps import feature_grid
from lit_mnist.inside.filters import convolutions, filters
from lit_mnist.inside.maps import Answer, FeatureMaps
from lit_mnist.maximize.maximization import Settings, maximize_maps
from lit_mnist.maximize.result import write_tensorboard
from lit_mnist.network import Network
from lit_mnist.report.content import SECTIONS, Content, Options
from lit_mnist.report.gather import gather
from lit_mnist.report.page_data import page_data
from lit_mnist.report.preferred import preferred_images
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec

RED = np.array([200, 10, 20], np.uint8)
KINDS = NetworkSpec.from_dict(
    {
        "input_shape": [8, 8, 3],
        "layers": [
            {"type": "rescaling", "name": "scale", "factor": 0.1},
            {"type": "zero_pad", "name": "pad", "padding": [[1, 1], [1, 1]]},
            {"type": "conv", "name": "plain", "filters": 4, "kernel": [3, 2]},
            {"type": "depthwise_conv", "name": "depth", "kernel": [2, 3], "multiplier": 2},
            {"type": "separable_conv", "name": "separable", "filters": 5, "kernel": [3, 3]},
            {"type": "transposed_conv", "name": "transposed", "filters": 3, "kernel": [2, 2]},
            {"type": "conv", "name": "second", "filters": 2, "kernel": [1, 1]},
            {"type": "global_pool", "name": "scores"},
        ],
    }
)


CONVOLUTIONS_OF_KINDS = ("plain", "depth", "separable", "transposed", "second")


def image(size: int = 9) -> np.ndarray:
    """An image of one colour."""
    return np.broadcast_to(RED, (size, size, 3))


def colour_model(spec: NetworkSpec = KINDS) -> Model:
    """A model on colour images, by default of all kinds of convolutions."""
    standardizer = Standardizer.fit("unit", np.zeros((1, 8, 8, 3), np.uint8))
    return Model(Network(spec).eval(), standardizer, "folder", Path("network.keras"))


def all_sections_but(*sections: str) -> tuple[str, ...]:
    return tuple(name for name in SECTIONS if name not in sections)


def report_of(folder: Path, options: Options, spec: NetworkSpec = KINDS) -> Content:
    """What a report of the model on one photograph contains."""
    photo = folder / "photo.png"
    Image.fromarray(np.array(image())).save(photo)
    return gather(
        colour_model(spec),
        replace(options, images=(str(photo),)),
        lambda items, *_: iter(items),
        lambda _: nullcontext(print),
        lambda _: None,
    )


def decoded(picture: board.Picture) -> np.ndarray:
    """The pixels of a picture's file."""
    return np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB"))


def test_the_image_beside_its_maps_keeps_its_colours() -> None:
    picture = board.maps(np.random.default_rng(0).normal(size=(5, 6, 6)), image(), "layer")
    grey = board.maps(np.zeros((5, 6, 6)), image()[..., 0], "layer")
    assert (decoded(picture)[:9, :9] == RED).all() and picture.shape == picture.rgb.shape[:2]
    assert (np.ptp(decoded(grey)[:9, :9], 2) == 0).all()


def test_mistakes_in_colour_stand_where_grey_ones_do() -> None:
    labels = ["a\nb as c", "d\ne", "f\ng"]
    coloured = decoded(board.mistakes(np.stack([image()] * 3), labels, "caption", 2))
    grey = decoded(board.mistakes(np.zeros((3, 9, 9)), labels, "caption", 2))
    assert coloured.shape == grey.shape
    assert ((coloured == RED).all(2) == (grey == 0).all(2)).all() and (coloured == RED).any()


def test_kernels_on_colours_are_tiles_of_colour_with_zero_grey() -> None:
    kernels = np.zeros((2, 3, 3, 3))
    kernels[1, ..., 0] = 2.0
    colours = kernel_colours(kernels)
    assert (colours[0] == 0.5).all() and (colours[1] == [1.0, 0.5, 0.5]).all()
    seen = {tuple(colour) for colour in decoded(board.filters(kernels, "x")).reshape(-1, 3)}
    assert {(128, 128, 128), (255, 128, 128)} <= seen


def test_a_report_has_the_filters_of_every_convolution_in_their_colours(tmp_path: Path) -> None:
    content = report_of(tmp_path, Options(leave_out=all_sections_but("filters")))
    entries = page_data(content)["filters"]
    records = {record.layer: record for record in content.filters}
    assert list(entries) == list(CONVOLUTIONS_OF_KINDS)
    assert [name for name, entry in entries.items() if entry["colour"]] == ["plain"]
    levels = np.frombuffer(base64.b64decode(entries["plain"]["values"]), np.uint8)
    levels = levels.reshape(entries["plain"]["shape"]).transpose(0, 2, 3, 1)
    assert np.abs(levels / 255 - kernel_colours(records["plain"].tiles)).max() <= 0.51 / 255


@pytest.mark.parametrize("classes", [(), ("a", "b", "c")])
def test_pictures_of_other_classes_are_a_reports_top_images(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    for place in classes or ("",):
        folder = tmp_path / "pictures" / place
        folder.mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.array(image(8))).save(folder / f"{number}.png")
    left_out = all_sections_but("top_images", "mistakes")
    content = report_of(tmp_path, Options(leave_out=left_out, data_root=str(tmp_path / "pictures")))
    assert [record.layer for record in content.top_images] == list(CONVOLUTIONS_OF_KINDS)
    assert "accepted" in content.missing["mistakes"] and "top_images" not in content.missing
    assert set(page_data(content)["top"]["labels"]) == {-1}


def test_every_kind_of_convolution_has_its_filters() -> None:
    network = Network(KINDS).eval()
    records = {name: filters(network, name) for name in convolutions(network)}
    assert {name: record.kernels.shape for name, record in records.items()} == {
        "plain": (4, 3, 3, 2),
        "depth": (8, 1, 2, 3),
        "separable": (8, 1, 3, 3),
        "transposed": (3, 5, 2, 2),
        "second": (2, 3, 1, 1),
    }
    assert [name for name, record in records.items() if record.in_colour] == ["plain"]
    weights = network.named_weights()
    assert np.array_equal(records["plain"].kernels[2, 1], weights["plain/kernel"][:, :, 1, 2])
    assert np.array_equal(records["depth"].kernels[5, 0], weights["depth/kernel"][:, :, 2, 1])
    assert np.array_equal(
        records["transposed"].kernels[2, 4], weights["transposed/kernel"][:, :, 2, 4]
    )
    for record in records.values():
        assert draw_filters(record).axes


@pytest.mark.parametrize(("maps", "said"), [(129, True), (128, False)])
def test_an_overview_of_a_large_layer_says_that_it_is_cut(maps: int, said: bool) -> None:
    layers = [
        {"type": "conv", "name": "wide", "filters": 2, "kernel": [1, 1]},
        {"type": "conv", "name": "large", "filters": maps, "kernel": [1, 1]},
        {"type": "global_pool", "name": "scores"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": [4, 4, 1], "layers": layers})
    title = draw_filters(filters(Network(spec), "large")).get_suptitle()
    assert ("the first 128 maps and 2 of 2 channels" in title) == said


def test_a_large_layer_shows_its_first_maps_and_says_so() -> None:
    answer = Answer("a.png", image(), -1, np.array([0.7, 0.3]))
    large = feature_grid(FeatureMaps("large", answer, np.ones((130, 2, 2)), 1))
    assert "130 maps of 2 x 2, the first 128 drawn" in large.get_suptitle()
    small = feature_grid(FeatureMaps("small", answer, np.ones((128, 2, 2)), 1))
    assert "drawn" not in small.get_suptitle()


def test_preferred_images_keep_their_colours_in_report_and_tensorboard(tmp_path: Path) -> None:
    result = maximize_maps(colour_model(), "plain", [0, 2], Settings("source", restarts=1, steps=3))
    images = preferred_images(result)
    assert images.shape == (2, 8, 8, 3)
    assert images.min() >= 0 and images.max() <= 255
    assert np.ptp(images, 3).max() > 1
    write_tensorboard(result, tmp_path, lambda _: {})
    events = EventAccumulator(str(tmp_path)).Reload()
    (ascent,) = [tag for tag in events.Tags()["images"] if tag.endswith("ascent")]
    shown = np.asarray(Image.open(io.BytesIO(events.Images(ascent)[-1].encoded_image_string)))
    assert shown.shape == (9, 18, 3) and np.ptp(shown[:8, :8], 2).max() > 1


def test_a_report_says_that_too_many_ascents_are_left_out(tmp_path: Path) -> None:
    options = Options(leave_out=all_sections_but("preferred"), steps=10**12)
    content = report_of(tmp_path, options)
    assert (
        "images for 24 maps and classes would take more than half an hour"
        in content.missing["preferred"]
    )
    assert "maximize --layer" in content.missing["preferred"] and not content.preferred


@pytest.mark.parametrize("scaling", ["none", "unit", "tf", "imagenet", "caffe"])
def test_preferred_images_have_the_pixels_own_colours(scaling: str) -> None:
    """What stands for pixels is drawn as these pixels, whatever the scaling."""
    standardizer = Standardizer.fit(scaling, np.zeros((1, 8, 8, 3), np.uint8))
    model = Model(Network(KINDS, 1).eval(), standardizer, "folder", Path("net.ckpt"), 1)
    made = maximize_maps(model, "plain", [0], Settings(restarts=1, steps=2))
    pixels = np.random.default_rng(0).integers(40, 160, (8, 8, 3)).astype(np.uint8)
    inputs = model.tensor(pixels[None])[0].numpy()
    assert np.array_equal(made.levels(inputs), pixels)
    assert np.abs(preferred_images(made)[0] - made.levels(made.ascent.images[0])).max() == 0


def test_standardised_colours_are_stretched() -> None:
    standardizer = Standardizer.fit(
        "per_channel", np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    )
    model = Model(Network(KINDS, 1).eval(), standardizer, "folder", Path("net.ckpt"), 1)
    made = maximize_maps(model, "plain", [0], Settings(restarts=1, steps=2))
    levels = made.levels(made.ascent.images[0])
    assert levels.min() == 0 and levels.max() == 255
