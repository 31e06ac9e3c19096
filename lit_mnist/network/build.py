"""The module of each layer type: one function a type, chosen by the layer's class.

Each layer's value is what Keras' layer of that name gives; modules inside are named for the state
dict's keys (`lit_mnist.spec.weights`), and ``activation`` for capture.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import singledispatch

from torch import nn

from .. import spec as s
from ..spec.weights import flattened_image
from . import activations, distances, merging, noise, reshaping, scaling


@dataclass(frozen=True)
class Place:
    """Where a layer stands: the network, and the layer's row of its table."""

    spec: s.NetworkSpec
    info: s.LayerInfo

    @property
    def shape(self) -> s.Shape:
        """Shape of the (first) input."""
        return self.info.input_shape

    @property
    def is_answer(self) -> bool:
        """Whether the layer gives the network's answer."""
        return self.info.name == self.spec.output


@singledispatch
def build(layer: s.Layer, place: Place) -> nn.Module:
    """Return the module of a layer at its place."""
    raise TypeError(f"no module for a {type(layer).__name__} layer")


def _named(**modules: nn.Module) -> nn.Sequential:
    """Wrap even single modules.

    Torchvision's feature extractor mistakes a bare `Max_Pool_2` for another layer.
    """
    return nn.Sequential(OrderedDict(modules))


def _activation(layer: s.Activated | s.Activation, place: Place) -> nn.Module:
    return activations.activation(layer, place.is_answer)


# ---- kernels


@build.register
def _(layer: s.Conv, place: Place) -> nn.Module:
    padding, pad = _padding(layer, place.shape)
    conv = nn.Conv2d(
        place.shape[2],
        layer.filters,
        layer.kernel,
        layer.stride,
        padding,
        layer.dilation,
        layer.groups,
        layer.use_bias,
    )
    return _named(**pad, conv=conv, activation=_activation(layer, place))


@build.register
def _(layer: s.DepthwiseConv, place: Place) -> nn.Module:
    return _named(
        **_depthwise(layer, place.shape, "conv", layer.use_bias),
        activation=_activation(layer, place),
    )


@build.register
def _(layer: s.SeparableConv, place: Place) -> nn.Module:
    pointwise = nn.Conv2d(place.shape[2] * layer.multiplier, layer.filters, 1, bias=layer.use_bias)
    return _named(
        **_depthwise(layer, place.shape, "depthwise", False),
        pointwise=pointwise,
        activation=_activation(layer, place),
    )


@build.register
def _(layer: s.TransposedConv, place: Place) -> nn.Module:
    more = layer.beyond(place.shape)  # -1: a last row too many
    conv = nn.ConvTranspose2d(
        place.shape[2],
        layer.filters,
        layer.kernel,
        layer.stride,
        layer.cut_before,
        (max(more[0], 0), max(more[1], 0)),
        bias=layer.use_bias,
        dilation=layer.dilation,
    )
    crop = reshaping.Crop(((0, max(-more[0], 0)), (0, max(-more[1], 0))))
    return _named(
        conv=conv, **({"crop": crop} if min(more) < 0 else {}), activation=_activation(layer, place)
    )


@build.register
def _(layer: s.Dense, place: Place) -> nn.Module:
    dense = nn.Linear(place.shape[0], layer.units, layer.use_bias)
    return _named(dense=dense, activation=_activation(layer, place))


@build.register
def _(layer: s.Distances, place: Place) -> nn.Module:
    return distances.Distances(place.shape[0], layer.units)


def _depthwise(
    layer: s.DepthwiseConv, shape: s.Shape, name: str, bias: bool
) -> dict[str, nn.Module]:
    padding, pad = _padding(layer, shape)
    conv = nn.Conv2d(
        shape[2],
        shape[2] * layer.multiplier,
        layer.kernel,
        layer.stride,
        padding,
        layer.dilation,
        shape[2],
        bias,
    )
    return pad | {name: conv}


def _padding(layer: s.Scanning, shape: s.Shape) -> tuple[tuple[int, int], dict[str, nn.Module]]:
    """Split 'same' padding into the convolution's own part and, if uneven, a module before it."""
    if layer.padding == "valid":
        return (0, 0), {}
    rows, columns = s.same_padding(shape, layer.reach, layer.stride)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return (rows[0], columns[0]), {}
    return (0, 0), {"pad": reshaping.zero_pad((rows, columns))}


# ---- shapes


@build.register
def _(layer: s.Pool, place: Place) -> nn.Module:
    if layer.padding == "same":
        sides = s.same_padding(place.shape, layer.size, layer.step)
        return _named(pool=reshaping.SamePool(layer.kind, layer.size, layer.step, sides))
    return _named(
        pool=(nn.MaxPool2d if layer.kind == "max" else nn.AvgPool2d)(layer.size, layer.step)
    )


@build.register
def _(layer: s.GlobalPool, place: Place) -> nn.Module:
    pool = (nn.AdaptiveMaxPool2d if layer.kind == "max" else nn.AdaptiveAvgPool2d)(1)
    return _named(pool=pool) if layer.keepdims else _named(pool=pool, flatten=nn.Flatten())


@build.register
def _(layer: s.ZeroPad, place: Place) -> nn.Module:
    return _named(pad=reshaping.zero_pad(layer.padding))


@build.register
def _(layer: s.Cropping, place: Place) -> nn.Module:
    return _named(crop=reshaping.Crop(layer.cropping))


@build.register
def _(layer: s.Upsampling, place: Place) -> nn.Module:
    scale = float(layer.size[0]), float(layer.size[1])
    return _named(upsampling=nn.Upsample(scale_factor=scale, mode=layer.interpolation))


@build.register
def _(layer: s.Permute, place: Place) -> nn.Module:
    return _named(permute=reshaping.Permute(layer.dims))


@build.register
def _(layer: s.Flatten, place: Place) -> nn.Module:
    return _named(
        flatten=nn.Flatten() if place.spec.flatten_order_is_free else reshaping.KerasFlatten()
    )


@build.register
def _(layer: s.Reshape, place: Place) -> nn.Module:
    image = place.shape if len(place.shape) == 3 else flattened_image(place.spec, layer.name)
    return _named(reshape=reshaping.Reshape(image, layer.shape))


# ---- scales, statistics, activations


@build.register
def _(layer: s.BatchNorm, place: Place) -> nn.Module:
    return scaling.BatchNorm(
        place.shape[-1],
        layer.momentum,
        layer.epsilon,
        layer.center,
        layer.scale,
        layer.trainable,
    )


@build.register
def _(layer: s.LayerNorm, place: Place) -> nn.Module:
    sizes = tuple(place.shape[axis - 1] for axis in layer.axes(place.shape))
    shape = (sizes[2], sizes[0], sizes[1]) if len(sizes) == 3 else sizes
    return scaling.LayerNorm(shape, layer.epsilon, layer.center, layer.scale)


@build.register
def _(layer: s.GroupNorm, place: Place) -> nn.Module:
    return scaling.GroupNorm(
        place.shape[-1], layer.groups, layer.epsilon, layer.center, layer.scale
    )


@build.register
def _(layer: s.Normalization, place: Place) -> nn.Module:
    return scaling.Normalization(layer, layer.weights(place.shape).get("mean", ()))


@build.register
def _(layer: s.Rescaling, place: Place) -> nn.Module:
    if isinstance(layer.factor, tuple) or isinstance(layer.offset, tuple):
        return scaling.ChannelRescaling(layer.factor, layer.offset)
    return scaling.Rescaling(layer.factor, layer.offset)


@build.register
def _(layer: s.ActivityRegularization, place: Place) -> nn.Module:
    return scaling.ActivityRegularization(layer.l1, layer.l2)


@build.register
def _(layer: s.Activation, place: Place) -> nn.Module:
    return _named(activation=_activation(layer, place))


@build.register
def _(layer: s.ReLU, place: Place) -> nn.Module:
    return _named(activation=activations.general_relu(layer))


@build.register
def _(layer: s.PReLU, place: Place) -> nn.Module:
    sizes = layer.weights(place.shape)["alpha"]
    return _named(
        activation=activations.PReLU((sizes[2], sizes[0], sizes[1]) if len(sizes) == 3 else sizes)
    )


# ---- training alone


@build.register
def _(layer: s.Dropout, place: Place) -> nn.Module:
    return _named(dropout=(nn.Dropout2d if layer.spatial else nn.Dropout)(layer.rate))


@build.register
def _(layer: s.AlphaDropout, place: Place) -> nn.Module:
    return _named(dropout=nn.AlphaDropout(layer.rate))


@build.register
def _(layer: s.GaussianDropout, place: Place) -> nn.Module:
    return _named(dropout=noise.GaussianDropout(layer.rate))


@build.register
def _(layer: s.GaussianNoise, place: Place) -> nn.Module:
    return _named(noise=noise.GaussianNoise(layer.stddev))


@build.register
def _(layer: s.RandomFlip, place: Place) -> nn.Module:
    return _named(change=noise.RandomFlip(layer.mode))


@build.register
def _(layer: s.Moving, place: Place) -> nn.Module:
    return _named(change=noise.RandomMove(layer))


@build.register
def _(layer: s.RandomContrast, place: Place) -> nn.Module:
    return _named(change=noise.RandomContrast(layer))


# ---- several inputs


@build.register
def _(layer: s.Merge, place: Place) -> nn.Module:
    return merging.Merge(layer)


@build.register
def _(layer: s.Concatenate, place: Place) -> nn.Module:
    axis = layer.place(place.shape)
    return merging.Concatenate((2, 3, 1)[axis] if len(place.shape) == 3 else 1)
