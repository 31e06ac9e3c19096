"""Files of graphs and rarer layers that five Keras releases wrote (make_graphs.py; see
data/README.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lit_mnist.keras_files import KerasFile, OptimizerState, layout, read_keras, write_keras
from lit_mnist.network import Network, as_images
from lit_mnist.runs.model import open_model
from tests.keras_files.files import DATA, unpacked
from tests.keras_files.images import some_images

RELEASES = sorted(path.stem for path in (DATA / "graphs").glob("*.zip"))
FILES = (
    "k216_first.h5",
    "k216_graph.h5",
    "tf24_graph.h5",
    "tf24_modern.h5",
    "tf215_first.h5",
    "tf215_first.keras",
    "tf215_graph.h5",
    "tf215_graph.keras",
    "tf215_modern.h5",
    "tf215_modern.keras",
    "k305_first.h5",
    "k305_first.keras",
    "k305_graph.keras",
    "k305_modern.keras",
    "k315_first.h5",
    "k315_first.keras",
    "k315_graph.h5",
    "k315_graph.keras",
    "k315_modern.h5",
    "k315_modern.keras",
)
GRAPHS = [name for name in FILES if "_graph" in name]


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All releases' files."""
    folder = tmp_path_factory.mktemp("graphs")
    for release in RELEASES:
        unpacked(f"graphs/{release}", folder)
    return folder


def values(file: KerasFile, *names: str) -> list[np.ndarray]:
    """Probabilities, and the named layers' values, for the images on record."""
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    images = as_images(some_images(file.spec.input_shape[2]))
    with torch.no_grad():
        others = [network.layer_values(images, name)[name].numpy() for name in names]
        return [network.probabilities(network(images)).numpy(), *others]


def largest_difference(graphs: Path, name: str, file: KerasFile | None = None) -> float:
    """How far predictions are from those of the release that wrote the file, over all outputs."""
    release, kind = name.split(".")[0].split("_")
    results = values(file or read_keras(graphs / name), *(["side"] if kind == "graph" else []))
    with np.load(graphs / f"{release}.npz") as record:
        return max(
            float(np.abs(result - record[f"{kind}_{number}"]).max())
            for number, result in enumerate(results)
        )


def test_all_files_are_tried(graphs: Path) -> None:
    assert sorted(FILES) == sorted(path.name for path in graphs.glob("*_*"))


@pytest.mark.parametrize("name", FILES)
def test_predictions_are_those_of_the_release_that_wrote_it(graphs: Path, name: str) -> None:
    assert largest_difference(graphs, name) < 1e-6  # 1.2e-7 at most was measured


@pytest.mark.parametrize("name", [name for name in FILES if "_first" in name])
def test_channels_first_is_said_and_dense_kernels_are_turned(
    graphs: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flattened with their channels first, images reach the dense layer in another order than
    ours.
    """
    file = read_keras(graphs / name)
    assert file.spec.input_shape == (12, 12, 1) and file.channels_first
    assert "the file's images have their channels first, (1, 12, 12)" in file.notes[0]
    monkeypatch.setattr(layout.Turns, "turned", lambda self, name, array: array)
    assert largest_difference(graphs, name) > 1e-4  # as they stand in the file


def test_kernels_of_theano_are_turned_by_half_a_turn(graphs: Path) -> None:
    path = graphs / "k216_graph.h5"
    plain = read_keras(path).weights
    with h5py.File(path, "r+") as file:
        backend = file.attrs["backend"]
        file.attrs["backend"] = "theano"
    turned = read_keras(path).weights
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = backend
    assert np.array_equal(turned["a/kernel"], plain["a/kernel"][::-1, ::-1])
    assert np.array_equal(turned["out/kernel"], plain["out/kernel"])


@pytest.mark.parametrize("name", GRAPHS)
def test_nested_models_are_unfolded_and_second_calls_share_weights(graphs: Path, name: str) -> None:
    file = read_keras(graphs / name)
    assert {"nested_inside", "nested_norm", "nested_last"} <= set(file.spec.names)
    assert file.renamed["nested_inside"] == "nested/inside"
    assert file.spec["twice_call2"].type == "shared" and file.spec.kept == ("out", "side")
    assert any("2 outputs (out, side); 'out' is its answer" in note for note in file.notes)


def test_another_output_is_chosen_by_name(graphs: Path, tmp_path: Path, run_cli: Callable) -> None:
    path = graphs / "k315_graph.keras"
    code, _, err = run_cli("convert", path, tmp_path / "side.ckpt", "--output", "side")
    assert code == 0, err
    model = open_model(tmp_path / "side.ckpt")
    assert model.spec.kept == ("side", "out")
    with torch.no_grad():
        probabilities = model.network.probabilities(
            model.network(as_images(some_images(3)))
        ).numpy()
    with np.load(graphs / "k315.npz") as record:
        assert np.abs(probabilities - record["graph_1"]).max() < 1e-6
    code, out, err = run_cli("convert", path, tmp_path / "x.ckpt", "--output", "sied")
    assert code == 2 and not out and "no output 'sied' in this network; did you mean 'side'?" in err


@pytest.mark.parametrize("name", GRAPHS)
def test_adadeltas_slots_come_along_and_through_our_own_files(
    graphs: Path, tmp_path: Path, name: str
) -> None:
    file = read_keras(graphs / name)
    state = file.optimizer
    assert isinstance(state, OptimizerState), file.notes
    assert state.name == "Adadelta" and set(state.slots) == {
        "accumulated_grad",
        "accumulated_delta_var",
    }
    assert all(array.any() for arrays in state.slots.values() for array in arrays.values())
    for ending in (".keras", ".h5"):
        again = read_keras(
            write_keras(tmp_path / f"again{ending}", file.spec, file.weights, state, file.renamed)
        )
        assert all(
            np.array_equal(again.optimizer.slots[slot][weight], array)
            for slot, arrays in state.slots.items()
            for weight, array in arrays.items()
        )
        assert largest_difference(graphs, name, again) < 1e-6


@pytest.mark.parametrize("name", ["tf24_graph.h5", "tf215_graph.h5", "k315_graph.h5"])
def test_each_slot_belongs_to_the_weight_that_the_release_named(graphs: Path, name: str) -> None:
    state = read_keras(graphs / name).optimizer
    with h5py.File(graphs / name) as file:
        group = file["optimizer_weights"]
        named = [
            str(key if isinstance(key, str) else key.decode())
            for key in group.attrs["weight_names"]
        ]
        for weight, array in state.slots["accumulated_grad"].items():
            layer, kind = weight.removeprefix("nested_").split("/")
            keys = [
                key
                for key in named
                if "accum" in key
                and "delta_var" not in key
                and "accum_var" not in key
                and f"{layer}{'_' if name[0] == 'k' else '/'}" in key
                and kind in key
            ]
            assert any(np.array_equal(group[key][()], array) for key in keys), weight


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("tf_keras") is None, reason="needs the extra `keras`")
@pytest.mark.parametrize("name", ["tf215_first.keras", "tf215_modern.keras"])
def test_layers_are_compared_in_the_files_own_order(graphs: Path, name: str) -> None:
    """Of the axes (channels first, also where flattened) and of layers (softmax before its
    flattening).
    """
    from lit_mnist.comparison.parity.converted import layer_errors

    path = graphs / name
    file = read_keras(path)
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    images = some_images(file.spec.input_shape[2])
    result = layer_errors(network, file, path, path, images)
    assert result.loader.startswith("tf_keras") and result.independent and not result.differing
    assert set(file.spec.names) - set(result.errors) == set(file.moved)
    unaware = replace(file, orders={}, moved=())
    flattened = ("flat", "drop", "vector") if "first" in name else ("flat",)
    assert layer_errors(network, unaware, path, path, images).differing == flattened
