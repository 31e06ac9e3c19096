"""Narrow VGG19s and pictures for tests of style transfer."""

from __future__ import annotations

from pathlib import Path

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
