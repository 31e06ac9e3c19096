"""Large networks: every caller's images and rows go through in parts that fit the memory, with the
same results but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.attribution.method import fast_score_of
from lit_mnist.attribution.targets import resolve
from lit_mnist.inside import passes
from lit_mnist.maximize import objectives as o
from lit_mnist.maximize.gradient import RowGradient
from lit_mnist.maximize.rows import coupled_rows, rows_for
from lit_mnist.maximize.stages import Stage
from lit_mnist.maximize.subnetwork import Subnetwork
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from tests.networks import SMALL, climb, small_model

COUPLED = o.ChannelMean("Conv_2") - 0.5 * o.Diversity()
GROUPS = torch.tensor([0, 0, 0, 0, 0, 3, 3])


@pytest.fixture
def double() -> Model:
    return small_model(SMALL, double=True)


@pytest.fixture
def few_fit(monkeypatch: pytest.MonkeyPatch, double: Model) -> Callable[[], None]:
    """Lets five images fit the memory, or two with gradients."""
    values = sum(math.prod(info.output_shape) for info in double.spec.table)
    return lambda: monkeypatch.setattr(passes, "VALUES", 5 * values)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each pass of a score through the network."""
    sizes: list[int] = []
    logits = Network.training_logits
    monkeypatch.setattr(
        Network, "training_logits", lambda self, x: sizes.append(len(x)) or logits(self, x)
    )
    return sizes


def images() -> Tensor:
    return torch.randn(7, 1, 12, 12, generator=torch.Generator().manual_seed(1)).double()


def batches_of(module: torch.nn.Module) -> list[int]:
    """A list to which the batch size of each pass through a module is added."""
    sizes: list[int] = []
    module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


def scores_of(network: Network, x: Tensor, gradient: bool) -> Tensor:
    target = resolve(network, x, 3)
    score = fast_score_of(network, target)
    x.requires_grad_(gradient)
    values = score(x, target.directions)
    if not gradient:
        return values
    return torch.autograd.grad(values.sum(), x)[0]


@pytest.mark.parametrize(("gradient", "most"), [(False, 5), (True, 2)])
def test_scores_of_explanations(
    double: Model, few_fit: Callable[[], None], scored: list[int], gradient: bool, most: int
) -> None:
    whole = scores_of(double.network, images(), gradient)
    few_fit()
    scored.clear()
    parts = scores_of(double.network, images(), gradient)
    assert scored and max(scored) <= most
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)


def test_outputs_of_explanations(
    double: Model, few_fit: Callable[[], None], scored: list[int]
) -> None:
    score = fast_score_of(double.network, resolve(double.network, images(), 3))
    whole = score.outputs(images())
    few_fit()
    scored.clear()
    torch.testing.assert_close(score.outputs(images()), whole, rtol=1e-9, atol=1e-12)
    assert scored == [5, 2]


def test_activations(double: Model, few_fit: Callable[[], None]) -> None:
    whole = Subnetwork(double.network, ["Conv_2"]).activations(images())
    few_fit()
    subnetwork = Subnetwork(double.network, ["Conv_2"])
    sizes = batches_of(subnetwork)
    assert np.allclose(subnetwork.activations(images()), whole, rtol=1e-9, atol=1e-12)
    assert sizes == [5, 2]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", [COUPLED, o.ChannelMean("Conv_2")])
def test_gradients_of_rows(
    double: Model, few_fit: Callable[[], None], objective: o.Objective, weighted: bool
) -> None:
    weights = torch.arange(1, 8).double() if weighted else None
    whole = RowGradient(double.network, objective)(images(), GROUPS, GROUPS, (), weights)
    few_fit()
    gradient = RowGradient(double.network, objective)
    sizes = batches_of(gradient.subnetwork)
    parts = gradient(images(), GROUPS, GROUPS, (), weights)
    assert sizes == [2, 2, 2, 1]
    for name in ("objective", "drive", "gradient"):
        torch.testing.assert_close(
            getattr(parts, name), getattr(whole, name), rtol=1e-9, atol=1e-12
        )


def test_restarts_of_a_target_stay_together(double: Model, few_fit: Callable[[], None]) -> None:
    rows = rows_for([2, 5], 5)
    whole = climb(double, [Stage(COUPLED, 4)], rows)
    few_fit()
    assert coupled_rows(double.spec, rows) == 6
    parts = climb(double, [Stage(COUPLED, 4)], rows)
    assert np.abs(parts.images - whole.images).max() < 1e-9
