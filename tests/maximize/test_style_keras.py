"""VGG19 of random weights beside Keras' own: activations, and the source's losses by closed
formulas, within 1e-5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_mnist.data import Standardizer
from lit_mnist.maximize.style import content_loss, mean_gram, style_loss
from lit_mnist.maximize.style.extractor import Extractor
from lit_mnist.maximize.style.networks import layers_for
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.runs.published import keras_weights
from lit_mnist.spec import imagenet
from tests.keras_files.conftest import needs_keras
from tests.maximize.style_networks import WIDTH, keras_vgg19, picture

TOLERANCE = 1e-5


@needs_keras
@pytest.mark.parametrize(
    ("width", "size"), [(WIDTH, 48), pytest.param(1.0, 224, marks=pytest.mark.slow)]
)
def test_activations_and_losses_are_kerass(tmp_path: Path, width: float, size: int) -> None:
    from keras_baseline.backend import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(1)
    theirs = keras_vgg19(keras, width, size)
    theirs.save(tmp_path / "vgg19.h5")
    content_layer, style_layers = layers_for(imagenet.vgg19())
    names = (content_layer, *style_layers)
    pictures = np.stack([picture(seed, (size, size)) for seed in range(2)])
    extractor = Extractor(_opened(tmp_path / "vgg19.h5", width), names, (size, size))
    pixels = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        ours = [extractor(each[None]) for each in pixels]
    expected = _activations(keras, theirs, names, pictures)
    for name in names:
        for one, other in zip(ours, expected[name], strict=True):
            difference = np.abs(one[name][0].permute(1, 2, 0).numpy() - other).max()
            assert difference <= TOLERANCE * np.abs(other).max(), name
    f, p = expected[content_layer]
    loss = content_loss(ours[0][content_layer], ours[1][content_layer])
    np.testing.assert_allclose(loss, ((f - p) ** 2).sum() / 2, rtol=TOLERANCE)
    for name in style_layers:
        loss = style_loss(ours[0][name], mean_gram(ours[1][name]))
        np.testing.assert_allclose(loss, _closed(*expected[name]), rtol=TOLERANCE, err_msg=name)


def _opened(path: Path, width: float) -> Model:
    network = Network(imagenet.vgg19(width=width)).eval()
    network.load_weights(keras_weights(path, network.spec))
    scaling = Standardizer.fit("caffe", np.zeros((1, 2, 2, 3), np.uint8))
    return Model(network, scaling, "folder", path)


def _activations(
    keras: Any, model: Any, names: tuple[str, ...], pictures: np.ndarray
) -> dict[str, np.ndarray]:
    """Keras' own activations of pictures that Keras itself scaled, float64 (n, H, W, C)."""
    inputs = keras.applications.vgg19.preprocess_input(pictures.astype(np.float32))
    part = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    outputs = part(inputs, training=False)
    return {n: np.asarray(v, np.float64) for n, v in zip(names, outputs, strict=True)}


def _closed(f: np.ndarray, a: np.ndarray) -> float:
    """``sum((G - A)^2) / (4 N^2 M^2)`` of activations (H, W, N)."""
    maps = f.shape[2]
    places = f.shape[0] * f.shape[1]
    g, other = (np.einsum("xyi,xyj->ij", x, x) for x in (f, a))
    return ((g - other) ** 2).sum() / (4 * maps**2 * places**2)
