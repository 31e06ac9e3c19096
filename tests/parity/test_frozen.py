"""Layers that rest: Keras' `layer.trainable = False`, its batch normalisation included, and planted
faults.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lit_mnist.comparison.parity.levels import parity
from lit_mnist.comparison.parity.probes import plain_recipe
from lit_mnist.comparison.parity.torch_side import TorchSide
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.settings import TrainingError, optimizer_over
from tests.parity.probes import random_probe
from tests.parity.test_parity import SMALL, assert_passed

FROZEN = ["Conv2D_1", "Norm_1", "Dense_1"]
SPEC = NetworkSpec.from_dict(SMALL | {"frozen": FROZEN})


@pytest.mark.keras
@pytest.mark.parametrize("optimizer", ["RMSprop", "Adam"])
def test_parity_with_frozen_layers(optimizer: str) -> None:
    """L1 and L2 of the frozen layers count in neither loss, decoupled decay spares them, their
    statistics rest.
    """
    recipe = replace(plain_recipe(SPEC, optimizer=optimizer), weight_decay=0.01)
    assert_passed(parity(recipe, random_probe(SPEC, 5, steps=5)))


def _let_statistics_move(ours: TorchSide) -> TorchSide:
    ours.network.Norm_1.trainable = True
    return ours


def _train_the_kernel(ours: TorchSide) -> TorchSide:
    ours.network.Conv2D_1.requires_grad_(True)
    make = type(ours.step.optimizer)
    return replace(ours, step=replace(ours.step, optimizer=make(ours.network.parameters())))


def _keep_the_penalty(ours: TorchSide) -> TorchSide:
    kernel = ours.network.Dense_1.dense.weight
    return replace(
        ours, step=replace(ours.step, penalty=lambda network: 0.003 * kernel.square().sum())
    )


@pytest.mark.keras
@pytest.mark.parametrize("fault", [_let_statistics_move, _train_the_kernel, _keep_the_penalty])
def test_faults_are_noticed(fault) -> None:
    checks = list(parity(plain_recipe(SPEC), random_probe(SPEC, 5, steps=5), plant=fault))
    assert not all(check.passed for check in checks)


def test_only_trained_weights_have_slots_and_decay() -> None:
    from lit_mnist.network import Network

    network = Network(SPEC)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = optimizer_over(network, lambda groups: torch.optim.AdamW(groups, lr=0.1), 0.5)
    network.train()
    nn.functional.cross_entropy(network(torch.rand(6, 2, 9, 9)), torch.arange(6) % 4).backward()
    optimizer.step()
    moved = {name for name, value in network.state_dict().items() if (value != before[name]).any()}
    assert moved and {name.split(".")[0] for name in moved} == {"Norm_2", "Dense_2"}
    assert len(optimizer.state) == 2  # Norm_2's shift, Dense_2's kernel


def test_nothing_to_train_is_refused() -> None:
    from lit_mnist.network import Network

    network = Network(NetworkSpec.from_dict(SMALL | {"frozen": "*"}))
    with pytest.raises(TrainingError, match="trainable = False"):
        optimizer_over(network, torch.optim.AdamW, 0.0)


def test_frozen_layers_count_as_not_trainable() -> None:
    resting = sum(SPEC[name].parameters for name in FROZEN)
    whole = NetworkSpec.from_dict(SMALL)
    assert SPEC.parameters == whole.parameters
    statistics = whole.parameters - whole.trainable_parameters
    assert SPEC.trainable_parameters == SPEC.parameters - resting - statistics + _moving(SPEC)


def _moving(spec: NetworkSpec) -> int:
    """Return the statistics among the frozen layers' weights, which are counted as such already."""
    weights = spec["Norm_1"].weights
    return sum(int(np.prod(weights[name])) for name in ("moving_mean", "moving_variance"))
