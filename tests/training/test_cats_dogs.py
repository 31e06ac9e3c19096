"""The configurations for photographs of cats and dogs: each trains a batch, and keeps to the
sources' recipe.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.data import default_root
from lit_mnist.files import read_config
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.pretrained import source_weights
from lit_mnist.spec.applications import APPLICATIONS
from tests.conftest import ROOT, Run

SOURCES = ("cats_dogs", "cats_dogs_augmented")


@pytest.mark.parametrize("name", SOURCES)
def test_one_batch(name: str, run_cli: Run, cats_dogs: Path) -> None:
    """On a folder of noise: training, validation on the test folder, the test."""
    config = ROOT / "configs" / f"{name}.yaml"
    options = ["--data.root", cats_dogs, "--trainer.fast_dev_run", "true"]
    code, out, err = run_cli("fit", "--config", config, *options)
    assert code == 0, err
    assert "val/acc" in out + err


@pytest.mark.parametrize("name", SOURCES)
def test_the_folder_must_be_named(name: str, run_cli: Run, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIT_MNIST_DATA", str(tmp_path))
    code, _, err = run_cli("fit", "--config", ROOT / "configs" / f"{name}.yaml")
    assert code == 2
    assert "data.root" in err


def test_the_two_differ_in_their_augmentation_alone() -> None:
    plain, augmented = (read_config(ROOT / "configs" / f"{name}.yaml") for name in SOURCES)
    shifts = {"width_shift": 0.2, "height_shift": 0.2}
    assert augmented["data"].pop("augment") == shifts | {
        "shear_angle": 0.2,
        "zoom": 0.2,
        "fill_mode": "nearest",
    }
    assert plain == augmented


EFFICIENTNET = default_root() / "keras" / "efficientnet_lite0_imagenet.keras"


@pytest.mark.skipif(not EFFICIENTNET.is_file(), reason="EfficientNet's file is not at hand")
def test_transfer_from_efficientnet(
    run_cli: Run, cats_dogs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_MNIST_DATA", str(default_root()))
    config = ROOT / "configs" / "cats_dogs_efficientnet.yaml"
    spec = spec_of_config(config)
    assert (spec.parameters, spec.trainable_parameters) == (3_414_305, 1_281)
    assert spec.resting_value == "avg_pool"
    options = ["--data.root", cats_dogs, "--trainer.fast_dev_run", "true"]
    code, _, err = run_cli("fit", "--config", config, *options)
    assert code == 0, err
    assert "drawn: 1 layers, 1,281 parameters" in err


def test_inception_by_arithmetic() -> None:
    """The source prints the shape; 8,975,264 parameters up to mixed7, and the head's by hand."""
    spec = spec_of_config(ROOT / "configs" / "cats_dogs_inception.yaml")
    assert spec["mixed7"].output_shape == (7, 7, 768)
    head = (7 * 7 * 768 + 1) * 1024 + 1025
    assert (spec.parameters, spec.trainable_parameters) == (8_975_264 + head, head)
    assert spec.resting_value == "Flatten"


def test_inceptions_weights_that_cannot_be_had(run_cli: Run, cats_dogs: Path) -> None:
    """Offline and in no cache: one error with the address and the ways out."""
    config = ROOT / "configs" / "cats_dogs_inception.yaml"
    code, _, err = run_cli("fit", "--config", config, "--data.root", cats_dogs)
    assert code == 2
    assert APPLICATIONS["InceptionV3"].address in err and "ways out" in err


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, of NumPy's new rule
def test_inception_is_keras(
    run_cli: Run, cats_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Description, predictions and training on random weights; published files are read in the form
    that they have.
    """
    from keras_baseline.backend import load_keras
    from lit_mnist.keras_files import read_keras
    from lit_mnist.network import Network

    keras = load_keras()
    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    theirs = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(150, 150, 3), pooling="avg"
    )
    theirs.save(tmp_path / "inception.keras")
    file = read_keras(tmp_path / "inception.keras")
    described = APPLICATIONS["InceptionV3"].spec
    assert file.spec.layers == described.layers
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    images = np.random.default_rng(0).random((2, 150, 150, 3), np.float32)
    expected = np.array(theirs(images).numpy())
    with torch.no_grad():
        ours = network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    _check_published_form(keras, theirs, file.weights, tmp_path, monkeypatch)
    source = ["--model.network.from", tmp_path / "inception.keras"]
    options = ["--data.root", cats_dogs, "--trainer.fast_dev_run", 2, "--data.batch_size", 4]
    config = ROOT / "configs" / "cats_dogs_inception.yaml"
    code, _, err = run_cli("fit", "--config", config, *source, *options)
    assert code == 0, err
    assert "taken: 140 layers, 8,975,264 parameters" in err


def _check_published_form(
    keras, theirs, weights, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published file is of Keras 2: HDF5 with layers in order, called conv2d_1 to conv2d_94."""
    import hashlib

    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    keras.backend.clear_session()
    keras.layers.Conv2D(1, 1)  # takes the name conv2d, as something did where the file was made
    keras.layers.BatchNormalization()
    again = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(150, 150, 3)
    )
    application = APPLICATIONS["InceptionV3"]
    moved = [layer.name for layer in theirs.layers if layer.weights]
    for name, layer in zip(moved, (layer for layer in again.layers if layer.weights), strict=True):
        assert layer.name != name
        layer.set_weights(theirs.get_layer(name).get_weights())
    path = folder / "keras" / "models" / application.address.rsplit("/", 1)[-1]
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, again)
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(APPLICATIONS, "InceptionV3", replace(application, md5=digest))
    read = source_weights("InceptionV3")
    assert read.keys() == weights.keys()
    assert all(np.array_equal(array, weights[name]) for name, array in read.items())
