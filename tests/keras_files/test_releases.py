"""Files that nine Keras releases wrote, not made by the code under test (see data/README.md)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lit_mnist.keras_files import KerasFile, OptimizerState, read_keras, read_weights, write_keras
from lit_mnist.network import Network, as_images
from tests.keras_files.files import DATA, RELEASES, unpacked
from tests.keras_files.images import some_images

MODELS = [
    (release, kind, ending)
    for release in RELEASES
    for kind in ("sequential", "functional")
    for ending in (".h5", ".keras")
    if ending == ".h5" or release in ("tf212", "tf215", "k305", "k315")
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All releases' files."""
    folder = tmp_path_factory.mktemp("releases")
    for release in RELEASES:
        unpacked(release, folder)
    return folder


def predictions(file: KerasFile) -> np.ndarray:
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    images = some_images(file.spec.input_shape[2])
    with torch.no_grad():
        return network.probabilities(network(as_images(images))).numpy()


def test_there_are_nine_releases() -> None:
    assert len(RELEASES) == 9, f"{DATA} is incomplete"
    assert len(MODELS) == 26


@pytest.mark.parametrize(("release", "kind", "ending"), MODELS)
def test_predictions_are_those_of_the_release_that_wrote_it(
    folder: Path, release: str, kind: str, ending: str
) -> None:
    file = read_keras(folder / f"{release}_{kind}{ending}")
    with np.load(folder / f"{release}.npz") as record:
        difference = np.abs(predictions(file) - record[kind]).max()
    assert difference < 1e-6  # issue 3's limit; 2.7e-7 at most was measured over the 26 files
    assert file.keras_version == str(np.load(folder / f"{release}.npz")["release"]).removeprefix(
        "keras "
    )


@pytest.mark.parametrize(("release", "kind", "ending"), MODELS)
def test_slots_come_along_and_through_our_own_files_unchanged(
    folder: Path, tmp_path: Path, release: str, kind: str, ending: str
) -> None:
    file = read_keras(folder / f"{release}_{kind}{ending}")
    state = file.optimizer
    assert isinstance(state, OptimizerState), file.notes
    assert (state.name, set(state.slots)) == {
        "sequential": ("RMSprop", {"velocity"}),
        "functional": ("Adam", {"momentum", "velocity"}),
    }[kind]
    without_count = state.name == "RMSprop" and release in ("k208", "k224")
    assert state.iteration == (None if without_count else 4)  # 6 images in batches of 3, 2 epochs
    assert all(array.any() for slot in state.slots.values() for array in slot.values())
    for suffix in (".keras", ".h5"):
        again = read_keras(
            write_keras(tmp_path / f"again{suffix}", file.spec, file.weights, state, file.renamed)
        )
        assert again.spec == file.spec and dict(again.renamed) == dict(file.renamed)
        assert all(np.array_equal(again.weights[name], file.weights[name]) for name in file.weights)
        assert all(
            np.array_equal(again.optimizer.slots[slot][name], state.slots[slot][name])
            for slot in state.slots
            for name in state.slots[slot]
        )


@pytest.mark.parametrize("release", [r for r in RELEASES if r not in ("k208", "k224", "k231")])
def test_each_slot_belongs_to_the_weight_that_the_release_named(folder: Path, release: str) -> None:
    """From TensorFlow 2.0 on, a slot's name in .h5 says weight and slot: our order must agree with
    it.
    """
    path = folder / f"{release}_functional.h5"
    state = read_keras(path).optimizer
    with h5py.File(path) as file:
        group = file["optimizer_weights"]
        named = {
            str(name if isinstance(name, str) else name.decode()): None
            for name in group.attrs["weight_names"]
        }
        for slot, mark in (("momentum", "m"), ("velocity", "v")):
            for weight, array in state.slots[slot].items():
                layer, name = weight.split("/")
                stems = (
                    f"Adam/{mark}/{layer}/{name}:0",
                    f"Adam/{layer}/{name}/{mark}:0",
                    f"{layer}_{name}_{slot}",
                    f"adam/{layer}_{name}_{slot}",
                )
                (result,) = [stem for stem in stems if stem in named]
                assert np.array_equal(group[result][()], array), result


@pytest.mark.parametrize("release", RELEASES)
def test_weights_alone_are_read_with_the_network_given(folder: Path, release: str) -> None:
    file = read_keras(folder / f"{release}_functional.h5")
    path = folder / (
        f"{release}.weights.h5" if release in ("k305", "k315") else f"{release}_weights.h5"
    )
    with pytest.raises(
        ValueError, match=f"{path.name}: weights only, without a network, .* --config"
    ):
        read_keras(path)
    weights = read_weights(path, file.spec)
    assert all(np.array_equal(weights[name], file.weights[name]) for name in file.weights)


@pytest.mark.parametrize("whole", [True, False])
def test_groups_that_windows_joined_with_a_backslash_are_read(
    folder: Path, tmp_path: Path, whole: bool
) -> None:
    r"""tf.keras 2.13 to 2.15 on Windows calls one group ``layers\dense`` where others nest two."""
    file = read_keras(folder / "tf215_sequential.keras")
    path = joined_by_backslashes(folder / "tf215_sequential.keras", tmp_path, whole)
    if whole:
        again = read_keras(path)
        assert again.optimizer is not None and again.spec == file.spec
    weights = read_weights(path, file.spec)
    assert all(np.array_equal(weights[name], file.weights[name]) for name in file.weights)


def joined_by_backslashes(path: Path, folder: Path, whole: bool) -> Path:
    """Return a copy as Windows writes it: the archive where `whole`, else its weights alone."""
    target = folder / "model.weights.h5"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with (
        h5py.File(io.BytesIO(members["model.weights.h5"])) as source,
        h5py.File(target, "w") as store,
    ):
        (top,) = (name for name in source if "layers" in name or "layer_" in name)
        for name in source[top]:
            source.copy(f"{top}/{name}", store, name=rf"{top}\{name}")
        for name in source.keys() - {top}:
            source.copy(name, store)
    if not whole:
        return target
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in (members | {"model.weights.h5": target.read_bytes()}).items():
            archive.writestr(name, content)
    return folder / "model.keras"


def test_names_that_cannot_be_kept_are_changed_and_said(folder: Path) -> None:
    file = read_keras(folder / "k224_sequential.h5")
    assert file.renamed == {
        "conv2d_1": "conv2d-1",
        "layer_train": "train",
        "layer_probabilities": "probabilities",
    }
    assert "layer 'conv2d-1' is called 'conv2d_1' here" in file.notes


def test_a_group_called_conv2d_1_may_hold_the_layer_called_conv2d_2(folder: Path) -> None:
    """The store's keys count classes: here ``layers/conv2d`` is Conv2D_2, and ``conv2d_1`` is
    ``conv2d-1``.
    """
    file = read_keras(folder / "k315_sequential.keras")
    assert file.weights["Conv2D_2/kernel"].shape == (3, 3, 1, 3)
    assert file.weights["conv2d_1/kernel"].shape == (2, 3, 3, 4)
