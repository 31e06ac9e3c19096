"""Attribution methods against closed forms, and against Captum's."""

from __future__ import annotations

import pytest
import torch
from captum import attr
from torch import Tensor

from lit_mnist.attribution import (
    LRP,
    Deconvolution,
    DeepLift,
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    SmoothGrad,
    completeness,
    project,
    project_map,
    resolve,
)
from lit_mnist.inside.capture import capture
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.attribution.networks import LINEAR, VARIED, empty, lively, pictures


def test_linear_model_gives_closed_forms() -> None:
    network = lively(Network(LINEAR, seed=1)).double()
    images, baseline = pictures(5, LINEAR).double(), empty(LINEAR)
    weights = network.Dense.dense.weight.detach()[[3, 1, 4, 1, 5]].view(5, 1, 28, 28)
    moved = weights * (images + 0.4)
    expected = {
        Saliency(): weights.abs(),
        InputXGradient(): weights * images,
        IntegratedGradients(baseline): moved,
        DeepLift(baseline): moved,
        FeatureAblation(baseline): moved,
        Occlusion(baseline, window=1, stride=1): moved,
        Occlusion(baseline, window=3, stride=1): _windowed(moved, 3),
        LRP(): weights * images,
    }
    for method, reference in expected.items():
        result = method(network, images, [3, 1, 4, 1, 5])
        torch.testing.assert_close(
            result, reference, atol=1e-6, rtol=0, msg=lambda m, name=method.name: f"{name}: {m}"
        )


def _windowed(values: Tensor, size: int) -> Tensor:
    """Mean, over the windows that cover a pixel, of the sum in the window."""
    sums = torch.nn.functional.conv2d(values, values.new_ones(1, 1, size, size))
    cover = values.new_ones(1, 1, size, size)
    back = torch.nn.functional.conv_transpose2d
    return back(sums, cover) / back(torch.ones_like(sums), cover)


def test_difference_of_two_classes_is_the_difference_of_their_maps() -> None:
    network, images = lively(Network(LINEAR, seed=1)).double(), pictures(3, LINEAR).double()
    for method in (
        InputXGradient(),
        IntegratedGradients(empty(LINEAR)),
        DeepLift(empty(LINEAR)),
        LRP(),
    ):
        torch.testing.assert_close(
            method(network, images, "4-9"),
            method(network, images, 4) - method(network, images, 9),
            atol=1e-6,
            rtol=0,
        )


@pytest.mark.parametrize("spec", ["cnn", "varied"])
def test_deconvolution_equals_the_explicit_pass(spec: str, cnn: Network) -> None:
    network = cnn if spec == "cnn" else lively(Network(VARIED, seed=2))
    images = pictures(8, network.spec)
    target = resolve(network, images, "predicted")
    by_gradient = Deconvolution()(network, images, target)
    assert by_gradient.abs().max() > 1e-3
    by_hand = project(network, images, network.spec.names[-1], target.directions)
    torch.testing.assert_close(by_hand, by_gradient, atol=1e-6, rtol=0)


def test_projecting_one_map_keeps_its_strongest_activation(cnn: Network) -> None:
    images = pictures(3, cnn.spec)
    result = project_map(cnn, images, "Conv2D_2", 5)
    with torch.no_grad(), capture(cnn, "Conv2D_2") as maps:
        cnn(images)
    flat = maps["Conv2D_2"][:, 5].flatten(1)
    torch.testing.assert_close(result.values, flat.max(1).values)
    row, column = result.positions[0].tolist()
    assert row * 11 + column == int(flat[0].argmax())
    alone = project_map(cnn, images[:1], "Conv2D_2", 5, (row, column))
    torch.testing.assert_close(alone.pixels, result.pixels[:1])
    outside = torch.ones(28, 28, dtype=torch.bool)
    outside[2 * row : 2 * row + 8, 2 * column : 2 * column + 8] = (
        False  # the unit's receptive field
    )
    assert not result.pixels[0, 0][outside].any() and result.pixels[0].any()


def test_lrp_without_biases_is_input_times_gradient(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec, seed=4).double().eval()  # fresh networks have zero biases
    images = pictures(4, cnn_spec).double()
    torch.testing.assert_close(
        LRP()(network, images, 2), InputXGradient()(network, images, 2), atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(
        LRP()(network, images, "4-9"),
        InputXGradient()(network, images, "4-9"),
        atol=1e-6,
        rtol=1e-4,
    )


def test_neuron_targets_equal_captums_neuron_methods(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    by_hand = attr.NeuronGradient(cnn, cnn.Conv2D_2).attribute(
        images.clone().requires_grad_(), (5, 1, 2)
    )
    torch.testing.assert_close(Saliency()(cnn, images, "Conv2D_2/5@1,2"), by_hand.abs())
    mean = DeepLift(empty(cnn.spec))(cnn, images, "Conv2D_2/5")
    target = resolve(cnn, images, "Conv2D_2/5")
    assert completeness(cnn, images, target, mean, empty(cnn.spec)).error.max() <= 1e-4


def test_smoothgrad_without_noise_is_saliency(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    plain = Saliency()(cnn, images, 1)
    torch.testing.assert_close(SmoothGrad(1e-12, samples=3)(cnn, images, 1), plain)
    torch.testing.assert_close(SmoothGrad(1e-12, samples=3, squared=True)(cnn, images, 1), plain**2)
