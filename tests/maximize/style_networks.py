"""Narrow VGG19s and pictures for tests of style transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lit_mnist.data import Standardizer
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import imagenet

WIDTH = 1 / 16  # 4 to 32 filters a layer
SIZE = (36, 48)


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A random picture uint8 (H, W, 3) of patches, so that deep layers see something."""
    coarse = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4, 3))
    return coarse.astype(np.uint8).repeat(4, 0).repeat(4, 1)


def narrow_vgg19(seed: int = 0) -> Model:
    """A VGG19 with a sixteenth of the filters and random weights, scaled as Keras' own."""
    spec = imagenet.vgg19((32, 32, 3), WIDTH)
    standardizer = Standardizer.fit("caffe", np.zeros((1, *spec.input_shape), np.uint8))
    return Model(Network(spec, seed).eval(), standardizer, "folder", Path("vgg19.h5"), seed)


def keras_vgg19(keras: Any, width: float, size: int) -> Any:
    """VGG19 without its dense layers by Keras; written out here, so that it owes nothing to our
    description.
    """
    layers = [keras.Input((size, size, 3))]
    for block, (filters, count) in enumerate(
        ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)), start=1
    ):
        layers += [
            keras.layers.Conv2D(
                round(filters * width),
                3,
                padding="same",
                activation="relu",
                name=f"block{block}_conv{n}",
            )
            for n in range(1, count + 1)
        ]
        layers.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    return keras.Sequential(layers)
