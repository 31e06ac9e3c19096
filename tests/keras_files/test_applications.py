"""Keras' own applications with random weights: each opened from its `.keras` and `.h5`, logits as
Keras' own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_mnist.keras_files import read_keras
from lit_mnist.network import Network, as_images
from tests.keras_files.conftest import needs_keras

ENDINGS = (".keras", ".h5")
FULL = {
    "VGG16": 224,
    "VGG19": 224,
    "ResNet50": 224,
    "ResNet50V2": 224,
    "MobileNet": 224,
    "MobileNetV2": 224,
    "MobileNetV3Small": 224,
    "DenseNet121": 224,
    "EfficientNetB0": 224,
    "InceptionV3": 299,
    "Xception": 299,
    "NASNetMobile": 224,
}
SMALL = {"MobileNetV3Small": 64}  # something of every kind of operation, in seconds


def relative_error(keras: Any, name: str, size: int, folder: Path, ending: str) -> float:
    """Largest difference of the logits, over the largest logit, on one random image."""
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classifier_activation=None
    )
    random = np.random.default_rng(2)
    for (
        variable
    ) in model.weights:  # statistics as training leaves them, so that signals pass through
        if "moving" in variable.path or "beta" in variable.path:
            variable.assign(variable + random.uniform(0, 0.1, variable.shape))
    model.save(folder / f"{name}{ending}")
    file = read_keras(folder / f"{name}{ending}")
    (folder / f"{name}{ending}").unlink()
    assert file.spec.parameters == model.count_params()
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    image = random.uniform(0, 1, (1, size, size, 3)).astype(np.float32)
    theirs = np.asarray(model(image, training=False))
    with torch.no_grad():
        ours = network(as_images(image)).numpy()
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@needs_keras
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", SMALL)
def test_small_images_give_keras_own_logits(
    tmp_path: Path, keras: Any, name: str, ending: str
) -> None:
    assert relative_error(keras, name, SMALL[name], tmp_path, ending) < 1e-5


@needs_keras
@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", FULL)
def test_whole_applications_give_keras_own_logits(
    tmp_path: Path, keras: Any, name: str, ending: str
) -> None:
    assert relative_error(keras, name, FULL[name], tmp_path, ending) < 1e-5
