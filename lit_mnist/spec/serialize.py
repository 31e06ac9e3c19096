"""Layers from plain YAML/JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from ..errors import nearest
from .layer import Layer, SpecError
from .layers import LAYER_TYPES, ZeroPad


def layer_from_dict(index: int, entry: object) -> Layer:
    """Build the layer number `index` (from 0) from plain values; raise SpecError naming key and layer."""
    if not isinstance(entry, Mapping):
        raise SpecError(f"layer {index + 1} = {entry!r} cannot work; accepted: a mapping with 'type' and 'name'")
    values = {key: frozen(value) for key, value in entry.items()}
    kind, name = values.pop("type", None), values.get("name", f"number {index + 1}")
    if kind not in LAYER_TYPES:
        raise SpecError(f"layer {name!r}: unknown type {kind!r}; {nearest(str(kind), LAYER_TYPES)}")
    cls = LAYER_TYPES[kind]
    accepted = [f.name for f in fields(cls)]
    for key in values:
        if key not in accepted:
            raise SpecError(f"layer {name!r}: unknown key {key!r}; {nearest(key, accepted)}")
    for f in fields(cls):
        if f.default is MISSING and f.default_factory is MISSING and f.name not in values:
            raise SpecError(f"layer {name!r}: the key {f.name!r} is missing; {kind} takes {', '.join(accepted)}")
    for key in ("kernel", "size", "stride"):  # one number stands for a square
        if type(values.get(key)) is int:
            values[key] = (values[key], values[key])
        elif values.get(key) is not None and not (isinstance(values[key], tuple) and len(values[key]) == 2):
            raise SpecError(f"layer {name!r}: {key} = {entry[key]!r} cannot work; "
                            "accepted: a whole number above 0, or [rows, columns]")
    if cls is ZeroPad and "padding" in values:
        values["padding"] = _zero_padding(name, values["padding"])
    return cls(**values)


def _zero_padding(name: object, value: object) -> tuple[tuple[int, int], ...]:
    """Accept Keras' three spellings: one number, (rows, columns), ((top, bottom), (left, right))."""
    pair = (value, value) if type(value) is int else value
    if isinstance(pair, tuple) and len(pair) == 2:
        sides = tuple((side, side) if type(side) is int else side for side in pair)
        if all(isinstance(side, tuple) and len(side) == 2 for side in sides):
            return sides
    raise SpecError(f"layer {name!r}: padding = {value!r} cannot work; accepted: [[top, bottom], [left, right]]")


def frozen(value: Any) -> Any:
    return tuple(frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, list | tuple) else value


def without_defaults(layer: Layer) -> dict[str, Any]:
    defaults = {f.name: f.default for f in fields(layer)}
    return {key: _thawed(value) for key, value in asdict(layer).items() if value != defaults[key]}
