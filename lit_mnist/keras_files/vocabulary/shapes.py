"""Layers without weights that pool, pad, crop, enlarge or reorder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..entries import KerasLayer
from .settings import CHANNELS_LAST, Entry, Reader, Shape, need, only, pair, refuse


def _pool(kind: str) -> Reader:
    def read(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
        only(layer, **CHANNELS_LAST)
        size = pair(layer, "pool_size")
        stride = layer.config.get("strides") and pair(layer, "strides")
        return {
            "type": "pool",
            "kind": kind,
            "size": size,
            "stride": None if stride == size else stride,
            "padding": layer.config.get("padding", "valid"),
        }

    return read


def _global_pool(kind: str) -> Reader:
    def read(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
        only(layer, **CHANNELS_LAST, keepdims=(False, True))
        kept = {"keepdims": True} if layer.config.get("keepdims") else {}
        return {"type": "global_pool", "kind": kind} | kept

    return read


def _zero_pad(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, **CHANNELS_LAST)
    return {"type": "zero_pad", "padding": need(layer, "padding")}


def _cropping(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, **CHANNELS_LAST)
    return {"type": "cropping", "cropping": need(layer, "cropping")}


def _upsampling(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, **CHANNELS_LAST, interpolation=("nearest", "bilinear"))
    bilinear = (
        {}
        if layer.config.get("interpolation", "nearest") == "nearest"
        else {"interpolation": "bilinear"}
    )
    return {"type": "upsampling", "size": pair(layer, "size")} | bilinear


def _permute(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    if len(shapes[0]) == 1:
        only(layer, dims=((1,),))
        return {"type": "activation", "activation": "linear"}
    return {"type": "permute", "dims": need(layer, "dims")}


def _flatten(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, **CHANNELS_LAST)
    return {"type": "flatten"}


def _reshape(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    target = target_shape(layer, shapes[0])
    if len(target) == 1:
        return {"type": "flatten"}
    if len(target) != 3:
        raise refuse(
            layer, "target_shape", target, "an image (height, width, channels), or a vector"
        )
    return {"type": "reshape", "shape": target}


def target_shape(layer: KerasLayer, shape: Shape) -> Shape:
    """Return a Reshape layer's output shape, with its -1 computed."""
    target = need(layer, "target_shape")
    size = math.prod(shape)
    if not (
        isinstance(target, tuple) and all(type(n) is int and (n > 0 or n == -1) for n in target)
    ):
        raise refuse(layer, "target_shape", target, "whole numbers above 0, one of them may be -1")
    known = math.prod(n for n in target if n > 0)
    target = tuple(size // known if n == -1 else n for n in target)
    if math.prod(target) != size:
        raise refuse(layer, "target_shape", target, f"the {size} values of its input {shape}")
    return target


READERS: dict[str, Reader] = {
    "MaxPooling2D": _pool("max"),
    "AveragePooling2D": _pool("average"),
    "GlobalMaxPooling2D": _global_pool("max"),
    "GlobalAveragePooling2D": _global_pool("average"),
    "ZeroPadding2D": _zero_pad,
    "Cropping2D": _cropping,
    "UpSampling2D": _upsampling,
    "Permute": _permute,
    "Flatten": _flatten,
    "Reshape": _reshape,
}
