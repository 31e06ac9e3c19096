"""Every layer type and every way of joining layers, against Keras: outputs, gradients, steps; and
their faults.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from keras_baseline.model import build_model, set_weights
from keras_baseline.recipe import Recipe, RecipeError
from keras_baseline.training import compiled_model
from lit_mnist.comparison.parity.keras_side import KerasSide, floatx
from lit_mnist.comparison.parity.levels import LIMITS, forward, keras_sides, parity
from lit_mnist.comparison.parity.probes import Probe, plain_recipe
from lit_mnist.comparison.parity.sides import Side, State
from lit_mnist.comparison.parity.torch_side import build_torch_side
from lit_mnist.network import Network, as_images
from lit_mnist.spec import ACTIVATIONS, LAYER_TYPES, NetworkSpec
from lit_mnist.spec.weights import weight_shapes
from tests.networks import graphs
from tests.parity.probes import random_probe

from .layer_faults import FAULTS, planted
from .layer_types import FIRST, IN_FLOAT32, NETWORKS, layer
from .test_parity import assert_passed

pytestmark = pytest.mark.keras
ALL = NETWORKS | IN_FLOAT32


@functools.cache
def subject(name: str) -> tuple[Recipe, Probe, tuple[Side, Side], str]:
    """One of the networks with Keras' sides of it, built once."""
    spec = NetworkSpec.from_dict(ALL[name])
    recipe, dtype = plain_recipe(spec, momentum=0.8), "float32" if name in IN_FLOAT32 else "float64"
    return recipe, random_probe(spec, 0, steps=2, batch=6), keras_sides(recipe, dtype), dtype


def test_every_type_and_activation_is_here() -> None:
    types = {entry["type"] for network in ALL.values() for entry in network["layers"]}
    used = {entry.get("activation") for network in ALL.values() for entry in network["layers"]}
    assert types == set(LAYER_TYPES)
    assert set(ACTIVATIONS) <= used


@pytest.mark.parametrize("name", ALL)
def test_outputs_gradients_and_steps(name: str) -> None:
    recipe, probe, theirs, dtype = subject(name)
    assert_passed(parity(recipe, probe, dtype, theirs=theirs))


@pytest.mark.parametrize("name", ALL)
def test_outputs_with_drawn_weights(name: str) -> None:
    """Initial weights are zeros and ones where layers scale and shift: here all are drawn, between
    0.5 and 1.5.
    """
    recipe, probe, _, dtype = subject(name)
    generator = np.random.default_rng(2)
    weights = {
        key: generator.uniform(0.5, 1.5, shape).astype(dtype) / (1 if len(shape) < 2 else shape[-2])
        for key, shape in weight_shapes(recipe.spec).items()
    }
    limits = LIMITS[dtype] if dtype == "float32" else replace(LIMITS[dtype], forward=1e-12)
    with floatx(dtype):
        ours = build_torch_side(recipe, dtype)
        theirs = KerasSide(recipe, dtype)  # anew: Keras' Normalization keeps what it traced
        for side in (ours, theirs):
            side.load(State(weights))
        assert_passed(forward(ours, theirs, probe, limits))


@pytest.mark.parametrize(("network", "broken"), FAULTS)
def test_a_fault_is_noticed(network: str, broken: str) -> None:
    recipe, probe, theirs, dtype = subject(network)
    checks = parity(recipe, probe, dtype, plant=planted(broken), theirs=theirs)
    noticed_by = FAULTS[network, broken][1]
    assert any(check.name == noticed_by and not check.passed for check in checks)


@pytest.mark.filterwarnings(
    "ignore:Even though the:UserWarning"
)  # of tf.data, which stays compiled
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=graphs())
def test_random_graphs(eager: None, spec: NetworkSpec) -> None:
    assert_passed(parity(plain_recipe(spec), random_probe(spec, 1, steps=1, batch=4)))


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(spec=graphs(max_layers=9))
def test_many_random_graphs(spec: NetworkSpec) -> None:
    assert_passed(parity(plain_recipe(spec), random_probe(spec, 1, steps=1, batch=4)))


@pytest.mark.parametrize(
    "end",
    [
        [layer("conv", "Scores", filters=3, activation="softmax"), layer("global_pool", "Global")],
        [
            layer("global_pool", "Global", keepdims=True),
            layer("conv", "Scores", filters=3, kernel=1, activation="softmax"),
            layer("flatten", "Flatten"),
            layer("dropout", "Dropout", rate=0.2),
        ],
    ],
)
def test_probabilities_that_reach_the_answer(end: list[dict]) -> None:
    """Softmax before pooling, or before a flatten: loss, gradients, steps and predictions are
    Keras'.
    """
    spec = NetworkSpec.from_dict({"input_shape": [8, 7, 2], "layers": [FIRST, *end]})
    assert spec.output_activation == spec.inner_probabilities == "softmax"
    checks = assert_passed(
        check
        for check in parity(plain_recipe(spec), random_probe(spec, 1, steps=2))
        if "saturated" not in check.name
    )
    assert {"forward", "loss", "gradient", "trajectory", "evaluation loss"} <= set(checks)


def test_several_outputs_agree_and_are_not_trained_by_keras() -> None:
    layers = [
        *NETWORKS["merges"]["layers"],
        {
            "type": "dense",
            "name": "Coarse",
            "units": 2,
            "activation": "sigmoid",
            "inputs": ["Squeeze"],
        },
    ]
    spec = NetworkSpec.from_dict(
        NETWORKS["merges"] | {"layers": layers, "outputs": ["Dense", "Coarse"]}
    )
    network = Network(spec, 3).double().eval()
    images = random_probe(spec, 1).images.astype(np.float64)
    with floatx("float64"):
        model = build_model(spec, "float64")
        set_weights(model, spec, network.named_weights())
        theirs = [output.numpy() for output in model(images, training=False)]
    ours = network.layer_values(as_images(images), *spec.kept)
    assert np.abs(network.probabilities(ours["Dense"]).detach().numpy() - theirs[0]).max() < 1e-13
    assert np.abs(ours["Coarse"].detach().numpy() - theirs[1]).max() < 1e-13
    with pytest.raises(
        RecipeError,
        match="outputs = .'Dense', 'Coarse'.: the Keras baseline trains networks of one",
    ):
        compiled_model(plain_recipe(spec))
