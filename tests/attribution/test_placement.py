"""Where values of maps belong in the image: receptive fields, blind pixels, reach."""

from __future__ import annotations

import pytest
import torch
from captum import attr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lit_mnist.attribution import (
    Conductance,
    FeatureAblation,
    GradCam,
    make_methods,
    reach,
)
from lit_mnist.attribution.placement import place
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.attribution.networks import NARROW, empty, lively, pictures, setting
from tests.networks import specs


def test_blind_pixels_get_exactly_nothing(cnn: Network, cnn_spec: NetworkSpec) -> None:
    blind = ~reach(cnn_spec)
    assert blind[26:].all() and blind[:, 26:].all() and not blind[:26, :26].any()
    assert (reach(cnn.spec) == reach(cnn_spec)).all()
    images = torch.rand(
        3, 1, 28, 28, generator=torch.Generator().manual_seed(0)
    )  # no pixel is empty
    for method in make_methods("all", setting(cnn.spec)):
        result = method(cnn, images, "predicted")[:, :, torch.from_numpy(blind)]
        assert (result == 0).all() if method.pixelwise else True, method.name
        assert (
            method.name != "occlusion" or result.any()
        )  # a window's score goes to all pixels under it


@pytest.mark.parametrize("count", [1, 3])
def test_rounding_gives_no_pixel_a_share(count: int, cnn_spec: NetworkSpec) -> None:
    """Without evaluations of one size, blind pixels of the default network get up to 1e-7 instead
    of 0.
    """
    network, images = lively(Network(cnn_spec, seed=3)), torch.rand(count, 1, 28, 28)
    result = FeatureAblation(empty(cnn_spec))(network, images, 0)
    assert not result[:, :, torch.from_numpy(~reach(cnn_spec))].any() and result.any()


@settings(max_examples=25, deadline=None)
@given(spec=specs(), seed=st.integers(0, 100))
def test_reach_says_which_pixels_have_a_gradient(spec: NetworkSpec, seed: int) -> None:
    network = Network(spec, seed).double().eval()
    height, width, channels = spec.input_shape
    images = torch.rand(2, channels, height, width, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(network(images).square().sum(), images)[0]
    assert not gradient[:, :, torch.from_numpy(~reach(spec))].any()


def test_grad_cam_is_captums_placed_by_receptive_fields(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    maps = attr.LayerGradCam(cnn, cnn.Conv2D_1).attribute(images, 3, relu_attributions=True)
    result = GradCam("Conv2D_1")(cnn, images, 3)
    torch.testing.assert_close(
        result[:, :, 1:27, 1:27], maps.detach()
    )  # unit (0, 0) sees pixels 0 to 2
    assert GradCam()(cnn, images, 3).shape == (2, 1, 28, 28)


def test_maps_of_one_position_are_passed_over() -> None:
    network = lively(Network(NARROW, seed=1))
    images = pictures(2, NARROW)
    for method, named in (
        (GradCam(), GradCam("First")),
        (Conductance(empty(NARROW)), Conductance(empty(NARROW), "First")),
    ):
        result = method(network, images, 0)
        assert torch.equal(result, named(network, images, 0)) and result.std() > 0


def test_placing_keeps_values_at_centres_and_sums(cnn: Network) -> None:
    maps = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    info = cnn.spec["Conv2D_3"]  # fields of 18 pixels, every 4: centres 8.5, 12.5, 16.5
    result = place(maps, info, (28, 28))
    torch.testing.assert_close(
        result[:, :, 12, 12], (maps * _tent(12)[:, None] * _tent(12)).sum((2, 3))
    )
    assert torch.equal(result[:, :, 0, 0], maps[:, :, 0, 0]) and torch.equal(
        result[:, :, 27, 27], maps[:, :, 2, 2]
    )
    torch.testing.assert_close(
        place(maps, info, (28, 28), keep_sum=True).sum((2, 3)), maps.sum((2, 3))
    )


def _tent(pixel: int) -> Tensor:
    """Linear interpolation between centres 8.5, 12.5 and 16.5, by hand."""
    return torch.tensor([max(0.0, 1 - abs(pixel - centre) / 4) for centre in (8.5, 12.5, 16.5)])
