"""Small networks with lively biases, sparse pictures and baselines, for the tests of
attribution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lit_mnist.attribution import (
    Baseline,
)
from lit_mnist.attribution.methods import Setting
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec

LINEAR = NetworkSpec.from_dict(
    {
        "layers": [
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense", "units": 10, "activation": "softmax"},
        ]
    }
)
SMALL = NetworkSpec.from_dict(
    {
        "layers": [  # the default network's geometry with few maps
            {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"},
            {"type": "pool", "name": "Max_Pool_1"},
            {"type": "conv", "name": "Conv2D_2", "filters": 6, "activation": "relu"},
            {"type": "pool", "name": "Max_Pool_2"},
            {"type": "conv", "name": "Conv2D_3", "filters": 8, "activation": "relu"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense_1", "units": 20, "activation": "relu"},
            {"type": "dense", "name": "Dense_2", "units": 10, "activation": "softmax"},
        ]
    }
)
NARROW = NetworkSpec.from_dict(
    {
        "input_shape": [5, 5, 1],
        "layers": [  # the last convolution is 1 x 1
            {"type": "conv", "name": "First", "filters": 4, "activation": "relu"},
            {"type": "conv", "name": "Last", "filters": 6, "activation": "relu"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense", "units": 3, "activation": "softmax"},
        ],
    }
)
VARIED = NetworkSpec.from_dict(
    {
        "input_shape": [12, 12, 1],
        "layers": [
            {"type": "rescaling", "name": "Scale", "factor": 0.5, "offset": 0.1},
            {"type": "zero_pad", "name": "Pad", "padding": [[1, 0], [2, 1]]},
            {
                "type": "conv",
                "name": "Conv_1",
                "filters": 4,
                "kernel": 3,
                "stride": 2,
                "activation": "relu",
            },
            {"type": "batch_norm", "name": "Norm"},
            {
                "type": "pool",
                "name": "Overlapping",
                "kind": "max",
                "size": 3,
                "stride": 1,
                "padding": "same",
            },
            {
                "type": "conv",
                "name": "Conv_2",
                "filters": 6,
                "kernel": 2,
                "padding": "same",
                "activation": "relu",
            },
            {"type": "pool", "name": "Mean", "kind": "average", "size": 2},
            {"type": "dropout", "name": "Drop", "rate": 0.3},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Hidden", "units": 18, "activation": "relu"},
            {"type": "reshape", "name": "Image", "shape": [3, 3, 2]},
            {"type": "pool", "name": "Unpadded", "kind": "max", "size": 2, "stride": 1},
            {"type": "global_pool", "name": "Global", "kind": "max"},
            {"type": "dense", "name": "Out", "units": 4, "activation": "softmax"},
        ],
    }
)
TANH = NetworkSpec.from_dict(
    {
        "input_shape": [8, 8, 1],
        "layers": [
            {"type": "conv", "name": "Conv", "filters": 3, "activation": "elu"},
            {"type": "pool", "name": "Pool", "size": 3, "stride": 2},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Out", "units": 3, "activation": "softmax"},
        ],
    }
)


def lively(network: Network, seed: int = 0) -> Network:
    """Give biases and running statistics values that matter: initial ones are zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "weight" not in name:
                noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64).to(
                    tensor
                )
                tensor.add_(0.3 * (noise if "var" in name else noise - 0.5))
    return network.eval()


def pictures(n: int, spec: NetworkSpec, seed: int = 0) -> Tensor:
    """Sparse images: most pixels are the background -0.4, as in standardised digits."""
    height, width, channels = spec.input_shape
    generator = torch.Generator().manual_seed(seed)
    ink = torch.rand(n, channels, height, width, generator=generator)
    return torch.where(ink > 0.6, 3 * ink, torch.tensor(-0.4))


def empty(spec: NetworkSpec, value: float = -0.4) -> Baseline:
    height, width, channels = spec.input_shape
    return Baseline("empty", torch.full((1, channels, height, width), value))


def several(spec: NetworkSpec) -> Baseline:
    return Baseline("digits", pictures(4, spec, seed=99))


def setting(spec: NetworkSpec) -> Setting:
    return Setting(empty(spec), several(spec), noise=0.3)
