"""Small untrained networks for the tests of activation maximisation, with starts and a short way to climb."""

from __future__ import annotations

import numpy as np
import torch

from lit_mnist.data import Standardizer
from lit_mnist.maximize import ascent as a
from lit_mnist.maximize.inputs import START, Fluctuations, Standardised, constraint_for
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec

SMALL = {"input_shape": [12, 12, 1], "layers": [
    {"type": "conv", "name": "Conv_1", "filters": 6, "activation": "relu"},
    {"type": "pool", "name": "Pool_1"},
    {"type": "conv", "name": "Conv_2", "filters": 8, "kernel": 2, "activation": "relu"},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"}]}
LINEAR = {"input_shape": [28, 28, 1], "layers": [
    {"type": "flatten", "name": "Flatten"}, {"type": "dense", "name": "Output", "units": 10, "activation": "softmax"}]}


def model_of(description: dict, kind: str = "global", double: bool = False) -> Model:
    spec = NetworkSpec.from_dict(description)
    images = np.random.default_rng(0).integers(0, 256, (20, *spec.input_shape[:2])).astype(np.uint8)
    network = Network(spec, seed=3).eval()
    return Model(network.double() if double else network, Standardizer.fit(kind, images), "digits", None, seed=3)


def start(rows: a.Rows, size: int = 12, constraint=Standardised()) -> torch.Tensor:  # noqa: B008 - frozen value
    return constraint.begin(Fluctuations().draw(rows.chances(START), (1, size, size)))


def climb(model: Model, stages, rows: a.Rows, **more) -> a.Ascent:
    return a.ascend(model.network, stages, start(rows, model.spec.input_shape[0]), rows, constraint_for(model), **more)
