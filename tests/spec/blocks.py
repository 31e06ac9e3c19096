"""Parts of networks that branch."""

from __future__ import annotations

from lit_mnist.spec import NetworkSpec

OUT = {"type": "dense", "name": "Out", "units": 10, "activation": "softmax"}
FLATTEN = {"type": "flatten", "name": "Flatten"}
RESIDUAL = [
    {"type": "conv", "name": "Conv2D_1", "filters": 4, "padding": "same"},
    {"type": "conv", "name": "Conv2D_2", "filters": 4, "padding": "same", "inputs": ["Conv2D_1"]},
    {"type": "add", "name": "Add_1", "inputs": ["Conv2D_1", "Conv2D_2"]},
]


def build(*layers: dict, **values: object) -> NetworkSpec:
    return NetworkSpec.from_dict({"input_shape": [12, 12, 1], "layers": list(layers)} | values)
