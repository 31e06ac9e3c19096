"""Every layer type in Keras' files: written here and loaded by Keras, written by Keras and read
here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from lit_mnist.keras_files import read_keras, write_keras
from lit_mnist.network import Network, as_images
from lit_mnist.spec import LAYER_TYPES, NetworkSpec, Shared
from lit_mnist.spec.weights import Weights, weight_shapes
from tests.keras_files.conftest import needs_keras
from tests.networks import graphs
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

SPECS = {name: NetworkSpec.from_dict(network) for name, network in (NETWORKS | IN_FLOAT32).items()}
ENDINGS = (".keras", ".h5")


def some_weights(spec: NetworkSpec) -> Weights:
    """Random weights above 0, as variances must be."""
    random = np.random.default_rng(3)
    return {
        name: np.asarray(
            random.uniform(0.1, 0.4, shape), np.int32 if name.endswith("count") else np.float32
        )
        for name, shape in weight_shapes(spec).items()
    }


def test_every_layer_type_is_here() -> None:
    assert {info.type for spec in SPECS.values() for info in spec.table} == set(LAYER_TYPES)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", SPECS)
def test_what_is_written_is_read_again(tmp_path: Path, case: str, ending: str) -> None:
    spec, weights = SPECS[case], some_weights(SPECS[case])
    file = read_keras(write_keras(tmp_path / f"model{ending}", spec, weights))
    names = {
        layer.name: f"{layer.shares}_call2" for layer in spec.layers if isinstance(layer, Shared)
    }
    assert {
        names.get(info.name, info.name): (info.type, info.output_shape, info.parameters)
        for info in spec.table
    } == {info.name: (info.type, info.output_shape, info.parameters) for info in file.spec.table}
    assert all(np.array_equal(file.weights[name], weights[name]) for name in weights)
    assert not [note for note in file.notes if "called" not in note]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spec=graphs())
def test_random_graphs_come_back_with_the_same_answer(tmp_path: Path, spec: NetworkSpec) -> None:
    weights = some_weights(spec)
    images = as_images(
        np.random.default_rng(1).uniform(0, 1, (2, *spec.input_shape)).astype(np.float32)
    )
    for ending in ENDINGS:
        file = read_keras(write_keras(tmp_path / f"model{ending}", spec, weights))
        answers = []
        for description, arrays in ((spec, weights), (file.spec, file.weights)):
            network = Network(description).eval()
            network.load_weights(arrays)
            with torch.no_grad():
                answers.append(network(images))
        assert torch.allclose(*answers, rtol=1e-5, atol=1e-6)


@needs_keras
@pytest.mark.parametrize("ending", ENDINGS)
def test_keras_loads_random_graphs(tmp_path: Path, keras: Any, ending: str) -> None:
    @settings(max_examples=6, deadline=None, database=None, derandomize=True)
    @given(spec=graphs())
    def check(spec: NetworkSpec) -> None:
        check_layers(write_keras(tmp_path / f"model{ending}", spec, some_weights(spec)))

    check()


@needs_keras
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", SPECS)
def test_keras_computes_the_same_layer_by_layer(
    tmp_path: Path, keras: Any, case: str, ending: str
) -> None:
    """Ours loaded by Keras, and Keras' own file of the same network read here."""
    from keras_baseline.model import build_model, set_weights

    spec = SPECS[case]
    if (
        ending == ".h5" and case == "scales"
    ):  # Keras 3.15 cannot load its own .h5 of normalisation over all axes
        entries = [entry for entry in NETWORKS[case]["layers"] if entry["name"] != "LayerNormAll"]
        spec = NetworkSpec.from_dict(NETWORKS[case] | {"layers": entries})
    weights = some_weights(spec)
    check_layers(write_keras(tmp_path / f"ours{ending}", spec, weights))
    model = build_model(spec)
    set_weights(model, spec, weights)
    model.save(tmp_path / f"keras{ending}")
    check_layers(tmp_path / f"keras{ending}")


def check_layers(path: Path) -> None:
    """Compare every layer of a file that Keras 3 loads."""
    from lit_mnist.comparison.parity.converted import layer_errors

    file = read_keras(path)
    network = Network(file.spec).eval()
    network.load_weights(
        {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in file.weights.items()
        }
    )
    images = np.random.default_rng(1).uniform(0, 1, (3, *file.spec.input_shape)).astype(np.float32)
    result = layer_errors(network, file, path, path, images)
    assert result.independent and not result.refusals, result.refusals
    assert set(result.errors) == set(file.spec.names)
    assert not result.differing, result
