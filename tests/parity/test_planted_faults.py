"""The suite is only worth what it notices: every deliberate fault fails by the name of the check
meant for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from keras_baseline.recipe import Component, Recipe
from lit_mnist.comparison.parity.checks import Check
from lit_mnist.comparison.parity.levels import keras_sides, parity
from lit_mnist.comparison.parity.probes import Probe, plain_recipe
from lit_mnist.comparison.parity.rules import optimizer_rules
from lit_mnist.comparison.parity.sides import Side
from lit_mnist.spec import NetworkSpec
from lit_mnist.training import optimizers
from tests.parity.faults import FAULTS
from tests.parity.probes import random_probe

pytestmark = pytest.mark.keras

LAYERS = [
    {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"},
    {"type": "pool", "name": "Max_Pool_1", "size": 4},
    {"type": "conv", "name": "Conv2D_2", "filters": 4, "kernel": 2, "activation": "relu"},
    {"type": "conv", "name": "Conv2D_3", "filters": 4, "kernel": 2, "activation": "relu"},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dropout", "name": "Dropout_1", "rate": 0.3},
    {"type": "dense", "name": "Dense_1", "units": 12, "activation": "relu", "l2": 0.001},
    {"type": "dense", "name": "Dense_2", "units": 10, "activation": "softmax", "l2": 0.001},
]
DECAY = {"initial_learning_rate": 0.001, "decay_steps": 1, "decay_rate": 0.001}
Subject = tuple[Recipe, Probe, tuple[Side, Side]]


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A small network with the sources' recipe, and Keras' sides of it, built once."""
    spec = NetworkSpec.from_dict({"input_shape": [19, 19, 1], "layers": LAYERS})
    recipe = replace(
        plain_recipe(spec, momentum=0.8), schedule=Component("InverseTimeDecay", DECAY)
    )
    return recipe, random_probe(spec, 0, steps=8, batch=16), keras_sides(recipe, "float64")


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def test_without_a_fault_all_is_well(subject: Subject) -> None:
    recipe, probe, theirs = subject
    checks = list(parity(recipe, probe, theirs=theirs))
    assert failed(checks) == set()
    assert len(checks) > 100


def test_there_are_at_least_twenty() -> None:
    assert len(FAULTS) >= 20


@pytest.mark.parametrize("what", FAULTS)
def test_caught(subject: Subject, what: str) -> None:
    recipe, probe, theirs = subject
    plant, noticed_by = FAULTS[what]
    assert noticed_by in failed(list(parity(recipe, probe, plant=plant, theirs=theirs)))


@pytest.fixture(scope="module")
def single(subject: Subject) -> Subject:
    """The same in float32, for three steps from Keras' own state."""
    recipe, probe, _ = subject
    return recipe, replace(probe, batches=probe.batches[:3]), keras_sides(recipe, "float32")


def test_without_a_fault_all_is_well_in_float32(single: Subject) -> None:
    recipe, probe, theirs = single
    assert failed(list(parity(recipe, probe, "float32", theirs=theirs, forced=True))) == set()


@pytest.mark.parametrize(
    ("what", "noticed_by"),
    [
        ("transposed kernel", "maps"),
        ("transposed kernel", "maps, images alone"),
        ("double softmax", "gradient"),
        ("softmax over the batch", "probabilities"),
        ("softmax over the batch", "probabilities, images alone"),
        ("rho 0.99", "teacher-forced"),
        ("rho 0.99", "teacher-forced, of the step"),
        ("epsilon 1e-8", "teacher-forced, of the step"),
        ("schedule off by one", "teacher-forced, of the step"),
    ],
)
def test_caught_in_float32(single: Subject, what: str, noticed_by: str) -> None:
    recipe, probe, theirs = single
    checks = parity(recipe, probe, "float32", plant=FAULTS[what][0], theirs=theirs, forced=True)
    assert noticed_by in failed(list(checks))


def _rmsprop(params, learning_rate=1e-3, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    return torch.optim.RMSprop(params, learning_rate, rho, epsilon, 0.0, momentum, centered)


def _adam(params, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    return torch.optim.AdamW(params, learning_rate, (beta_1, beta_2), epsilon, weight_decay)


def _nadam(params, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    betas = (beta_1, beta_2)
    return torch.optim.NAdam(params, learning_rate, betas, epsilon, momentum_decay=0.004)


def _adamax(params, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    return torch.optim.Adamax(params, learning_rate, (beta_1, beta_2), epsilon)


def _sgd(params, learning_rate=1e-2, momentum=0.0, nesterov=False):
    dampening = 0 if nesterov else 0.1
    return torch.optim.SGD(params, learning_rate, momentum, dampening, nesterov=nesterov)


TORCH_RULES: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "RMSprop": _rmsprop,
    "Adam": _adam,
    "Nadam": _nadam,
    "Adamax": _adamax,
    "SGD": _sgd,
}


@pytest.fixture(scope="module")
def failed_rules() -> dict[frozenset[str], set[str]]:
    """Which rules fail where torch's optimisers stand in for two of ours, and for the other
    three.
    """

    def failing(names: frozenset[str]) -> set[str]:
        def make(name: str, params: list, **settings: float) -> torch.optim.Optimizer:
            cls = TORCH_RULES[name] if name in names else getattr(optimizers, name)
            return cls(params, **settings)

        return failed(list(optimizer_rules(8, make=make)))

    halves = frozenset({"RMSprop", "Adamax"}), frozenset(TORCH_RULES) - {"RMSprop", "Adamax"}
    return {names: failing(names) for names in halves}


@pytest.mark.parametrize("name", TORCH_RULES)
def test_torchs_namesakes_are_told_apart(
    name: str, failed_rules: dict[frozenset[str], set[str]]
) -> None:
    """And each alone: the rules of the optimisers that are ours in the same run pass."""
    for replaced, rules in failed_rules.items():
        assert (f"rule of {name}" in rules) == (name in replaced)
