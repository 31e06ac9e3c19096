"""Layers with kernels: convolutions of every kind, and the fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence

from ..entries import KerasLayer
from ..errors import KerasFileError
from .activations import activation
from .settings import CHANNELS_LAST, Entry, Reader, Shape, need, only, pair, penalty, refuse


def _ending(layer: KerasLayer) -> Entry:
    return {"use_bias": layer.config.get("use_bias", True)} | activation(layer)


def _scanning(layer: KerasLayer) -> Entry:
    only(layer, **CHANNELS_LAST, lora_rank=(None,), quantization_config=(None,))
    dilation = pair(layer, "dilation_rate") if layer.config.get("dilation_rate") else (1, 1)
    return {
        "kernel": need(layer, "kernel_size"),
        "stride": need(layer, "strides"),
        "padding": need(layer, "padding"),
        **({} if dilation == (1, 1) else {"dilation": dilation}),
        **_ending(layer),
    }


def _conv(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    groups = layer.config.get("groups", 1)
    return {
        "type": "conv",
        "filters": need(layer, "filters"),
        **_scanning(layer),
        **({} if groups == 1 else {"groups": groups}),
        **penalty(layer),
    }


def _multiplier(layer: KerasLayer) -> Entry:
    multiplier = layer.config.get("depth_multiplier", 1)
    return {} if multiplier == 1 else {"multiplier": multiplier}


def _depthwise(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {
        "type": "depthwise_conv",
        **_scanning(layer),
        **_multiplier(layer),
        **penalty(layer, "depthwise_regularizer"),
    }


def _separable(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    penalties = [penalty(layer, key) for key in ("depthwise_regularizer", "pointwise_regularizer")]
    if penalties[0] != penalties[1]:
        raise refuse(
            layer, "depthwise_regularizer", penalties[0], "the same as pointwise_regularizer"
        )
    return {
        "type": "separable_conv",
        "filters": need(layer, "filters"),
        **_scanning(layer),
        **_multiplier(layer),
        **penalties[0],
    }


def _transposed(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, groups=(1,))
    padded = layer.config.get("output_padding") is not None
    return {
        "type": "transposed_conv",
        "filters": need(layer, "filters"),
        **_scanning(layer),
        **({"output_padding": need(layer, "output_padding")} if padded else {}),
        **penalty(layer),
    }


def _dense(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, lora_rank=(None,), quantization_config=(None,))
    if len(shapes[0]) != 1:
        raise KerasFileError(
            f"{layer}: its input has the shape {shapes[0]}; accepted: a vector (Flatten before it)"
        )
    return {"type": "dense", "units": need(layer, "units"), **_ending(layer), **penalty(layer)}


def _distances(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {"type": "distances", "units": need(layer, "units")}


READERS: dict[str, Reader] = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "lit_mnist>Distances": _distances,
}
