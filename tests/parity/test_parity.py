"""Parity with Keras at every level; the limits are those of `lit_mnist.comparison.parity.levels`
and docs/parity.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from keras_baseline.recipe import Clipping, Component, Recipe, read_config
from lit_mnist.comparison.parity.checks import Check, absolute, difference, moved, worst
from lit_mnist.comparison.parity.levels import FLOAT32, FLOAT64, keras_sides, parity
from lit_mnist.comparison.parity.probes import (
    Probe,
    comparable_recipe,
    plain_recipe,
    probe_of,
)
from lit_mnist.comparison.parity.rules import optimizer_rules, schedule_rules
from lit_mnist.comparison.parity.torch_side import TorchSide
from lit_mnist.data import prepare
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.schedules import InverseTimeDecay
from tests.conftest import DIGIT_CONFIGS, ROOT
from tests.networks import specs
from tests.parity.probes import random_probe

pytestmark = pytest.mark.keras
SMALL = {
    "input_shape": [9, 9, 2],
    "layers": [
        {"type": "conv", "name": "Conv2D_1", "filters": 3, "activation": "elu", "l1": 0.002},
        {"type": "batch_norm", "name": "Norm_1"},
        {
            "type": "activation",
            "name": "Tanh_1",
            "activation": "tanh",
        },  # else Norm_2 takes Norm_1's shift out again
        {"type": "pool", "name": "Pool_1", "size": 2, "padding": "same"},
        {"type": "flatten", "name": "Flatten"},
        {"type": "batch_norm", "name": "Norm_2", "scale": False},
        {
            "type": "dense",
            "name": "Dense_1",
            "units": 6,
            "activation": "leaky_relu",
            "l1": 0.001,
            "l2": 0.003,
        },
        {
            "type": "dense",
            "name": "Dense_2",
            "units": 4,
            "activation": "softmax",
            "use_bias": False,
        },
    ],
}


def assert_passed(checks: Iterable[Check]) -> dict[str, Check]:
    result = worst(checks)
    failed = [
        f"{c.name} ({c.part}): {c.error:.3g} > {c.limit:.3g}"
        for c in result.values()
        if not c.passed
    ]
    assert not failed, "\n".join(failed)
    return result


def on_mnist(root: Path, steps: int, seed: int | None = None) -> tuple[Recipe, Probe]:
    config = read_config(ROOT / "configs" / "cnn.yaml", [f"data.root={root}"])
    recipe = comparable_recipe(config, "cnn")
    prepared = prepare(recipe.data)
    assert prepared.dataset.name == "mnist"
    return recipe, probe_of(prepared, recipe, steps, seed)


def test_the_limits_are_those_that_were_set() -> None:
    assert (FLOAT64.forward, FLOAT64.gradient, FLOAT64.loss, FLOAT64.weights) == (
        1e-13,
        1e-13,
        1e-13,
        1e-12,
    )
    assert (FLOAT32.maps, FLOAT32.probabilities, FLOAT32.gradient) == (1e-6, 2e-7, 3e-6)
    assert (FLOAT32.weights, FLOAT32.step) == (3e-7, 1e-5)
    assert (FLOAT64.late_loss, FLOAT32.maps_alone) == (
        1e-12,
        3e-6,
    )  # from measurements: docs/results/parity.md


@pytest.mark.mnist
def test_a_hundred_steps_in_float64(mnist_root: Path) -> None:
    result = assert_passed(parity(*on_mnist(mnist_root, 100)))
    assert result["predictions"].part == "10000 images"


@pytest.mark.slow
@pytest.mark.mnist
def test_an_epoch_in_float64(mnist_root: Path) -> None:
    """938 steps: the whole of the source's 60,000 images, a little more than an epoch of the 54,000
    here.
    """
    result = assert_passed(parity(*on_mnist(mnist_root, 938)))
    assert result["predictions"].part == "10000 images"


@pytest.mark.parametrize("path", DIGIT_CONFIGS, ids=lambda path: path.stem)
def test_every_configuration(path: Path) -> None:
    """On the embedded digits, so that it needs no files: three steps in float64, all else in both
    types.
    """
    config = read_config(path, ["data.dataset=digits"])
    recipe = comparable_recipe(config, path.stem)
    probe = probe_of(prepare(recipe.data), recipe, 3)
    for dtype in ("float64", "float32"):
        assert_passed(parity(recipe, probe, dtype))


def test_a_single_sigmoid_unit() -> None:
    """Two classes by one unit: loss, gradients, steps and accuracy are Keras'."""
    spec = NetworkSpec.from_dict(
        SMALL
        | {
            "layers": [
                *SMALL["layers"][:-1],
                {"type": "dense", "name": "Dense_2", "units": 1, "activation": "sigmoid"},
            ]
        }
    )
    assert_passed(parity(plain_recipe(spec), random_probe(spec, 2)))


@pytest.mark.parametrize("name", ["RMSprop", "SGD", "Adam", "Nadam", "Adamax"])
def test_every_optimizer_over_a_network(name: str) -> None:
    """With batch normalisation, L1 and L2, decoupled weight decay and an exponential schedule."""
    spec = NetworkSpec.from_dict(SMALL)
    decay = Component(
        "ExponentialDecay", {"initial_learning_rate": 0.002, "decay_steps": 1, "decay_rate": 0.9}
    )
    recipe = replace(
        plain_recipe(spec, optimizer=name, **({"momentum": 0.9} if name == "SGD" else {})),
        schedule=decay,
        weight_decay=0.01,
    )
    result = assert_passed(parity(recipe, random_probe(spec, 5, steps=20)))
    assert result["slots"].difference.absolute < 1e-12


@pytest.mark.filterwarnings(
    "ignore:Even though the:UserWarning"
)  # of tf.data, which stays compiled
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=specs())
def test_random_networks(eager: None, spec: NetworkSpec) -> None:
    assert_passed(parity(plain_recipe(spec), random_probe(spec, 1, steps=1)))


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(spec=specs())
def test_many_random_networks(spec: NetworkSpec) -> None:
    assert_passed(parity(plain_recipe(spec), random_probe(spec, 1, steps=1)))


@pytest.mark.parametrize(
    "clipping", [Clipping(0.3), Clipping(0.01, "value")], ids=["norm", "value"]
)
def test_clipped_gradients(clipping: Clipping) -> None:
    """Lightning's `norm` is Keras' global_clipnorm, `value` its clipvalue.

    Without ours the weights part.
    """
    spec = NetworkSpec.from_dict(SMALL)
    recipe, probe = (
        replace(plain_recipe(spec, optimizer="SGD"), clipping=clipping),
        random_probe(spec, 3),
    )
    sides = keras_sides(recipe, "float64")
    assert_passed(parity(recipe, probe, theirs=sides))

    def unlimited(ours: TorchSide) -> TorchSide:
        return replace(ours, step=replace(ours.step, clipping=None))

    failed = {
        check.name
        for check in parity(recipe, probe, theirs=sides, plant=unlimited)
        if not check.passed
    }
    assert "trajectory" in failed


def test_optimizers_follow_the_rules() -> None:
    result = assert_passed(optimizer_rules())
    assert set(result) == {
        f"rule of {name}" for name in ("RMSprop", "SGD", "Adam", "Nadam", "Adamax")
    }


def test_schedules_are_equal_bit_for_bit() -> None:
    """So many steps that each staircase has a stair: the longest takes 1,000."""
    assert_passed(schedule_rules(1002))


def test_the_sources_learning_rates() -> None:
    """As the source prints them after 12,194 and 75,040 steps."""
    schedule = InverseTimeDecay(0.001, 1, 0.001)
    assert f"{schedule(12_194):.8e}" == "7.57920279e-05"
    assert f"{schedule(75_040):.8e}" == "1.31509732e-05"


def test_nan_and_other_shapes_never_pass() -> None:
    ones = np.ones(3)
    for other in (np.array([1, 1, np.nan]), np.array([1, 1, np.inf]), np.ones(4)):
        for pair in ((ones, other), (other, ones)):
            assert not absolute("x", "y", *pair, 1e300).passed
    assert difference(ones, ones).relative == 0


def test_keras_sides_are_one_where_there_is_no_dropout() -> None:
    whole, plain = keras_sides(plain_recipe(NetworkSpec.from_dict(SMALL)), "float32")
    assert whole is plain


def test_distance_travelled() -> None:
    """Euclidean, by hand: 0.5 apart after a way of 5; one side alone moved, and NaN, never pass."""
    start, theirs = np.zeros(3), np.array([3.0, 4.0, 0.0])
    assert moved("step", "w", theirs + [0.3, 0, 0.4], theirs, start, 1).travelled == pytest.approx(
        0.1
    )
    assert moved("step", "w", start, start, start, 1).travelled == 0
    assert moved("step", "w", theirs, start, start, 1).travelled == np.inf
    assert np.isnan(moved("step", "w", theirs * np.nan, theirs, start, 1).travelled)
