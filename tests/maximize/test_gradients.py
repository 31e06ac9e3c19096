"""Gradients of activation maximisation: Captum's, the checked selector, subnetworks, their
convolutions.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_mnist.inside.capture import capture
from lit_mnist.maximize import objectives as o
from lit_mnist.maximize.checks import MaximizeError
from lit_mnist.maximize.gradient import RowGradient
from lit_mnist.maximize.rows import rows_for
from lit_mnist.maximize.stages import Stage
from lit_mnist.maximize.subnetwork import OneChannel, OwnMap, Subnetwork
from lit_mnist.runs.model import Model
from tests.networks import SMALL, climb, small_model, small_start


@pytest.mark.parametrize(
    "objective",
    [
        o.ChannelMean("Conv_2"),
        o.ChannelMean("Conv_1:pre"),
        o.Neuron("Conv_2"),
        o.Neuron("Conv_2", (0, 1)),
        o.Neuron("Dense_1"),
        o.LayerEnergy("Conv_1"),
        o.difference("Conv_2", 2),
        o.Peak("Conv_2:pre"),
        o.Direction("Conv_2", np.random.default_rng(0).normal(size=(8, 8))),
        o.ChannelMean("Conv_2") - 0.3 * o.TotalVariation() - 0.1 * o.L2(),
    ],
)
def test_captums_gradient_equals_plain_autograd(objective: o.Objective) -> None:
    model = small_model(SMALL, double=True)
    rows = rows_for([0, 3, 5], 2)
    x, targets = small_start(rows), torch.from_numpy(rows.targets)
    scores = RowGradient(model.network, objective)(x, targets, targets)
    for row in range(len(rows)):
        one = x[row : row + 1].clone().requires_grad_()
        with capture(model.network, list(objective.layers)) as seen:
            model.network(one)
        view = o.View(one, dict(seen), targets[row : row + 1], targets[row : row + 1])
        value = objective.score(view)
        assert torch.allclose(scores.objective[row], value[0].detach(), rtol=1e-10)
        assert (
            scores.gradient[row] - torch.autograd.grad(value.sum(), one)[0][0]
        ).abs().max() <= 1e-6


class _Wrong(o.ChannelMean):
    """Planted faults of a selector."""

    def __init__(self, fault) -> None:
        super().__init__("Conv_2")
        object.__setattr__(self, "fault", fault)

    def score(self, view: o.View) -> torch.Tensor:
        return self.fault(super().score(view))


@pytest.mark.parametrize(
    "fault",
    [
        lambda s: s.sum(),
        lambda s: s[:-1],
        lambda s: s.roll(1),
        lambda s: s[:, None],
        lambda s: s - s.mean(),
        lambda s: s[[0, 2, 1, *range(3, len(s))]],
        lambda s: s.detach().long(),
        lambda s: float(s.detach().sum()),
    ],
)
def test_a_wrong_selector_cannot_pass(small: Model, fault) -> None:
    with pytest.raises(MaximizeError, match="row"):
        climb(small, [Stage(_Wrong(fault), 3)], rows_for([0, 3, 7, 5], 1))
    climb(small, [Stage(_Wrong(lambda s: s), 3)], rows_for([0, 3, 7, 5], 1))


@pytest.mark.parametrize(
    "names", [("Conv_2",), ("Conv_1", "Conv_2:pre"), ("Pool_1", "Dense_1"), ("Conv_1:pre",)]
)
def test_taps_equal_the_network(small: Model, names: tuple[str, ...]) -> None:
    x = torch.randn(5, 1, 12, 12)
    with capture(small.network, list(names)) as seen:
        small.network(x)
    for name, value in zip(names, Subnetwork(small.network, names)(x)[1:], strict=True):
        assert torch.allclose(value, seen[name], atol=1e-6)


@pytest.mark.parametrize("layer", ["Conv_1", "Conv_1:pre", "Pool_1", "Conv_2", "Conv_2:pre"])
def test_taps_of_own_maps_equal_the_network(small: Model, layer: str) -> None:
    x, targets = torch.randn(5, 1, 12, 12), torch.tensor([3, 0, 5, 5, 1])
    with capture(small.network, [layer]) as seen:
        small.network(x)
    subnetwork = Subnetwork(small.network, [layer], own=True)
    assert subnetwork.narrow
    assert torch.allclose(
        subnetwork(x, targets)[1], seen[layer][torch.arange(5), targets][:, None], atol=1e-6
    )


@pytest.mark.parametrize("names", [("Dense_1",), ("Conv_1", "Conv_2")])
def test_taps_keep_all_maps_where_they_are_needed(small: Model, names: tuple[str, ...]) -> None:
    assert not Subnetwork(small.network, names, own=True).narrow


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {}),
        (3, {}),
        (3, {"padding": 1}),
        (3, {"padding": (0, 2), "stride": 2}),
        (2, {"dilation": 2, "bias": False}),
        (2, {"stride": (3, 1), "padding": (2, 1), "dilation": (2, 1)}),
    ],
)
def test_convolutions_equal_torchs_with_their_gradients(channels: int, options: dict) -> None:
    conv = torch.nn.Conv2d(channels, 7, 3, dtype=torch.float64, **options)
    x = torch.randn(4, channels, 11, 9, dtype=torch.float64, requires_grad=True)
    maps = torch.tensor([6, 0, 2, 2])
    whole = conv(x)
    cases = [(OwnMap(conv)(x, maps), whole[torch.arange(4), maps][:, None])]
    if OneChannel.fits(conv):
        cases.append((OneChannel(conv)(x), whole))
    for result, expected in cases:
        assert result.shape == expected.shape and (result - expected).abs().max() <= 1e-13
        weights = torch.randn_like(expected)
        gradients = [
            torch.autograd.grad(value, x, weights, retain_graph=True)[0]
            for value in (result, expected)
        ]
        assert (gradients[0] - gradients[1]).abs().max() <= 1e-13


def test_convolutions_that_do_not_fit_are_left_alone() -> None:
    for conv in (
        torch.nn.Conv2d(4, 4, 3, groups=2),
        torch.nn.Conv2d(1, 4, 3, padding=5),
        torch.nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"),
        torch.nn.Linear(3, 3),
    ):
        assert not OwnMap.fits(conv) and not OneChannel.fits(conv)
