"""Results that are mere rounding are measured against their terms; faults in them still fail."""

from __future__ import annotations

import pytest

from lit_mnist.comparison.parity.checks import difference
from lit_mnist.comparison.parity.levels import FLOAT32, FLOAT64, keras_sides, parity
from lit_mnist.comparison.parity.probes import plain_recipe
from lit_mnist.comparison.parity.terms import Terms
from lit_mnist.comparison.parity.torch_side import TorchSide, build_torch_side
from lit_mnist.spec import NetworkSpec
from tests.parity.probes import random_probe
from tests.parity.test_parity import assert_passed

pytestmark = pytest.mark.keras

SPEC = NetworkSpec.from_dict(
    {
        "input_shape": [7, 6, 2],
        "layers": [
            {"type": "conv", "name": "Shifted", "filters": 3},  # the next layer takes the bias out
            {"type": "batch_norm", "name": "Norm"},
            {"type": "rescaling", "name": "Tiny", "factor": 1e-5},
            {"type": "activation", "name": "Elu", "activation": "elu"},  # exp(x) - 1 in TensorFlow
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Output", "units": 3, "activation": "softmax"},
        ],
    }
)
BIAS = "Shifted/bias"
RECIPE = plain_recipe(SPEC)
PROBE = random_probe(SPEC, 1, steps=1)


@pytest.fixture(scope="module")
def sides() -> tuple:
    return keras_sides(RECIPE, "float64")


def test_rounding_passes(sides: tuple) -> None:
    """Relative to its own size, it does not."""
    assert_passed(parity(RECIPE, PROBE, theirs=sides))
    ours, theirs = build_torch_side(RECIPE, "float64"), sides[1]
    ours.load(theirs.state())
    a, b = (side.loss_and_gradients(PROBE.images, PROBE.labels)[1] for side in (ours, theirs))
    assert difference(a[BIAS], b[BIAS]).relative > FLOAT64.gradient
    a, b = (side.layers(PROBE.images) for side in (ours, theirs))
    assert difference(a["Elu"], b["Elu"]).relative > FLOAT64.forward


def _moved_gradient(ours: TorchSide) -> TorchSide:
    """Add to the bias' gradient what is far below its terms, and far above their rounding."""
    bias = dict(ours.network.named_parameters())["Shifted.conv.bias"]
    bias.register_hook(lambda gradient: gradient + 1e-14)
    return ours


def _moved_output(ours: TorchSide) -> TorchSide:
    ours.network.Elu.register_forward_hook(lambda module, inputs, output: output + 1e-14)
    return ours


@pytest.mark.parametrize(
    ("plant", "noticed_by", "part"),
    [(_moved_gradient, "gradient", BIAS), (_moved_output, "forward", "Elu")],
)
def test_a_fault_in_rounding_is_noticed(sides, plant, noticed_by: str, part: str) -> None:
    checks = parity(RECIPE, PROBE, theirs=sides, plant=plant)
    assert (noticed_by, part) in {(c.name, c.part) for c in checks if not c.passed}


def test_results_of_their_own_size_have_no_larger_terms(sides: tuple) -> None:
    theirs = sides[1]
    terms = Terms(theirs, FLOAT32.forward, FLOAT32.gradient)
    outputs = theirs.layers(PROBE.images)
    sizes = terms.of_layers(PROBE)()
    assert {name for name in sizes if sizes[name] > abs(outputs[name]).max()} == {"Elu", "Flatten"}
    gradients = theirs.loss_and_gradients(PROBE.images, PROBE.labels)[1]
    sizes = terms.of_gradients(PROBE)()
    assert sizes[BIAS] > 1e6 * abs(gradients[BIAS]).max()
    assert sizes["Output/bias"] < abs(gradients["Output/bias"]).max()
