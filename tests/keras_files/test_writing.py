"""Files of ours: read back bit for bit, and loaded by Keras itself."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from lit_mnist.keras_files import KerasFileError, OptimizerState, read_keras, write_keras
from lit_mnist.network import Network, as_images
from lit_mnist.spec import NetworkSpec, SpecError
from lit_mnist.spec.weights import initial_weights, weight_shapes
from lit_mnist.training.exchange import from_state_dict, to_state_dict
from tests.keras_files.files import SPEC, fresh, frozen_state, some_state
from tests.networks import specs

STATES = {
    "SGD": some_state(SPEC, "SGD", ()),
    "SGD with momentum": some_state(SPEC, "SGD", ("momentum",), momentum=0.5, nesterov=True),
    "RMSprop": some_state(SPEC, "RMSprop", ("velocity",), rho=0.75),
    "RMSprop, all slots": some_state(
        SPEC,
        "RMSprop",
        ("velocity", "momentum", "average_gradient"),
        momentum=0.5,
        centered=True,
        epsilon=1e-3,
    ),
    "RMSprop, decaying": some_state(
        SPEC,
        "RMSprop",
        ("velocity",),
        learning_rate={
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "registered_name": None,
            "config": {"initial_learning_rate": 0.5, "decay_steps": 2, "decay_rate": 0.5},
        },
    ),
    "Adam": some_state(SPEC, "Adam", ("momentum", "velocity"), beta_1=0.5),
    "AMSGrad": some_state(SPEC, "Adam", ("momentum", "velocity", "velocity_hat"), amsgrad=True),
    "AdamW": some_state(SPEC, "AdamW", ("momentum", "velocity"), weight_decay=0.01),
    "Nadam": some_state(SPEC, "Nadam", ("momentum", "velocity")),
    "Adamax": some_state(SPEC, "Adamax", ("momentum", "norm")),
    "Adadelta": some_state(
        SPEC, "Adadelta", ("accumulated_grad", "accumulated_delta_var"), rho=0.75
    ),
    "Adagrad": some_state(SPEC, "Adagrad", ("accumulator",)),
}
ENDINGS = [".keras", ".h5"]


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    """Whether names, types and every bit are equal."""
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and np.array_equal(ours[name], theirs[name])
        for name in ours
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spec=specs())
def test_random_networks_come_back_as_they_were(tmp_path: Path, spec: NetworkSpec) -> None:
    random = np.random.default_rng(0)
    weights = {
        name: random.uniform(0.1, 1, shape).astype(np.float32)  # variances too, so above 0
        for name, shape in weight_shapes(spec).items()
    }
    for ending in ENDINGS:
        file = read_keras(write_keras(tmp_path / f"model{ending}", spec, weights))
        assert same(file.weights, weights)
        assert file.spec.table == spec.table and not file.notes
        # a leaky ReLU's slope that a spec leaves out is written out in a file, so specs are
        # compared by effect
        images = as_images(random.normal(size=(2, *spec.input_shape)).astype(np.float32))
        outputs = []
        for description in (spec, file.spec):
            network = Network(description).eval()
            network.load_weights(weights)
            with torch.no_grad():
                outputs.append(network(images))
        assert torch.equal(*outputs)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", STATES)
def test_optimiser_state_comes_back_bit_for_bit(tmp_path: Path, case: str, ending: str) -> None:
    state = STATES[case]
    path, _ = fresh(tmp_path / f"model{ending}", optimizer=state)
    result = read_keras(path).optimizer
    assert isinstance(result, OptimizerState)
    assert (result.name, result.iteration, dict(result.settings)) == (
        state.name,
        7,
        dict(state.settings),
    )
    assert result.learning_rate == (None if case == "RMSprop, decaying" else 0.125)
    assert result.slots.keys() == state.slots.keys()
    assert all(same(result.slots[slot], state.slots[slot]) for slot in state.slots)


def test_float64_stays_float64(tmp_path: Path) -> None:
    weights = {
        name: array.astype(np.float64) + 1e-12 for name, array in initial_weights(SPEC, 0).items()
    }
    for ending in ENDINGS:
        assert same(
            read_keras(write_keras(tmp_path / f"model{ending}", SPEC, weights)).weights, weights
        )


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for ending in ENDINGS:
        first, second = (
            fresh(tmp_path / f"{name}{ending}", optimizer=STATES["Adam"])[0] for name in "ab"
        )
        assert first.read_bytes() == second.read_bytes()


def test_a_transposed_kernel_or_swapped_layers_would_be_seen(tmp_path: Path) -> None:
    """The comparison that the tests here lean on does tell right from wrong."""
    path, weights = fresh(tmp_path / "model.h5")
    name = "model_weights/Conv2D_2/sequential/Conv2D_2/kernel"
    with h5py.File(path, "r+") as file:
        file[name][...] = file[name][()].transpose(1, 0, 2, 3)
    assert not same(read_keras(path).weights, weights)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_frozen_layer_keeps_its_weights_and_has_no_slots(tmp_path: Path, ending: str) -> None:
    state = frozen_state("Conv2D_1")
    file = read_keras(fresh(tmp_path / f"model{ending}", optimizer=state, frozen=["Conv2D_1"])[0])
    assert file.frozen == ("Conv2D_1",)
    assert file.spec == NetworkSpec.from_dict(SPEC.to_dict() | {"frozen": "Conv2D_1"})
    assert file.optimizer is not None, file.notes
    assert all(same(file.optimizer.slots[slot], state.slots[slot]) for slot in state.slots)
    with pytest.raises(KerasFileError, match="slot 'momentum' of 'Conv2D_1/kernel' is missing"):
        fresh(tmp_path / f"other{ending}", optimizer=state)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    weights = initial_weights(SPEC, 0)
    with pytest.raises(KerasFileError, match="unknown ending '.pt'; accepted: .keras, .h5, .hdf5"):
        write_keras(tmp_path / "model.pt", SPEC, weights)
    with pytest.raises(SpecError, match="'Dense_1/bias' is missing"):
        write_keras(
            tmp_path / "model.h5", SPEC, {k: v for k, v in weights.items() if k != "Dense_1/bias"}
        )
    with pytest.raises(KerasFileError, match="optimiser 'Lion' cannot be written"):
        write_keras(tmp_path / "model.h5", SPEC, weights, some_state(SPEC, "Lion", ("momentum",)))
    with pytest.raises(KerasFileError, match="slot 'velocity' of 'Conv2D_2/kernel' is missing"):
        write_keras(
            tmp_path / "model.h5", SPEC, weights, some_state(SPEC, "RMSprop", ("momentum",))
        )
    assert list(tmp_path.iterdir()) == []


def test_layers_get_the_names_asked_for(tmp_path: Path) -> None:
    names = {"Conv2D_1": "conv2d-1", "Dense_1": "a/b"}  # Keras 3 does not allow a slash
    for ending in ENDINGS:
        path, weights = fresh(tmp_path / f"model{ending}", names=names)
        file = read_keras(path)
        assert file.renamed == {"conv2d_1": "conv2d-1"}
        assert np.array_equal(file.weights["conv2d_1/kernel"], weights["Conv2D_1/kernel"])


@pytest.mark.parametrize(
    "case", [case for case in STATES if case not in ("AMSGrad", "SGD", "Adadelta", "Adagrad")]
)
def test_states_go_to_torch_and_back(case: str) -> None:
    """Keras file -> our optimiser's state dict (as a checkpoint holds it) -> Keras file."""
    state, network = STATES[case], Network(SPEC)
    content = to_state_dict(network, state)
    assert isinstance(content, dict), content
    result = from_state_dict(network, content, step=0)
    assert isinstance(result, OptimizerState), result
    assert (result.name, result.iteration) == (state.name.replace("AdamW", "Adam"), 7)
    assert all(same(result.slots[slot], state.slots[slot]) for slot in state.slots)
    assert (
        result.learning_rate == (0.5 if case == "RMSprop, decaying" else None)
        or result.learning_rate == 0.125
    )


def test_states_that_torch_cannot_hold_are_explained() -> None:
    network = Network(SPEC)
    assert (
        to_state_dict(network, STATES["AMSGrad"])
        == "Adam with amsgrad is no optimiser of this project"
    )
    plain = torch.optim.AdamW(network.parameters())
    network(torch.rand(2, 1, 8, 8)).sum().backward()
    plain.step()
    assert (
        from_state_dict(network, plain.state_dict(), 1)
        == "not an optimiser of lit_mnist.training.optimizers"
    )


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", STATES)
def test_keras_loads_every_optimiser_and_its_slots(tmp_path: Path, keras: Any, case: str) -> None:
    from lit_mnist.keras_files.slots import listed
    from lit_mnist.spec.weights import trainable_shapes

    state = STATES[case]
    path, weights = fresh(tmp_path / "model.keras", optimizer=state)
    model = keras.saving.load_model(path)
    assert all(
        np.array_equal(a, b) for a, b in zip(model.get_weights(), weights.values(), strict=True)
    )
    variables = listed(state, list(trainable_shapes(SPEC)))
    assert type(model.optimizer).__name__ == state.name
    for variable, (_, array) in zip(model.optimizer.variables, variables, strict=True):
        assert np.array_equal(variable.numpy(), array), variable.path
    model.train_on_batch(np.ones((2, 8, 8, 1), np.float32), np.array([0, 1]))
    assert int(model.optimizer.iterations) == 8


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_keras_goes_on_with_a_frozen_layer(tmp_path: Path, keras: Any) -> None:
    path, weights = fresh(
        tmp_path / "model.keras", optimizer=frozen_state("Conv2D_1"), frozen=["Conv2D_1"]
    )
    model = keras.saving.load_model(path)
    assert [layer.name for layer in model.layers if not layer.trainable] == ["Conv2D_1"]
    model.train_on_batch(np.ones((2, 8, 8, 1), np.float32), np.array([0, 1]))
    assert int(model.optimizer.iterations) == 8
    after = dict(zip(weights, model.get_weights(), strict=True))
    assert {name for name in weights if np.array_equal(after[name], weights[name])} == {
        "Conv2D_1/kernel",
        "Conv2D_1/bias",
    }


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ENDINGS)
def test_keras_loads_random_networks_and_predicts_the_same(
    tmp_path: Path, keras: Any, ending: str
) -> None:
    @settings(max_examples=8, deadline=None, database=None, derandomize=True)
    @given(spec=specs())
    def check(spec: NetworkSpec) -> None:
        path, weights = fresh(tmp_path / f"model{ending}", spec)
        model = keras.saving.load_model(path)
        assert [layer.name for layer in model.layers] == list(spec.names)
        assert [tuple(layer.output.shape[1:]) for layer in model.layers] == [
            i.output_shape for i in spec.table
        ]
        assert model.count_params() == spec.parameters
        network = Network(spec).eval()
        network.load_weights(weights)
        images = np.random.default_rng(0).uniform(0, 1, (3, *spec.input_shape)).astype(np.float32)
        with torch.no_grad():
            ours = network.probabilities(network(as_images(images))).numpy()
        assert np.abs(ours - np.asarray(model(images, training=False))).max() < 1e-6

    check()


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_layout_is_keras_own(tmp_path: Path, keras: Any) -> None:
    """What Keras writes after loading our file has our groups, attributes and arrays, name by
    name.
    """

    def tree(file: h5py.File) -> dict[str, Any]:
        result: dict[str, Any] = {}
        file.visititems(
            lambda name, item: result.__setitem__(
                name,
                getattr(
                    item,
                    "shape",
                    sorted((key, len(np.atleast_1d(value))) for key, value in item.attrs.items()),
                ),
            )
        )
        return result

    def trees(path: Path) -> dict[str, Any]:
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                return tree(file)
        with (
            zipfile.ZipFile(path) as archive,
            archive.open("model.weights.h5") as member,
            h5py.File(member) as file,
        ):
            return tree(file)

    for ending in ENDINGS:
        path, _ = fresh(tmp_path / f"ours{ending}")
        keras.saving.load_model(path).save(tmp_path / f"theirs{ending}")
        ours, theirs = trees(path), trees(tmp_path / f"theirs{ending}")
        (
            ours.pop("vars", None),
            theirs.pop("vars", None),
        )  # the model's own: empty, in Keras with its name
        assert ours == theirs
