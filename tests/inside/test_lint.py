"""Networks that would mislead hooks are refused, with the module to change."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn

from lit_mnist.inside.lint import LintError, lint, require_capturable, require_clean
from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec
from tests.conftest import CONFIGS
from tests.networks import specs

X = torch.zeros(1, 4)


class Functional(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.first, self.function = nn.Linear(4, 4), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.first(x))


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.first(x))))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_our_configs_are_clean(config) -> None:
    assert lint(Network(spec_of_config(config))) == ()


@settings(max_examples=30, deadline=None)
@given(specs())
def test_our_networks_are_clean(spec: NetworkSpec) -> None:
    network = Network(spec).train()
    assert lint(network) == ()
    assert network.training


@pytest.mark.parametrize(
    "function",
    [
        F.relu,
        torch.relu,
        torch.tanh,
        F.leaky_relu,
        F.elu,
        lambda x: x.relu(),
        lambda x: x.clamp(min=0),
        torch.sigmoid,
        lambda x: x.relu_(),
    ],
)
def test_functional_activations(function) -> None:
    network = Functional(function)
    (result,) = lint(network, X)
    assert result.kind == "functional"
    with pytest.raises(LintError, match="the network's forward calls .* as a function"):
        require_clean(network, X)


def test_functional_activation_in_a_subclass_of_ours(cnn_spec: NetworkSpec) -> None:
    class Mine(Network):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(super().forward(x))

    with pytest.raises(LintError, match="relu"):
        require_capturable(Mine(cnn_spec))


def test_functional_activation_names_the_module(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    network.Max_Pool_1.pool = Functional(F.relu)
    network.Max_Pool_1.pool.first = nn.MaxPool2d(2)
    (result,) = lint(network)
    assert result.module == "Max_Pool_1.pool"


def test_reused_activation() -> None:
    (result,) = lint(Reused(), X)
    assert (result.module, result.kind) == ("relu", "reused")


def test_shared_activation_is_refused_without_a_pass(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    network.Conv2D_2.activation = network.Conv2D_1.activation
    with pytest.raises(LintError, match="'Conv2D_1.activation' and 'Conv2D_2.activation'"):
        require_capturable(network)


def test_in_place_activation(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    network.Dense_1.activation = nn.ELU(inplace=True)
    with pytest.raises(
        LintError, match=r"'Dense_1.activation' is a ELU\(inplace=True\).* ELU\(inplace=False\)"
    ):
        require_clean(network)


def test_modules_of_activations_are_fine_and_nothing_is_left() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Sigmoid()).train()
    assert lint(network, X) == ()
    assert network.training
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in network.modules()
    )


def test_other_networks_need_an_example() -> None:
    with pytest.raises(LintError, match="example input"):
        lint(Reused())


def test_nothing_is_left_where_the_pass_fails() -> None:
    network = Reused().train()
    with pytest.raises(RuntimeError):
        lint(network, torch.zeros(1, 3))
    assert network.training
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in network.modules()
    )
