"""Statistics equal NumPy's over all values at once; three kinds of silence are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.data import DataError, Dataset, load_dataset
from lit_mnist.errors import UserError
from lit_mnist.inside import statistics as module
from lit_mnist.inside.kept import kept_results
from lit_mnist.inside.passes import batches, dataset_part
from lit_mnist.inside.statistics import activation_statistics, random_pixels, silence
from lit_mnist.runs.model import Model, open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.networks import all_values, model_of, tiny_model


@pytest.mark.parametrize("size", [1, 13, 500])
def test_equals_numpy(digits: Dataset, size: int) -> None:
    model, pixels = tiny_model(), digits.test_images[:40]
    result = activation_statistics(model.network, batches(model, pixels, size))
    assert [record.layer for record in result] == list(model.spec.names)
    for record in result:
        values = (
            all_values(model, pixels, size, record.layer)
            .swapaxes(0, 1)
            .reshape(len(record.mean), -1)
        )
        assert record.images == 40
        mean = values.mean(1, dtype=np.float64)
        np.testing.assert_allclose(
            record.mean, mean, rtol=1e-5, atol=1e-7
        )  # within an image sums are float32
        np.testing.assert_array_equal(record.minimum, values.min(1))
        np.testing.assert_array_equal(record.maximum, values.max(1))
        np.testing.assert_allclose(record.zeros, (values == 0).mean(1), rtol=1e-12)


def test_low_precision_counts_exactly(digits: Dataset) -> None:
    """676 positions are more than bfloat16 can count (256)."""
    model, pixels = tiny_model(), digits.test_images[:4]
    with torch.no_grad():
        model.network.Conv2D_1.conv.weight.zero_()
        model.network.Conv2D_1.conv.bias.copy_(torch.tensor([0, 1, 0, 1, 1]))
    model.network.bfloat16()
    (result,) = activation_statistics(model.network, batches(model, pixels), "Conv2D_1")
    assert result.zeros.tolist() == [1, 0, 1, 0, 0] and result.mean.tolist() == [0, 1, 0, 1, 1]
    assert result.silent.tolist() == [True, False, True, False, False]


def four_kinds() -> Model:
    """On pixels x: map 0 at most 2 - 3, map 1 wants dark ones, 2 pure white, 3 is x + (1 - x) -
    1.1, 4 is x.
    """
    model = model_of(
        NetworkSpec.from_dict(
            {
                "layers": [
                    {
                        "type": "conv",
                        "name": "Pair",
                        "filters": 2,
                        "kernel": 1,
                        "activation": "relu",
                    },
                    {
                        "type": "conv",
                        "name": "Kinds",
                        "filters": 5,
                        "kernel": 1,
                        "activation": "relu",
                    },
                    {"type": "flatten", "name": "Flatten"},
                    {"type": "dense", "name": "Out", "units": 2},
                ]
            }
        )
    )
    with torch.no_grad():
        model.network.Pair.conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        model.network.Pair.conv.bias.copy_(torch.tensor([0.0, 1.0]))  # x and 1 - x
        weight = torch.tensor([[1, 1], [0, 1], [1, 0], [1, 1], [1, 0]]).float()
        bias = torch.tensor([-3, -0.5, -1 + 1e-6, -1.1, 0.0])
        model.network.Kinds.conv.weight.copy_(weight.view(5, 2, 1, 1))
        model.network.Kinds.conv.bias.copy_(bias)
    return model


def test_three_kinds_of_silence() -> None:
    model = four_kinds()
    white = np.full((3, 28, 28), 255.0)  # 1 - x is 0 on these data, so map 1 stays silent
    statistics = activation_statistics(model.network, batches(model, white), "Kinds")
    (result,) = silence(model, statistics, attempts=40)
    states = [result.state(number) for number in range(5)]
    assert states == [
        "unreachable",
        "silent on this data",
        "silent for random input",
        "not raised in 40 attempts",
        "active",
    ]


def test_random_pixels_are_reproducible_and_varied() -> None:
    images = random_pixels((28, 28, 1), 8, seed=3)
    assert images.shape == (8, 28, 28, 1) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 255
    assert np.array_equal(images, random_pixels((28, 28, 1), 8, seed=3))
    assert not np.array_equal(images, random_pixels((28, 28, 1), 8, seed=4))
    assert [len(np.unique(image)) for image in images[:4]] == [784, 196, 49, 16]


def test_colour_networks_are_tried_too() -> None:
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [6, 5, 3],
            "layers": [
                {"type": "flatten", "name": "Flatten"},
                {"type": "dense", "name": "Out", "units": 2},
            ],
        }
    )
    model = model_of(spec)
    statistics = activation_statistics(model.network, [torch.rand(4, 3, 6, 5)])
    assert [record.attempts for record in silence(model, statistics, 5)] == [5, 5]


def test_modes_are_restored(digits: Dataset) -> None:
    model = tiny_model()
    model.network.train()
    model.network.Conv2D_2.eval()
    activation_statistics(model.network, batches(model, digits.test_images[:5]))
    assert model.network.training and not model.network.Conv2D_2.training
    assert torch.is_grad_enabled()


def test_interruption_leaves_nothing_behind(digits: Dataset) -> None:
    model = tiny_model()

    def interrupted():
        yield from batches(model, digits.test_images[:5])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        activation_statistics(model.network.train(), interrupted())
    assert model.network.training and torch.is_grad_enabled()
    assert not any(module._forward_hooks for module in model.network.modules())


def test_what_cannot_work() -> None:
    model = tiny_model()
    with pytest.raises(UserError, match="no image"):
        activation_statistics(model.network, [])
    with pytest.raises(DataError, match="did you mean 'test'"):
        dataset_part(model, "tests")
    small = model_of(
        NetworkSpec.from_dict(
            {
                "input_shape": [6, 5, 3],
                "layers": [
                    {"type": "flatten", "name": "Flatten"},
                    {"type": "dense", "name": "Out", "units": 2},
                ],
            }
        )
    )
    assert dataset_part(small, "test")[0].shape == (
        360,
        6,
        5,
        3,
    )  # the digits, brought to the network's size


def test_statistics_on_record_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tiny_model(), tmp_path / "net.ckpt")
    model = open_model(tmp_path / "net.ckpt")
    kept = kept_results(model)
    pixels = load_dataset("digits").test_images[:30]
    layers = ["Conv2D_2", "Dense_1"]
    expected = module.activation_statistics(model.network, batches(model, pixels), layers)
    module.activation_statistics_once(model, "test", pixels, layers, kept)
    monkeypatch.setattr(module, "activation_statistics", lambda *a: pytest.fail("computed again"))
    again = module.activation_statistics_once(model, "test", pixels, layers, kept)
    for one, other in zip(expected, again, strict=True):
        assert (one.layer, one.images) == (other.layer, other.images)
        for name in ("mean", "minimum", "maximum", "zeros"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    for others, names in ((pixels[:29], layers), (pixels, ["Conv2D_1"])):
        with pytest.raises(pytest.fail.Exception):
            module.activation_statistics_once(model, "test", others, names, kept)
