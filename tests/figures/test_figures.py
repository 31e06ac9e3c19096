"""Every picture draws every record, with the facts in its title, from odd ones too."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lit_mnist.data.images import Images, read_images
from lit_mnist.errors import UserError
from lit_mnist.figures import canvas, evaluation
from lit_mnist.figures import filters as filter_figures
from lit_mnist.figures import maps as map_figures
from lit_mnist.figures import statistics as statistic_figures
from lit_mnist.inside.filters import Filters, filters
from lit_mnist.inside.maps import Answer, FeatureMaps, feature_maps, journey
from lit_mnist.inside.passes import batches
from lit_mnist.inside.statistics import activation_statistics, silence
from lit_mnist.inside.top_images import top_images
from lit_mnist.training.history import History
from tests.networks import tiny_model

ANSWER = Answer(
    "test:19", np.random.default_rng(0).uniform(0, 255, (28, 28)), 4, np.eye(10)[4] * 0.9 + 0.01
)


@pytest.fixture
def images() -> Images:
    return read_images(["test:3", "train:7", "test:5"], "digits")


def title(figure: Figure) -> str:
    canvas.to_rgb(figure)
    return figure.get_suptitle()


@pytest.mark.parametrize(
    "options", [{}, {"standardize": True}, {"own_scale": True}, {"columns": 3}]
)
def test_every_layer_is_drawn(images: Images, options: dict) -> None:
    for record in feature_maps(tiny_model(), images, ["*", "*:*"])[:9]:
        heading = title(map_figures.feature_grid(record, **options))
        assert (
            record.layer in heading
            and "test:3" in heading
            and "seed 0" in heading
            and "range" in heading
        )


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((9, 5, 5)),
        np.full((3, 5, 5), 2.0),
        -np.ones((1, 1, 1)),
        np.zeros(7),
        np.array([[[np.nan, 1.0]]]),
        np.full((10,), -3.0),
    ],
)
def test_silent_and_constant_maps_are_drawn(values: np.ndarray) -> None:
    record = FeatureMaps("Conv2D_1", ANSWER, values, None)
    for options in ({}, {"standardize": True}, {"own_scale": True}):
        heading = title(map_figures.feature_grid(record, **options))
        assert "seed" not in heading and "test:19 (4): 4, 91.00 %" in heading


def test_maps_are_numbered_and_the_input_stands_beside(images: Images) -> None:
    record = feature_maps(tiny_model(), images, "Conv2D_2")[0]
    figure = map_figures.feature_grid(record)
    picture, grid, *_ = figure.axes
    assert [text.get_text() for text in grid.texts] == [str(number) for number in range(9)]
    assert np.allclose(
        picture.images[0].get_array(), images.pixels[0] / 255
    )  # pixels, not standardised values
    assert np.array_equal(grid.images[7].get_array(), record.values[7])
    scales = {(image.norm.vmin, image.norm.vmax) for image in grid.images}
    assert len(scales) == 1  # shared
    own = map_figures.feature_grid(record, own_scale=True).axes[1].images
    assert len({(image.norm.vmin, image.norm.vmax) for image in own}) == 9


def test_journey_has_a_row_an_image_and_a_column_a_layer(images: Images) -> None:
    record = journey(tiny_model(), images, 2)
    figure = map_figures.journey(record)
    assert "map 2" in title(figure) and len(figure.axes) == 3 * 4
    assert np.array_equal(figure.axes[4 + 3].images[0].get_array(), record.values[1][2])


def test_filters(images: Images) -> None:
    network = tiny_model().network
    first, second = (filters(network, layer, 0) for layer in ("Conv2D_1", "Conv2D_2"))
    figure = filter_figures.filters(first)
    assert "Conv2D_1: 5 filters of 3 x 3" in title(figure)
    assert [image.norm.vmin + image.norm.vmax for image in figure.axes[0].images] == [
        0
    ] * 5  # centred on zero
    assert np.array_equal(figure.axes[0].images[3].get_array(), first.kernels[3, 0])
    overview = filter_figures.filters(second).axes[0].images[0].get_array()
    assert overview.shape == (9 * 4, 5 * 4)
    assert np.array_equal(overview[4 * 6 : 4 * 6 + 3, 4 * 2 : 4 * 2 + 3], second.kernels[6, 2])
    chosen = filter_figures.filters(second, map=6)
    assert "filter 6" in title(chosen)
    assert np.array_equal(chosen.axes[0].images[2].get_array(), second.kernels[6, 2])
    with pytest.raises(UserError, match="map 9 of layer 'Conv2D_2'.*0 to 8"):
        filter_figures.filters(second, map=9)


def test_zero_filters_are_drawn() -> None:
    for shape in ((4, 1, 3, 3), (4, 2, 1, 5)):
        canvas.to_rgb(filter_figures.filters(Filters("Conv", np.zeros(shape), np.zeros(4))))


@pytest.mark.parametrize("layer, beside", [("Conv2D_2", True), ("Dense_1", False)])
def test_top_images(images: Images, layer: str, beside: bool) -> None:
    model = tiny_model()
    (record,) = top_images(model.network, batches(model, images.pixels), layer, k=2)
    figure = map_figures.top_images(record, "mean", [1, 4, 7], images.pixels, images.names, 0)
    assert layer in title(figure) and "best 2 of 3 images by mean" in title(figure)
    (sheet,) = figure.axes[0].images  # one picture of 50 pixels for each image's width
    sheet, columns = sheet.get_array(), 2 * (1 + beside)
    assert sheet.shape[:2] == (3 * 68, columns * 53)
    image = images.pixels[record.mean.index[4, 1]]
    top, left = 68 + 15, 53 * (1 + beside)
    assert np.abs(sheet[top : top + 50, left : left + 50].mean(-1) - _at(image, 50)).max() <= 0.5
    if beside:
        up, near, down, far = record.mean.boxes[4, 1]
        patch = _at(image[up:down, near:far], 50)
        assert np.abs(sheet[top : top + 50, left + 53 : left + 103].mean(-1) - patch).max() <= 0.5


def test_no_patch_is_beside_an_image_whose_field_is_larger(images: Images) -> None:
    model = tiny_model()
    (record,) = top_images(model.network, batches(model, images.pixels), "Conv2D_2", k=2)
    for name, beside in (("one side", True), ("both sides", False)):
        boxes = record.mean.boxes.copy()
        boxes[..., 2] = boxes[..., 0] + 40
        if name == "both sides":
            boxes[..., 3] = boxes[..., 1] + 28
        large = replace(record, mean=replace(record.mean, boxes=boxes))
        figure = map_figures.top_images(large, "mean", [1, 4], images.pixels, images.names)
        assert figure.axes[0].images[0].get_array().shape[1] == 2 * (1 + beside) * 53


def _at(image: np.ndarray, size: int) -> np.ndarray:
    """The image enlarged to `size` pixels, by the nearest pixel."""
    rows, columns = (np.arange(size) * length // size for length in image.shape)
    return image[rows[:, None], columns]


def test_patches_beyond_the_border() -> None:
    image = np.arange(16.0).reshape(4, 4)
    cut = map_figures.patch(image, np.array([-1, 2, 2, 6]))
    assert cut.shape == (3, 4) and np.isnan(cut[0]).all() and np.isnan(cut[:, 2:]).all()
    assert np.array_equal(cut[1:, :2], image[:2, 2:])
    assert map_figures.patch(np.zeros((4, 4, 3)), np.array([0, 0, 2, 5])).shape == (2, 5, 3)


def bar_widths(axes: Axes) -> list[float]:
    return [cast(Rectangle, bar).get_width() for bar in axes.patches]


def test_statistics(images: Images) -> None:
    model = tiny_model()
    result = activation_statistics(model.network, batches(model, images.pixels))
    quiet = silence(model, result, 5)
    figure = statistic_figures.activation_statistics(result, quiet, 0)
    assert "3 images, 5 random inputs" in title(figure)
    assert len(figure.axes) == 3 * len(result)


def test_statistics_of_many_layers_take_several_pages(images: Images) -> None:
    model = tiny_model()
    few = activation_statistics(model.network, batches(model, images.pixels))
    assert len(list(statistic_figures.pages(few, silence(model, few, 5)))) == 1
    many = [replace(record, layer=f"{record.layer}_{n}") for n in range(5) for record in few]
    quiet = silence(model, few, 5) * 5
    overview, *details = statistic_figures.pages(many, quiet, 0)
    assert [title(page).partition("; ")[2] for page in (overview, *details)] == [
        "layers 1 to 25 of 25",
        "layers 1 to 16 of 25",
        "layers 17 to 25 of 25",
    ]
    names = [label.get_text() for label in overview.axes[0].get_yticklabels()]
    assert names == [record.layer for record in many]
    zeros = [record.zeros.mean() for record in many]
    np.testing.assert_allclose(bar_widths(overview.axes[2]), zeros)
    states = np.reshape(bar_widths(overview.axes[3]), (-1, 25))
    np.testing.assert_allclose(states.sum(0), 1)
    active = [np.mean([each.state(n) == "active" for n in range(len(each.data))]) for each in quiet]
    np.testing.assert_allclose(states[0], active)
    drawn = [axes.get_title() for page in details for axes in page.axes[::3]]
    assert drawn == [f"{record.layer}: mean" for record in many]
    assert max(page.get_figheight() for page in (overview, *details)) < 30


def test_statistics_colour_the_silent(images: Images) -> None:
    model = tiny_model()
    (result,) = activation_statistics(model.network, batches(model, images.pixels), "Conv2D_1")
    (quiet,) = silence(model, [result], 5)
    yes, no = np.ones(5, bool), np.zeros(5, bool)
    drawn = [
        statistic_figures.activation_statistics(
            [result], [replace(quiet, data=a, noise=b, unreachable=c)]
        )
        .axes[0]
        .collections[0]
        .get_color()[0]
        for a, b, c in ((no, no, no), (yes, no, no), (no, yes, no), (yes, yes, no), (yes, yes, yes))
    ]
    assert len({tuple(colour) for colour in drawn}) == 5


def test_softmax_bars() -> None:
    figure = evaluation.softmax_bars(ANSWER)
    assert title(figure) == "test:19 (4): 4, 91.00 %"
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    np.testing.assert_allclose(heights, ANSWER.probabilities)
    unknown = replace(ANSWER, label=-1)
    assert (
        title(evaluation.softmax_bars(unknown, [f"class {n}" for n in range(10)]))
        == "test:19: class 4, 91.00 %"
    )


@pytest.mark.parametrize("classes", [10, 40])
def test_class_names_do_not_overlap(classes: int) -> None:
    answer = replace(ANSWER, probabilities=np.eye(classes)[4] * 0.9 + 0.1 / classes)
    for names in (None, [f"a long name of class {number}" for number in range(classes)]):
        figure = evaluation.softmax_bars(answer, names)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[1].get_xticklabels()]
        assert len(boxes) == classes
        assert not any(left.overlaps(right) for left, right in itertools.pairwise(boxes))


@pytest.mark.parametrize("classes", [43, 1000])
def test_of_many_classes_the_most_probable_are_ranked(classes: int) -> None:
    probabilities = np.full(classes, 0.1 / classes)
    probabilities[[4, classes - 1, 7]] = 0.5, 0.3, 0.1
    answer = replace(ANSWER, probabilities=probabilities)
    names = [f"a long name of class {number}" for number in range(classes)]
    figure = evaluation.softmax_bars(answer, names)
    figure.draw_without_rendering()
    labels = figure.axes[1].get_yticklabels()
    ranked = [names[number] for number in (4, classes - 1, 7)]
    assert [label.get_text() for label in labels[:3]] == ranked and len(labels) == 10
    boxes = [label.get_window_extent() for label in labels]
    assert not any(above.overlaps(below) for above, below in itertools.pairwise(boxes))


def test_training_curves() -> None:
    epochs = np.arange(1, 4)
    figure = evaluation.training_curves(
        epochs,
        [0.975, 0.98, 0.99],
        [0.98, 0.99, 0.991],
        [0.1, 0.05, 0.02],
        [0.09, 0.05, np.nan],
        "cnn",
        0.985,
    )
    accuracy, loss = figure.axes
    assert title(figure) == "cnn"
    assert accuracy.get_ylim() == (0.97, 1.001) and loss.get_ylim() == (0, 0.2)
    training, validation, good = accuracy.lines
    assert training.get_color() == canvas.TRAINING and validation.get_color() == canvas.VALIDATION
    assert good.get_linestyle() == "--" and set(good.get_ydata()) == {0.985}
    assert list(validation.get_ydata()) == [0.98, 0.99, 0.991]


def test_training_curves_widen_for_data_outside() -> None:
    figure = evaluation.training_curves([1, 2], [0.3, 0.9], None, [2.3, 0.4], None)
    accuracy, loss = figure.axes
    assert accuracy.get_ylim()[0] < 0.3 and accuracy.get_ylim()[1] == 1.001
    assert loss.get_ylim()[0] == 0 and loss.get_ylim()[1] > 2.3
    assert len(loss.lines) == 1
    assert len(accuracy.lines) == 1


@pytest.mark.parametrize(
    ("dataset", "drawn"), [("mnist", True), ("fashion_mnist", False), (None, False)]
)
def test_the_published_accuracy_is_drawn_by_the_data_set(
    dataset: str | None, drawn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = []
    monkeypatch.setattr(evaluation, "save", lambda figure, path: figures.append(figure))
    history = History([1, 2], [0.99, 0.995], [], [0.05, 0.01], [])
    evaluation.draw_training_curves(history, tmp_path / "training_curves.png", dataset)
    dashed = [line for line in figures[0].axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == drawn


@pytest.mark.parametrize("epochs", [[], [1], list(range(1, 81))])
def test_training_curves_of_any_length(epochs: list[int]) -> None:
    values = [0.99] * len(epochs)
    canvas.to_rgb(evaluation.training_curves(epochs, values, values[1:] or None, values, None))


def test_confusion_matrix() -> None:
    matrix = np.array([[50, 2, 0], [0, 40, 0], [1, 0, 30]])
    figure = evaluation.confusion_matrix(matrix, ["a", "b", "a long name"], "cnn")
    axes = figure.axes[0]
    assert (
        title(figure) == "cnn" and axes.get_ylabel() == "true" and axes.get_xlabel() == "predicted"
    )
    written = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert written == {(0, 0): "50", (0, 1): "2", (1, 1): "40", (2, 0): "1", (2, 2): "30"}
    canvas.to_rgb(evaluation.confusion_matrix(np.eye(3, dtype=int), "abc"))  # no mistake at all


def test_worst_mistakes(images: Images) -> None:
    figure = evaluation.worst_mistakes(
        images.pixels, [1, 2, 3], [7, 8, 9], [0.99, 0.8, 0.5], images.names
    )
    assert [text.get_text() for text in figure.axes[0].texts][0] == "test:3\n1 as 7 99%"
    canvas.to_rgb(figure)
    none = evaluation.worst_mistakes(images.pixels[:0], [], [], [], [])
    canvas.to_rgb(none)
    assert "no mistakes" in [text.get_text() for text in none.texts]
