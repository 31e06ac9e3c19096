"""The PyTorch network: names, logits, and the order of work in training."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec
from tests.conftest import DIGIT_CONFIGS
from tests.networks import specs


def test_state_dict_keys(cnn_spec: NetworkSpec) -> None:
    assert list(Network(cnn_spec).state_dict()) == [
        f"{layer}.{kind}.{weight}"
        for layer, kind in (
            ("Conv2D_1", "conv"),
            ("Conv2D_2", "conv"),
            ("Conv2D_3", "conv"),
            ("Dense_1", "dense"),
            ("Dense_2", "dense"),
        )
        for weight in ("weight", "bias")
    ]


def test_each_activation_is_a_module_of_its_own_and_never_in_place(cnn_spec: NetworkSpec) -> None:
    relus = [module for module in Network(cnn_spec).modules() if isinstance(module, nn.ReLU)]
    assert (
        len(relus) == 4 and len({id(relu) for relu in relus}) == 4
    )  # modules() skips repeats: four distinct ones
    assert not any(relu.inplace for relu in relus)


def test_outputs_are_logits(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec).eval()
    logits = network(torch.rand(3, 1, 28, 28))
    assert (logits < 0).any()
    assert torch.allclose(network.probabilities(logits).sum(1), torch.ones(3))


@pytest.mark.parametrize("config", DIGIT_CONFIGS, ids=lambda path: path.stem)
def test_training_order_gives_the_same_logits_and_gradients(config) -> None:
    """Max-pooling before the activation: equal logits, and gradients equal but where a whole window
    is negative.
    """
    network = Network(spec_of_config(config), seed=2).double().eval()  # evaluation: no dropout
    images, labels = torch.rand(8, 1, 28, 28, dtype=torch.float64), torch.arange(8)
    other = copy.deepcopy(network)
    plain, moved = network(images), other.training_logits(images)
    assert torch.equal(plain, moved)
    for logits in (plain, moved):
        nn.functional.cross_entropy(logits, labels).backward()
    for (name, a), b in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-12, atol=1e-16), name


@settings(max_examples=40, deadline=None)
@given(specs(dropout=False, batch_norm=False))
def test_training_order_on_random_specs(spec: NetworkSpec) -> None:
    network = Network(spec, seed=1).double()
    x = torch.rand(2, spec.input_shape[2], *spec.input_shape[:2], dtype=torch.float64)
    assert torch.equal(network(x), network.training_logits(x))


def test_training_order_does_move_the_pool(cnn_spec: NetworkSpec) -> None:
    """Guards the two tests above: they would pass if `training_logits` were `forward`."""
    network, seen = Network(cnn_spec), []
    network.Conv2D_1.activation.register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[-1])
    )
    network.training_logits(torch.rand(1, 1, 28, 28))
    assert seen == [13]  # after the pool; 26 before it
