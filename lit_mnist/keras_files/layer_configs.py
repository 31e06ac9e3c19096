"""Each layer of a NetworkSpec as Keras' class and settings: the writing half of the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import spec as s
from .entries import OWN_CLASSES

Config = dict[str, Any]

_LEAKY_FUNCTION = (
    0.2  # slope of Keras' activation function leaky_relu; another slope needs its layer
)
_LEAKY_HERE = 0.3  # slope where a spec names none
_FUNCTIONS = (
    "gelu_tanh",
    "hard_sigmoid_keras2",
)  # that Keras lacks; keras_baseline registers them
_LAST = {"data_format": "channels_last"}


def keras_object(
    kind: str, config: Mapping[str, Any], zipped: bool = True, module: str = "keras.layers"
) -> Config:
    """Return an object as Keras 3 writes it: in archives with its module, in HDF5 files without."""
    if not zipped:
        return {"class_name": kind, "config": dict(config)}
    if kind in OWN_CLASSES:
        own = {"module": None, "class_name": kind.rpartition(">")[2], "config": dict(config)}
        return own | {"registered_name": kind}
    return {"module": module, "class_name": kind, "config": dict(config), "registered_name": None}


def class_and_config(layer: s.Layer, zipped: bool = True) -> tuple[str, Config]:
    """Return Keras' class for a layer, and the settings that say what it computes."""
    for part in (_kernels, _shapes, _scales, _training, _merges):
        if (result := part(layer, zipped)) is not None:
            return result
    raise TypeError(f"no Keras layer for a {type(layer).__name__} layer")


def _kernels(layer: s.Layer, zipped: bool) -> tuple[str, Config] | None:
    match layer:
        case s.Conv():
            return "Conv2D", {
                "filters": layer.filters,
                **_scanning(layer),
                "groups": layer.groups,
                **_ending(layer, zipped, "kernel_regularizer"),
            }
        case s.SeparableConv():
            return "SeparableConv2D", {
                "filters": layer.filters,
                "depth_multiplier": layer.multiplier,
                **_scanning(layer),
                **_ending(layer, zipped, "depthwise_regularizer", "pointwise_regularizer"),
            }
        case s.DepthwiseConv():
            return "DepthwiseConv2D", {
                "depth_multiplier": layer.multiplier,
                **_scanning(layer),
                **_ending(layer, zipped, "depthwise_regularizer"),
            }
        case s.TransposedConv():
            return "Conv2DTranspose", {
                "filters": layer.filters,
                "kernel_size": list(layer.kernel),
                "strides": list(layer.stride),
                "padding": layer.padding,
                "output_padding": layer.output_padding and list(layer.output_padding),
                "dilation_rate": list(layer.dilation),
                **_LAST,
                **_ending(layer, zipped, "kernel_regularizer"),
            }
        case s.Dense():
            return "Dense", {"units": layer.units, **_ending(layer, zipped, "kernel_regularizer")}
        case s.Distances():
            return "lit_mnist>Distances", {"units": layer.units}
    return None


def _scanning(layer: s.Scanning) -> Config:
    return {
        "kernel_size": list(layer.kernel),
        "strides": list(layer.stride),
        "padding": layer.padding,
        "dilation_rate": list(layer.dilation),
        **_LAST,
    }


def _shapes(layer: s.Layer, zipped: bool) -> tuple[str, Config] | None:
    match layer:
        case s.Pool():
            return (
                "MaxPooling2D" if layer.kind == "max" else "AveragePooling2D",
                {
                    "pool_size": list(layer.size),
                    "strides": list(layer.step),
                    "padding": layer.padding,
                    **_LAST,
                },
            )
        case s.GlobalPool():
            return (
                "GlobalMaxPooling2D" if layer.kind == "max" else "GlobalAveragePooling2D",
                {**_LAST, "keepdims": layer.keepdims},
            )
        case s.ZeroPad():
            return "ZeroPadding2D", {"padding": [list(pair) for pair in layer.padding], **_LAST}
        case s.Cropping():
            return "Cropping2D", {"cropping": [list(pair) for pair in layer.cropping], **_LAST}
        case s.Upsampling():
            return "UpSampling2D", {
                "size": list(layer.size),
                "interpolation": layer.interpolation,
                **_LAST,
            }
        case s.Permute():
            return "Permute", {"dims": list(layer.dims)}
        case s.Flatten():
            return "Flatten", dict(_LAST)
        case s.Reshape():
            return "Reshape", {"target_shape": list(layer.shape)}
    return None


def _scales(layer: s.Layer, zipped: bool) -> tuple[str, Config] | None:
    match layer:
        case s.BatchNorm():
            return "BatchNormalization", {"axis": -1, "momentum": layer.momentum, **_learned(layer)}
        case s.LayerNorm():
            return "LayerNormalization", {"axis": _plain(layer.axis), **_learned(layer)}
        case s.GroupNorm():
            return "GroupNormalization", {"axis": -1, "groups": layer.groups, **_learned(layer)}
        case s.Normalization():
            return "Normalization", {
                "axis": layer.axis,
                "invert": layer.invert,
                "mean": _plain(layer.mean),
                "variance": _plain(layer.variance),
            }
        case s.Rescaling():
            return "Rescaling", {"scale": _plain(layer.factor), "offset": _plain(layer.offset)}
        case s.ActivityRegularization():
            return "ActivityRegularization", {"l1": layer.l1, "l2": layer.l2}
        case s.ReLU():
            return "ReLU", {
                "max_value": layer.maximum,
                "negative_slope": layer.slope,
                "threshold": layer.threshold,
            }
        case s.PReLU():
            return "PReLU", {"shared_axes": list(layer.shared_axes) or None}
        case s.Activation():
            return _activation_layer(layer)
    return None


def _learned(layer: s.BatchNorm | s.LayerNorm | s.GroupNorm) -> Config:
    return {"epsilon": layer.epsilon, "center": layer.center, "scale": layer.scale}


def _training(layer: s.Layer, zipped: bool) -> tuple[str, Config] | None:
    match layer:
        case s.Dropout():
            return "SpatialDropout2D" if layer.spatial else "Dropout", {"rate": layer.rate}
        case s.AlphaDropout():
            return "AlphaDropout", {"rate": layer.rate}
        case s.GaussianDropout():
            return "GaussianDropout", {"rate": layer.rate}
        case s.GaussianNoise():
            return "GaussianNoise", {"stddev": layer.stddev}
        case s.RandomFlip():
            return "RandomFlip", {"mode": layer.mode}
        case s.RandomRotation():
            return "RandomRotation", {"factor": _plain(layer.factor), **_moving(layer)}
        case s.RandomTranslation() | s.RandomZoom():
            return type(layer).__name__, {
                "height_factor": _plain(layer.height_factor),
                "width_factor": _plain(layer.width_factor),
                **_moving(layer),
            }
        case s.RandomContrast():
            return "RandomContrast", {
                "factor": _plain(layer.factor),
                "value_range": list(layer.value_range),
            }
    return None


def _moving(layer: s.Moving) -> Config:
    return {
        "fill_mode": layer.fill_mode,
        "fill_value": layer.fill_value,
        "interpolation": layer.interpolation,
    }


def _merges(layer: s.Layer, zipped: bool) -> tuple[str, Config] | None:
    match layer:
        case s.Concatenate():
            return "Concatenate", {"axis": layer.axis}
        case s.Merge():
            return type(layer).__name__, {}
    return None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _activation_layer(layer: s.Activation) -> tuple[str, Config]:
    if layer.activation == "leaky_relu":
        return "LeakyReLU", {"negative_slope": _slope(layer)}
    if layer.activation == "elu":
        return "ELU", {"alpha": 1.0 if layer.alpha is None else layer.alpha}
    return "Activation", {"activation": _name(layer.activation)}


def _slope(layer: s.Activated | s.Activation) -> float:
    return _LEAKY_HERE if layer.alpha is None else layer.alpha


def _name(activation: str) -> str | Config:
    """Return Keras' name of an activation, or the function that `keras_baseline` registers."""
    if activation in _FUNCTIONS:
        return {
            "module": "builtins",
            "class_name": "function",
            "config": f"lit_mnist>{activation}",
            "registered_name": "function",
        }
    return "hard_silu" if activation == "hard_swish" else activation


def _ending(layer: s.Activated, zipped: bool, *regularizers: str) -> Config:
    """What layers with kernels share: bias, activation, penalty on the kernels."""
    penalty = {"l1": layer.l1, "l2": layer.l2}
    regularizer = (
        keras_object("L1L2", penalty, zipped, "keras.regularizers")
        if layer.l1 or layer.l2
        else None
    )
    return {
        "use_bias": layer.use_bias,
        "activation": _activation(layer),
        **dict.fromkeys(regularizers, regularizer),
    }


def _activation(layer: s.Activated) -> str | Config:
    """Return a name, or a layer as an object where the name means another slope.

    Both kinds of files take it.
    """
    if layer.activation == "leaky_relu" and _slope(layer) != _LEAKY_FUNCTION:
        return keras_object("LeakyReLU", {"name": "leaky_re_lu", "negative_slope": _slope(layer)})
    if layer.activation == "elu" and layer.alpha not in (None, 1.0):
        return keras_object("ELU", {"name": "elu", "alpha": layer.alpha})
    return _name(layer.activation)
