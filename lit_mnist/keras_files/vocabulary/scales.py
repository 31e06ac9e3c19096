"""Layers that scale and shift: by constants, by learned weights, by statistics."""

from __future__ import annotations

from collections.abc import Sequence

from ..entries import KerasLayer
from .settings import Entry, Reader, Shape, last_axis, number, numbers, only, plain, refuse


def _learned(layer: KerasLayer) -> Entry:
    return {
        "epsilon": number(layer, "epsilon", default=1e-3),
        "center": layer.config.get("center", True),
        "scale": layer.config.get("scale", True),
    }


def _batch_norm(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    last_axis(layer, shapes[0])
    only(layer, renorm=(False,), virtual_batch_size=(None,))
    return {
        "type": "batch_norm",
        "momentum": number(layer, "momentum", default=0.99),
        **_learned(layer),
    }


def _layer_norm(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, rms_scaling=(False,))
    axis = plain(layer.config.get("axis", -1))
    if axis in (len(shapes[0]), (len(shapes[0]),), (-1,)):
        axis = -1
    return {"type": "layer_norm", "axis": axis, **_learned(layer)}


def _group_norm(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    last_axis(layer, shapes[0])
    return {"type": "group_norm", "groups": layer.config.get("groups", 32), **_learned(layer)}


def _normalization(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    last = len(shapes[0])
    axis = plain(layer.config.get("axis", -1))
    if axis in (last, (last,), (-1,)):
        axis = -1
    if axis in ((), None):
        axis = None
    elif axis != -1:
        raise refuse(
            layer, "axis", axis, f"-1 or {last} (the channels), null (all values together)"
        )
    mean = numbers(layer, "mean", None)
    variance = numbers(layer, "variance", None)
    moments = {} if mean is None else {"mean": mean, "variance": variance}
    inverted = {"invert": True} if layer.config.get("invert") else {}
    return {"type": "normalization", "axis": axis} | moments | inverted


def _rescaling(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {
        "type": "rescaling",
        "factor": numbers(layer, "scale", 1.0),
        "offset": numbers(layer, "offset", 0.0),
    }


READERS: dict[str, Reader] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
}
