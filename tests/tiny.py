"""A small untrained network with all that a trained one carries, for tests of what looks inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lit_mnist import capture
from lit_mnist.data import Standardizer
from lit_mnist.inside.passes import batches
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec

LAYERS = [
    {"type": "conv", "name": "Conv2D_1", "filters": 5, "kernel": 3, "activation": "relu"},
    {"type": "pool", "name": "Max_Pool_1", "size": 2},
    {"type": "conv", "name": "Conv2D_2", "filters": 9, "kernel": 3, "activation": "tanh"},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
]


def model_of(spec: NetworkSpec, seed: int = 0, dataset: str = "digits") -> Model:
    """A model of `spec` with pixels divided by 255."""
    standardizer = Standardizer.fit("unit", np.zeros((1, *spec.input_shape[:2]), np.uint8))
    return Model(Network(spec, seed).eval(), standardizer, dataset, Path("tiny.ckpt"), seed)


def all_values(model: Model, pixels: np.ndarray, size: int, layer: str) -> np.ndarray:
    """Return a layer's values (images, maps, positions) from passes of `size` images, whose rounding depends on it."""
    parts = []
    for batch in batches(model, pixels, size):
        with torch.no_grad(), capture(model.network, layer) as maps:
            model.network(batch)
        parts.append(maps[layer].numpy())
    values = np.concatenate(parts)
    return values.reshape(*values.shape[:2], -1)


def tiny_model(seed: int = 0) -> Model:
    """Two convolutions on 28 x 28, said to be trained on the embedded digits."""
    return model_of(NetworkSpec.from_dict({"layers": LAYERS}), seed)
