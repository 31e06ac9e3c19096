"""Networks with published ImageNet weights, under their publishers' layer names."""

from __future__ import annotations

from typing import Any

from .description import NetworkSpec
from .layer import Shape

_VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # filters and convolutions of each block
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLED_AFTER = (3, 5)  # the fire modules before SqueezeNet's second and third pooling


def vgg19(input_shape: Shape = (224, 224, 3), width: float = 1.0) -> NetworkSpec:
    """Return VGG19 without its dense layers (``include_top=False, pooling="avg"``).

    `width` multiplies the filters. Simonyan, Zisserman 2015 (arXiv:1409.1556).
    """
    layers: list[dict[str, Any]] = []
    for block, (filters, count) in enumerate(_VGG19, 1):
        layers += [
            _conv(f"block{block}_conv{number}", round(width * filters), 3)
            for number in range(1, count + 1)
        ]
        layers.append({"type": "pool", "name": f"block{block}_pool", "size": 2})
    layers.append({"type": "global_pool", "name": "global_average_pooling2d"})
    return NetworkSpec.from_dict({"input_shape": list(input_shape), "layers": layers})


def squeezenet(input_shape: Shape = (227, 227, 3), width: float = 1.0) -> NetworkSpec:
    """Return SqueezeNet 1.1 with Caffe's layer names, slashes as ``_``.

    `width` multiplies the filters except the classes'.

    Its pooling rounds up, as Caffe's does: a row and a column of zeros come before it. Iandola et
    al. 2016 (arXiv:1602.07360).
    """
    first = _conv("conv1", round(width * 64), 3) | {"stride": 2, "padding": "valid"}
    layers = [first, *_pooling("pool1")]
    for number, (squeezed, expanded) in enumerate(_FIRES, 2):
        layers += _fire(f"fire{number}", round(width * squeezed), round(width * expanded))
        if number in _POOLED_AFTER:
            layers += _pooling(f"pool{number}")
    layers += [
        {"type": "dropout", "name": "drop9", "rate": 0.5},
        _conv("conv10", 1000, 1),
        {"type": "global_pool", "name": "pool10"},
        {"type": "activation", "name": "prob", "activation": "softmax"},
    ]
    return NetworkSpec.from_dict({"input_shape": list(input_shape), "layers": layers})


def _conv(name: str, filters: int, kernel: int) -> dict[str, Any]:
    return {
        "type": "conv",
        "name": name,
        "filters": filters,
        "kernel": kernel,
        "padding": "same",
        "activation": "relu",
    }


def _pooling(name: str) -> list[dict[str, Any]]:
    return [
        {"type": "zero_pad", "name": f"{name}_pad", "padding": [[0, 1], [0, 1]]},
        {"type": "pool", "name": name, "size": 3, "stride": 2},
    ]


def _fire(name: str, squeezed: int, expanded: int) -> list[dict[str, Any]]:
    squeeze = f"{name}_squeeze1x1"
    expands = [f"{name}_expand1x1", f"{name}_expand3x3"]
    return [
        _conv(squeeze, squeezed, 1),
        _conv(expands[0], expanded, 1),
        _conv(expands[1], expanded, 3) | {"inputs": [squeeze]},
        {"type": "concatenate", "name": f"{name}_concat", "inputs": expands},
    ]
