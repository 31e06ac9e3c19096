"""Named weights in Keras' layout: initial values, and conversion to torch's layout and back.

Weights are a ``dict`` from ``"<layer>/<weight>"`` (``"Conv2D_1/kernel"``) to an array. Keras keeps
convolution kernels as (rows, columns, in, out) and dense kernels as (in, out), and flattens an
image rows first, channels last; torch keeps (out, in, rows, columns) and (out, in), and flattens
channels first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..errors import listed
from . import INITIALIZER_SCALE, LayerInfo, NetworkSpec, Shape, SpecError

Weights = dict[str, np.ndarray]

_SCALED = {"gamma": "weight", "beta": "bias"}
_TORCH_NAMES = {
    "conv": {"kernel": "conv.weight", "bias": "conv.bias"},
    "depthwise_conv": {"kernel": "conv.weight", "bias": "conv.bias"},
    "separable_conv": {
        "depthwise_kernel": "depthwise.weight",
        "pointwise_kernel": "pointwise.weight",
        "bias": "pointwise.bias",
    },
    "transposed_conv": {"kernel": "conv.weight", "bias": "conv.bias"},
    "dense": {"kernel": "dense.weight", "bias": "dense.bias"},
    "distances": {"centres": "centres"},
    "batch_norm": _SCALED | {"moving_mean": "running_mean", "moving_variance": "running_var"},
    "layer_norm": _SCALED,
    "group_norm": _SCALED,
    "normalization": {"mean": "mean", "variance": "variance", "count": "count"},
    "prelu": {"alpha": "activation.alpha"},
}
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "centres")
_TO_FRONT = {
    2: (1, 0),
    3: (2, 0, 1),
    4: (3, 2, 0, 1),
}  # Keras' axes in torch's order: dense, per value, convolution
_DEPTHWISE = (2, 3, 0, 1)  # (rows, columns, in, multiplier) -> (in, multiplier, rows, columns)


def weight_shapes(spec: NetworkSpec) -> dict[str, Shape]:
    """Return ``"<layer>/<weight>" -> shape`` in Keras' layout and order."""
    return {
        f"{info.name}/{name}": shape for info in spec.table for name, shape in info.weights.items()
    }


def trainable_shapes(spec: NetworkSpec) -> dict[str, Shape]:
    """Return ``"<layer>/<weight>" -> shape`` of the trainable weights, in Keras' order."""
    return {
        f"{layer.name}/{name}": shape
        for layer in spec.layers
        for name, shape in spec[layer.name].weights.items()
        if name in layer.trainable_weights
    }


def penalties(spec: NetworkSpec) -> Iterator[tuple[str, float, float]]:
    """Yield ``("<layer>/<weight>", l1, l2)`` of every regularised weight.

    Frozen ones give no penalty.
    """
    for layer in spec.layers:
        l1 = getattr(layer, "l1", 0.0)
        l2 = getattr(layer, "l2", 0.0)
        if (l1 or l2) and layer.trainable:  # so that others cost no time
            yield from ((f"{layer.name}/{name}", l1, l2) for name in layer.regularized)


def torch_name(spec: NetworkSpec, name: str) -> str:
    """Return a weight's state-dict key: ``"Conv2D_1/kernel"`` -> ``"Conv2D_1.conv.weight"``."""
    layer, weight = name.split("/")
    return f"{layer}.{_TORCH_NAMES[spec[layer].type][weight]}"


def initial_weights(spec: NetworkSpec, seed: int) -> Weights:
    """Draw the initial weights, float32, the same for both frameworks.

    ``glorot_uniform``: kernels uniform in +-sqrt(6 / (fan_in + fan_out)), biases zero (Keras'
    default; Glorot & Bengio 2010). ``inverse_sqrt_uniform``: kernels and biases uniform in +-scale
    / sqrt(fan_in), where scale is the description's `initializer_scale`, 2 without it. Each weight
    has a generator of its own, so that adding a layer does not change the others' initial weights.
    """
    shapes = weight_shapes(spec).items()
    return {
        name: _initial(spec, name, shape, [seed, index])
        for index, (name, shape) in enumerate(shapes)
    }


def _initial(spec: NetworkSpec, name: str, shape: Shape, entropy: list[int]) -> np.ndarray:
    layer, weight = name.split("/")
    if weight in ("gamma", "moving_variance", "variance"):
        return np.ones(shape, np.float32)
    if weight == "count":
        return np.zeros(shape, np.int32)
    if not (weight in _KERNELS or (weight == "bias" and spec.initializer != "glorot_uniform")):
        return np.zeros(shape, np.float32)
    weights = spec[layer].weights
    kernel = (
        weight
        if weight in _KERNELS
        else next(key for key in reversed(list(weights)) if key in _KERNELS)
    )
    limit = _limit(spec, weights[kernel])
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def _limit(spec: NetworkSpec, kernel: Shape) -> float:
    field = math.prod(kernel[:-2])
    fan_in = field * kernel[-2]
    fan_out = field * kernel[-1]
    if spec.initializer == "glorot_uniform":
        return math.sqrt(6 / (fan_in + fan_out))
    scale = INITIALIZER_SCALE if spec.initializer_scale is None else spec.initializer_scale
    return scale / math.sqrt(fan_in)


def to_torch(spec: NetworkSpec, weights: Weights) -> Weights:
    """Return the weights under torch's state-dict keys and in torch's layout.

    Raises SpecError if a weight is missing, unknown or of another shape.
    """
    check_weights(spec, weights)
    return {
        torch_name(spec, name): np.array(_to_torch(spec, name, weights[name]), order="C")
        for name in weight_shapes(spec)
    }


def from_torch(spec: NetworkSpec, state: Weights) -> Weights:
    """Return the weights of a torch state dict (as arrays) in Keras' names and layout."""
    missing = [
        key
        for key in map(lambda name: torch_name(spec, name), weight_shapes(spec))
        if key not in state
    ]
    if missing:
        raise SpecError(
            f"weight {missing[0]!r} is missing; accepted: the state dict of this network"
        )
    weights = {
        name: np.array(
            _from_torch(spec, name, np.asarray(state[torch_name(spec, name)])), order="C"
        )
        for name in weight_shapes(spec)
    }
    check_weights(spec, weights)
    return weights


def check_weights(spec: NetworkSpec, weights: Weights) -> None:
    """Raise SpecError unless `weights` are exactly those that `spec` needs."""
    expected = weight_shapes(spec)
    for name in (*expected, *weights):
        if name not in weights or name not in expected:
            problem = "is missing" if name in expected else "belongs to no layer"
            raise SpecError(f"weight {name!r} {problem}; this network has: {listed(expected)}")
        if tuple(weights[name].shape) != tuple(expected[name]):
            raise SpecError(
                f"weight {name!r} has shape {tuple(weights[name].shape)}; accepted: "
                f"{expected[name]}"
            )


def flattened_image(spec: NetworkSpec, layer: str) -> Shape | None:
    """Return the (height, width, channels) that torch flattened into layer `layer`, or None.

    If `spec.flatten_order_is_free` is false, torch flattens as Keras does, and nothing is permuted.
    Layers in between that keep the order (dropout, activation, rescaling) are skipped; batch
    normalisation is permuted too.
    """
    return _flattened(spec, spec.names.index(spec[layer].name))


def flattened_output(spec: NetworkSpec, layer: str) -> Shape | None:
    """Return the (height, width, channels) whose values layer `layer` gives as torch flattened
    them, or None.
    """
    return _flattened(spec, spec.names.index(spec[layer].name) + 1)


def _flattened(spec: NetworkSpec, count: int) -> Shape | None:
    """Return the image that is flattened after the first `count` layers."""
    if not spec.flatten_order_is_free:
        return None
    shape: Shape | None = None
    for layer, info in zip(spec.layers[:count], spec.table, strict=False):
        if info.type == "flatten" and len(info.input_shape) == 3:
            shape = info.input_shape
        elif layer.reads_vector or info.type in ("reshape", "global_pool"):
            shape = None
    return shape


def _permutation(spec: NetworkSpec, info: LayerInfo) -> np.ndarray | None:
    """Return the index in Keras' order (channels last) of torch's features (channels first)."""
    permuted = spec.layer(info.name).reads_vector or info.type == "batch_norm"
    image = flattened_image(spec, info.name) if permuted else None
    if image is None:
        return None
    return np.arange(math.prod(image)).reshape(image).transpose(2, 0, 1).ravel()


def _axes(spec: NetworkSpec, name: str) -> tuple[int, ...]:
    """Return Keras' axes of a weight in the order in which torch has them."""
    layer, weight = name.split("/")
    info = spec[layer]
    rank = len(info.weights[weight])
    if weight == "depthwise_kernel" or (weight == "kernel" and info.type == "depthwise_conv"):
        return _DEPTHWISE
    return _TO_FRONT.get(rank, tuple(range(rank)))


def _follows_order(info: LayerInfo, weight: str) -> bool:
    """Whether a weight's first axis is the input's values."""
    return weight in ("kernel", "centres") or info.type == "batch_norm"


def _to_torch(spec: NetworkSpec, name: str, array: np.ndarray) -> np.ndarray:
    layer, weight = name.split("/")
    info = spec[layer]
    axes = _axes(spec, name)
    order = _permutation(spec, info)
    if order is not None and _follows_order(info, weight):
        array = array[order]
    array = array.transpose(axes)
    return array.reshape(-1, 1, *array.shape[2:]) if axes == _DEPTHWISE else array


def _from_torch(spec: NetworkSpec, name: str, array: np.ndarray) -> np.ndarray:
    layer, weight = name.split("/")
    info = spec[layer]
    axes = _axes(spec, name)
    if axes == _DEPTHWISE:
        array = array.reshape(tuple(info.weights[weight][axis] for axis in axes))
    array = array.transpose(tuple(np.argsort(axes)))
    order = _permutation(spec, info)
    if order is not None and _follows_order(info, weight):
        array = array[np.argsort(order)]
    return array
