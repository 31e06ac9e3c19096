"""Feature maps, journeys, filters: the numbers behind the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_mnist.data.images import Images, read_images
from lit_mnist.errors import UserError
from lit_mnist.inside.capture import CaptureError
from lit_mnist.inside.filters import filters
from lit_mnist.inside.maps import answers, deprocess, feature_maps, journey
from lit_mnist.spec import NetworkSpec
from tests.networks import all_values, model_of, tiny_model


@pytest.fixture
def images() -> Images:
    return read_images(["test:3", "train:7"], "digits")


def test_feature_maps_are_the_layers_values(images: Images) -> None:
    model = tiny_model()
    result = feature_maps(model, images, ["Conv2D_*", "Dense_1:probabilities"])
    assert [(record.answer.image, record.layer) for record in result] == [
        (image, layer)
        for image in images.names
        for layer in ("Conv2D_1", "Conv2D_2", "Dense_1:probabilities")
    ]
    values = all_values(model, images.pixels, 1, "Conv2D_2")
    assert np.array_equal(result[4].values, values[1].reshape(9, 11, 11))
    assert result[4].range == (values[1].min(), values[1].max())
    assert result[4].seed == 0
    np.testing.assert_allclose(result[5].values, result[5].answer.probabilities, rtol=1e-5)


def test_answers(images: Images) -> None:
    model = tiny_model()
    with torch.no_grad():
        expected = model.network(model.tensor(images.pixels)).softmax(-1)
    for answer, row, label in zip(answers(model, images), expected, images.labels, strict=True):
        np.testing.assert_allclose(answer.probabilities, row, rtol=1e-5)
        assert (answer.prediction, answer.label) == (int(row.argmax()), label)
        assert answer.probability == pytest.approx(float(row.max()), rel=1e-5)


def test_answers_say_the_names_of_classes(images: Images) -> None:
    names = tuple(f"digit {number}" for number in range(10))
    for model, prefix in [
        (tiny_model(), ""),
        (replace(tiny_model(), stored_names=names), "digit "),
    ]:
        answer = answers(model, images)[0]
        percent = f"{100 * answer.probability:.2f} %"
        assert str(answer) == (
            f"test:3: {prefix}{answer.prediction} ({percent}), label {prefix}{answer.label}"
        )


def test_journey(images: Images) -> None:
    model = tiny_model()
    record = journey(model, images, 4)
    assert record.layers == ("Conv2D_1", "Max_Pool_1", "Conv2D_2")
    assert [[image.shape for image in row] for row in record.values] == [
        [(26, 26), (13, 13), (11, 11)]
    ] * 2
    assert np.array_equal(record.values[1][2], feature_maps(model, images, "Conv2D_2")[1].values[4])


def test_journey_refuses_what_is_not_there(images: Images) -> None:
    model = tiny_model()
    with pytest.raises(UserError, match="map 5 of layer 'Conv2D_1'.*0 to 4"):
        journey(model, images, 5)
    with pytest.raises(UserError, match="'Dense_1'.*only layers with maps"):
        journey(model, images, 0, ["Dense_1"])
    dense = model_of(
        NetworkSpec.from_dict(
            {
                "layers": [
                    {"type": "flatten", "name": "Flatten"},
                    {"type": "dense", "name": "Out", "units": 2},
                ]
            }
        )
    )
    with pytest.raises(UserError, match="no convolution or pooling layer"):
        journey(dense, images)
    with pytest.raises(CaptureError, match="Conv2D_3"):
        journey(model, images, 0, ["Conv2D_3"])


def test_standardized_as_the_sources() -> None:
    """Mean 128 and deviation 64 for each map on its own, clipped; a constant map has no deviation
    to divide by.
    """
    maps = np.stack(
        [np.arange(16.0).reshape(4, 4), np.zeros((4, 4)), np.full((4, 4), 3.0), np.eye(4) * 1e6]
    )
    shown = deprocess(maps)
    assert shown[0].mean() == pytest.approx(128) and shown[0].std() == pytest.approx(64)
    assert (shown[1:3] == 128).all()
    assert shown.min() >= 0 and shown.max() <= 255


def test_filters_are_the_kernels() -> None:
    model = tiny_model()
    result = filters(model.network, "Conv2D_2", 7)
    weights = model.network.named_weights()
    assert np.array_equal(result.kernels.transpose(2, 3, 1, 0), weights["Conv2D_2/kernel"])
    assert np.array_equal(result.biases, weights["Conv2D_2/bias"])
    with pytest.raises(UserError, match="'Dense_1' is not a convolution.*Conv2D_1, Conv2D_2"):
        filters(model.network, "Dense_1")
