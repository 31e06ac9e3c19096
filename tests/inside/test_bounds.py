"""Interval bounds hold for every image, are exact for one layer, and prove silence only where it is
certain.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lit_mnist import capture
from lit_mnist.inside import bounds, intervals
from lit_mnist.inside.capture import points
from lit_mnist.inside.passes import as_array, batches
from lit_mnist.network import BatchNorm
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec
from tests.networks import model_of, specs


def shaken(spec: NetworkSpec, seed: int) -> Model:
    """A model whose biases and batch-norm statistics are not at their start either."""
    model, generator = model_of(spec, seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        for module in model.network.modules():
            if isinstance(module, BatchNorm):
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.1, 3, generator=generator)
    return model


def escaped(model: Model, seed: int) -> list[str]:
    """Names of the points where a random or extreme image leaves the bounds."""
    generator = np.random.default_rng(seed)
    height, width, channels = model.spec.input_shape
    pixels = generator.uniform(0, 255, (20, height, width, channels))
    pixels[10:] = np.where(pixels[10:] > 127, 255, 0)  # corners of the box
    with torch.no_grad(), capture(model.network, ["*", "*:*"]) as maps:
        for batch in batches(model, pixels if channels > 1 else pixels[..., 0]):
            model.network(batch)
    result = bounds.layer_bounds(model)
    assert set(result) == set(points(model.network))
    return [
        name
        for name, tensor in maps.items()
        if (as_array(tensor) < result[name].low).any()
        or (as_array(tensor) > result[name].high).any()
    ]


@settings(max_examples=40, deadline=None)
@given(specs(), st.integers(0, 99))
def test_no_image_leaves_the_bounds(spec: NetworkSpec, seed: int) -> None:
    assert escaped(shaken(spec, seed), seed) == []


def test_bounds_of_one_layer_need_only_the_layers_before_it(
    cnn_spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shaken(cnn_spec, 1)
    every = bounds.layer_bounds(model)
    seen: list[object] = []
    step = bounds.output_bounds
    monkeypatch.setattr(
        bounds, "output_bounds", lambda module, *box: seen.append(module) or step(module, *box)
    )
    part = bounds.layer_bounds(model, ["Conv2D_2:pre"])
    assert {"Conv2D_1", "Conv2D_2:pre"} <= set(part) and "Conv2D_3" not in part
    assert not any(isinstance(module, nn.Linear) for module in seen)
    for name, one in part.items():
        assert np.array_equal(one.low, every[name].low)
        assert np.array_equal(one.high, every[name].high)
    answer = f"{model.spec.output}:probabilities"
    assert answer not in part and answer in bounds.layer_bounds(model, [answer])


def test_weights_without_magnitudes_are_caught(
    monkeypatch: pytest.MonkeyPatch, cnn_spec: NetworkSpec
) -> None:
    """Planted fault: the radius through W instead of |W|."""
    monkeypatch.setattr(intervals, "by_magnitudes", lambda module, values: module(values))
    assert escaped(shaken(cnn_spec, 1), 1)


def one_layer(kernel: float, bias: float) -> Model:
    model = model_of(
        NetworkSpec.from_dict(
            {
                "layers": [
                    {
                        "type": "conv",
                        "name": "Conv",
                        "filters": 1,
                        "kernel": 2,
                        "activation": "relu",
                    },
                    {"type": "flatten", "name": "Flatten"},
                    {"type": "dense", "name": "Out", "units": 2},
                ]
            }
        )
    )
    with torch.no_grad():
        model.network.Conv.conv.weight.fill_(kernel)
        model.network.Conv.conv.bias.fill_(bias)
    return model


def test_one_layer_is_exact() -> None:
    """Four pixels of 0 to 1 with weight 0.5: 0.1 to 2.1."""
    result = bounds.layer_bounds(one_layer(0.5, 0.1))["Conv:pre"]
    assert result.low.shape == (1, 27, 27)
    np.testing.assert_allclose(result.low, 0.1, atol=1e-5)
    np.testing.assert_allclose(result.high, 2.1, atol=1e-5)


@pytest.mark.parametrize(
    "kernel, bias, silent",
    [
        (0.5, -1e6, True),
        (-0.5, -1e-3, True),
        (0.5, -2.001, True),
        (0.5, -1.999, False),  # raised by a white patch
        (
            0.5,
            -2.0,
            False,
        ),  # never raised in exact arithmetic, but float32 rounding could: not called proved
        (0.0, 1.0, False),  # constant, not silent
    ],
)
def test_zero_is_proved_or_not_claimed(kernel: float, bias: float, silent: bool) -> None:
    result = bounds.layer_bounds(one_layer(kernel, bias))
    assert result["Conv"].zero.tolist() == [silent]
    assert result["Flatten"].zero.all() == silent


def test_the_network_is_left_as_it_was() -> None:
    model = one_layer(0.5, 0.0)
    model.network.train()
    bounds.layer_bounds(model)
    assert model.network.training and model.network.Conv.conv.weight.dtype == torch.float32
