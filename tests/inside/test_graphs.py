"""Looking inside networks that branch: capture, lint, bounds, statistics, maximisation,
attribution.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist import capture
from lit_mnist.attribution.cam import GradCam
from lit_mnist.attribution.gradients import Saliency
from lit_mnist.attribution.placement import reach
from lit_mnist.attribution.rectified import GuidedBackprop
from lit_mnist.attribution.relevance import LRP
from lit_mnist.attribution.targets import AttributionError
from lit_mnist.attribution.zeiler import project_map
from lit_mnist.inside.bounds import propagate
from lit_mnist.inside.capture import points
from lit_mnist.inside.lint import lint
from lit_mnist.maximize.subnetwork import Subnetwork
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.tensorboard.events import network_graph
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

ALL = NETWORKS | IN_FLOAT32
RESIDUAL = {
    "input_shape": [10, 10, 1],
    "layers": [
        {"type": "conv", "name": "A", "filters": 4, "activation": "relu"},
        {"type": "conv", "name": "B", "filters": 4, "padding": "same", "activation": "relu"},
        {"type": "add", "name": "Sum", "inputs": ["A", "B"]},
        {"type": "pool", "name": "Pool"},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Out", "units": 3, "activation": "softmax"},
    ],
}


def network_of(name: str, seed: int = 1) -> tuple[Network, Tensor]:
    spec = NetworkSpec.from_dict(ALL[name])
    height, width, channels = spec.input_shape
    generator = torch.Generator().manual_seed(seed)
    return Network(spec, seed).eval(), torch.rand(
        5, channels, height, width, generator=generator
    ) * 2 - 1


@pytest.mark.parametrize("name", ALL)
def test_every_point_is_captured(name: str) -> None:
    network, images = network_of(name)
    with capture(network, "*") as outputs, capture(network, "*:pre") as before:
        logits = network(images)
    values = network.layer_values(images, *network.spec.names)
    for layer in network.spec.names:
        assert torch.equal(outputs[layer], values[layer]), layer
    assert {f"{key}:pre" for key in network.spec.names} & set(points(network)) == set(before)
    for point, value in before.items():
        assert value.shape == outputs[point.removesuffix(":pre")].shape
    assert torch.equal(logits, values[network.spec.output])


@pytest.mark.parametrize("name", ALL)
def test_lint_finds_nothing(name: str) -> None:
    assert lint(network_of(name)[0]) == ()


@pytest.mark.parametrize("name", ALL)
def test_bounds_hold(name: str) -> None:
    """What random images give lies between the bounds, which are finite."""
    network, _ = network_of(name)
    height, width, channels = network.spec.input_shape
    one = torch.ones(1, channels, height, width, dtype=torch.float64)
    bounds = propagate(network, -one, one)
    for seed in range(20):
        _, images = network_of(name, seed)
        with capture(network, ["*", "*:pre"]) as values, torch.no_grad():
            network(images)
        for point, value in values.items():
            assert (value.numpy() >= bounds[point].low).all() and (
                value.numpy() <= bounds[point].high
            ).all(), point
    for point, bound in bounds.items():
        assert np.isfinite(bound.low).all() and np.isfinite(bound.high).all(), point


@pytest.mark.parametrize("name", ALL)
def test_tensorboard_draws_every_input(name: str) -> None:
    network, _ = network_of(name)
    nodes = {node.name: node for node in network_graph(network).node}
    assert all(source in nodes for node in nodes.values() for source in node.input)
    for info in network.spec.table:
        boxes = {
            source.split("/")[0]
            for key, node in nodes.items()
            if key.split("/")[0] == info.name
            for source in node.input
        }
        assert boxes - {info.name} == {
            "image" if source == "input" else source for source in info.inputs
        }


@pytest.mark.parametrize("name", ALL)
def test_taps_give_what_the_network_gives(name: str) -> None:
    network, images = network_of(name)
    asked = [point for point in points(network) if ":probabilities" not in point]
    with capture(network, asked) as values, torch.no_grad():
        network(images)
    _, *tapped = Subnetwork(network, asked)(images)
    for point, value in zip(asked, tapped, strict=True):
        assert torch.allclose(value, values[point], atol=1e-5), point
    for point in asked[:-1]:
        assert torch.allclose(Subnetwork(network, [point])(images)[1], values[point], atol=1e-5), (
            point
        )


def test_gradient_methods_work_on_branches() -> None:
    network = Network(NetworkSpec.from_dict(RESIDUAL), 3).eval()
    images = torch.rand(4, 1, 10, 10)
    for method in (Saliency(), GuidedBackprop(), GradCam(), GradCam("A")):
        given = method(network, images, "predicted")
        assert given.shape == images.shape and bool(given.abs().sum() > 0), method
    with pytest.raises(AttributionError, match="layer 'B' has no gradient of 'A/0'"):
        GradCam("B")(network, images, "A/0")


@pytest.mark.parametrize(
    "explain",
    [
        lambda network, images: LRP()(network, images, "predicted"),
        lambda network, images: project_map(network, images, "Sum", 0),
    ],
)
def test_methods_of_chains_refuse_branches_by_name(explain) -> None:
    network = Network(NetworkSpec.from_dict(RESIDUAL), 3).eval()
    with pytest.raises(
        AttributionError, match="'Sum' reads A, B: the layers up to '(Out|Sum)' branch"
    ):
        explain(network, torch.rand(2, 1, 10, 10))


def test_methods_of_chains_work_up_to_the_branches() -> None:
    network = Network(NetworkSpec.from_dict(RESIDUAL), 3).eval()
    images = torch.rand(2, 1, 10, 10)
    assert project_map(network, images, "B", 1).pixels.shape == images.shape
    assert LRP()(network, images, "B/1").shape == images.shape


def test_lrp_names_a_layer_without_a_rule() -> None:
    layers = [
        {"type": "conv", "name": "A", "filters": 2, "activation": "gelu"},
        *RESIDUAL["layers"][-2:],
    ]
    network = Network(NetworkSpec.from_dict(RESIDUAL | {"layers": layers})).eval()
    with pytest.raises(AttributionError, match="no rule for the GELU of layer 'A'"):
        LRP()(network, torch.rand(2, 1, 10, 10), 0)


def test_pixels_that_reach_the_output_through_branches() -> None:
    """By arithmetic what gradients say: the union of both branches."""
    layers = [
        {"type": "cropping", "name": "Left", "cropping": [[0, 0], [0, 6]]},
        {"type": "cropping", "name": "Top", "cropping": [[0, 7], [0, 0]], "inputs": ["input"]},
        {"type": "global_pool", "name": "L", "inputs": ["Left"]},
        {"type": "global_pool", "name": "T", "inputs": ["Top"]},
        {"type": "concatenate", "name": "Both", "inputs": ["L", "T"]},
        RESIDUAL["layers"][-1],
    ]
    spec = NetworkSpec.from_dict(RESIDUAL | {"layers": layers})
    images = torch.rand(1, 1, 10, 10, requires_grad=True)
    Network(spec).eval()(images)[0, 0].backward()
    seen = reach(spec)
    assert (seen >= (images.grad[0, 0].numpy() != 0)).all()
    assert reach(spec, "Left")[:, 4:].sum() == 0 and reach(spec, "Top")[3:].sum() == 0
