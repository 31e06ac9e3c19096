"""Layers from plain YAML/JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from ..errors import nearest
from .layer import ALIASES, Layer, SpecError
from .layers import LAYER_TYPES

_PAIRS = (
    "kernel",
    "size",
    "stride",
    "dilation",
    "output_padding",
)  # one number stands for a square
_TUPLES = ("inputs", "shared_axes")  # one value stands for a list of it


def layer_from_dict(index: int, entry: object) -> Layer:
    """Build layer number `index` (from 0) from plain values.

    Raises SpecError naming key and layer.
    """
    if not isinstance(entry, Mapping):
        raise SpecError(
            f"layer {index + 1} = {entry!r} cannot work; accepted: a mapping with 'type' and 'name'"
        )
    values = {key: frozen(value) for key, value in entry.items()}
    kind = values.pop("type", None)
    name = values.get("name", f"number {index + 1}")
    if not isinstance(kind, str) or kind not in LAYER_TYPES:
        raise SpecError(f"layer {name!r}: unknown type {kind!r}; {nearest(str(kind), LAYER_TYPES)}")
    cls = LAYER_TYPES[kind]
    _check_keys(cls, name, values)
    return cls(**_completed(cls, name, values))


def _check_keys(cls: type[Layer], name: object, values: Mapping[str, Any]) -> None:
    accepted = [f.name for f in fields(cls)]
    for key, value in values.items():
        if key not in accepted:
            raise SpecError(f"layer {name!r}: unknown key {key!r}; {nearest(str(key), accepted)}")
        if isinstance(value, Mapping):
            raise SpecError(f"layer {name!r}: {key} = {value!r} cannot work; accepted: no mapping")
    for f in fields(cls):
        if f.default is MISSING and f.default_factory is MISSING and f.name not in values:
            raise SpecError(
                f"layer {name!r}: the key {f.name!r} is missing; {cls.type} takes "
                f"{', '.join(accepted)}"
            )


def _completed(cls: type[Layer], name: object, values: dict[str, Any]) -> dict[str, Any]:
    """Return values with short forms expanded."""
    values = dict(values)
    for key in _PAIRS:
        if values.get(key) is not None:
            values[key] = _pair(name, key, values[key])
    if values.get("shared_axes", ()) is None:  # as Keras writes it
        values["shared_axes"] = ()
    for key in _TUPLES:
        if type(values.get(key)) in (str, int):
            values[key] = (values[key],)
        if key in values and not isinstance(values[key], tuple | None):
            raise SpecError(
                f"layer {name!r}: {key} = {values[key]!r} cannot work; accepted: a list"
            )
    for key in ("padding", "cropping"):
        if key in values and cls.type in ("zero_pad", "cropping"):
            values[key] = _sides(name, key, values[key])
    if isinstance(activation := values.get("activation"), str):
        values["activation"] = ALIASES.get(activation, activation)
    return values


def _pair(name: object, key: str, value: object) -> tuple[object, ...]:
    if type(value) is int:
        return (value, value)
    if isinstance(value, tuple) and len(value) == 2:
        return value
    raise SpecError(
        f"layer {name!r}: {key} = {_thawed(value)!r} cannot work; "
        "accepted: a whole number above 0, or [rows, columns]"
    )


def _sides(name: object, key: str, value: object) -> tuple[tuple[int, int], ...]:
    """Read Keras' three forms: one number, (rows, columns), ((top, bottom), (left, right))."""
    pair = (value, value) if type(value) is int else value
    if isinstance(pair, tuple) and len(pair) == 2:
        sides = tuple((side, side) if type(side) is int else side for side in pair)
        whole = tuple(side for side in sides if isinstance(side, tuple) and len(side) == 2)
        if len(whole) == 2:
            return whole
    raise SpecError(
        f"layer {name!r}: {key} = {value!r} cannot work; accepted: [[top, bottom], [left, right]]"
    )


def frozen(value: Any) -> Any:
    """Return `value` with lists as tuples."""
    return tuple(frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, list | tuple) else value


def without_defaults(layer: Layer) -> dict[str, Any]:
    """Return a layer's plain values without defaults."""
    defaults = {f.name: f.default for f in fields(layer)}
    return {key: _thawed(value) for key, value in asdict(layer).items() if value != defaults[key]}
