"""Settings of Keras' layers, checked: unsupported values are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..entries import KerasLayer
from ..errors import KerasFileError

Entry = dict[str, Any]
Shape = tuple[int, ...]
Reader = Callable[[KerasLayer, Sequence[Shape]], Entry]

_TRAINING_ONLY = (
    "bias_regularizer",
    "activity_regularizer",
    "beta_regularizer",
    "gamma_regularizer",
    "alpha_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "beta_constraint",
    "gamma_constraint",
    "depthwise_constraint",
    "pointwise_constraint",
    "alpha_constraint",
)
CHANNELS_LAST = {"data_format": ("channels_last", None)}


def training_only(layer: KerasLayer) -> list[str]:
    """Return a layer's settings that matter only in training and that a NetworkSpec cannot hold."""
    return [key for key in _TRAINING_ONLY if layer.config.get(key)]


def refuse(layer: KerasLayer, key: str, value: object, accepted: str) -> KerasFileError:
    """Return the error for a setting that is not supported."""
    return KerasFileError(
        f"{layer}: {key} = {str(value)[:80]} is not supported; accepted: {accepted}"
    )


def only(layer: KerasLayer, **accepted: tuple[Any, ...]) -> None:
    """Refuse a setting outside its accepted values. The first of them is also the default."""
    for key, values in accepted.items():
        value = plain(layer.config.get(key, values[0]))
        if value not in values:
            raise refuse(layer, key, value, " or ".join(map(str, values)))


def plain(value: Any) -> Any:
    """Return lists as tuples, and the numbers in objects of some releases."""
    if (
        isinstance(value, Mapping) and "value" in value
    ):  # Keras 2.2: {"type": "ndarray", "value": 0.1}
        value = value["value"]
    if isinstance(value, Mapping) and isinstance(
        value.get("config"), Mapping
    ):  # Keras 3: __numpy__, __tensor__
        value = value["config"].get("value", value)
    return tuple(map(plain, value)) if isinstance(value, list) else value


def refuse_dtype(layer: KerasLayer) -> None:
    """Raise KerasFileError for a layer with a precision other than float32 or float64."""
    dtype = layer.config.get("dtype")
    if isinstance(dtype, Mapping):  # a policy, as an object
        settings = dtype.get("config")
        dtype = settings.get("name") if isinstance(settings, Mapping) else dtype
    if dtype not in (None, "float32", "float64"):
        raise refuse(layer, "dtype", dtype, "float32, float64")


def need(layer: KerasLayer, key: str) -> Any:
    """Return a required setting, lists as tuples."""
    if key not in layer.config:
        raise KerasFileError(f"{layer}: its setting {key!r} is missing")
    return plain(layer.config[key])


def pair(layer: KerasLayer, key: str) -> Any:
    """Return a setting of rows and columns; one number means both."""
    value = need(layer, key)
    return (value, value) if type(value) is int else value


def number(layer: KerasLayer, *keys: str, default: float) -> float:
    """Return the number under the first of `keys` that exists (names differ by release)."""
    for key in keys:
        value = plain(layer.config.get(key))
        if value is not None:
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not math.isfinite(value)
            ):
                raise refuse(layer, key, value, "a finite number")
            return value
    return default


def numbers(layer: KerasLayer, key: str, default: float | None) -> Any:
    """Return one number, or a flat tuple of them (one for each channel)."""
    value = plain(layer.config.get(key))
    while isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    values = value if isinstance(value, tuple) else (value,)
    if value is None:
        return default
    if not all(
        isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in values
    ):
        raise refuse(layer, key, value, "a finite number, or one for each channel")
    return value


def last_axis(layer: KerasLayer, shape: Shape) -> None:
    """Refuse an `axis` other than the last."""
    last = len(shape)
    only(layer, axis=(-1, last, (last,), (-1,)))


def penalty(layer: KerasLayer, key: str = "kernel_regularizer") -> Entry:
    """Return ``l1`` and ``l2`` of a regulariser."""
    value = layer.config.get(key)
    if value is None:
        return {}
    settings = value.get("config") if isinstance(value, Mapping) else None
    if not isinstance(settings, Mapping) or value.get("class_name") not in ("L1", "L2", "L1L2"):
        raise refuse(layer, key, value, "L1, L2, L1L2")
    return {name: plain(settings[name]) for name in ("l1", "l2") if plain(settings.get(name))}
