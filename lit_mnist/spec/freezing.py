"""Layers that training does not change, chosen by patterns of their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ..errors import nearest
from .layer import Layer, SpecError


def freeze(layers: Sequence[Layer], patterns: object) -> tuple[Layer, ...]:
    """Return `layers` with trainable false for those that match `patterns` (``block1_*``).

    Layers without weights are unchanged.

    Raises SpecError for a pattern that matches no layer with weights.
    """
    patterns = (patterns,) if isinstance(patterns, str) else patterns
    if not isinstance(patterns, tuple) or not all(isinstance(text, str) for text in patterns):
        raise SpecError(
            f"network: frozen = {patterns!r} cannot work; accepted: a pattern of layer names, "
            "such as block1_*, or a list of patterns"
        )
    names = [layer.name for layer in layers if has_weights(layer)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise SpecError(
                f"network: frozen = {pattern!r} matches no layer with weights; "
                f"{nearest(pattern, names)}"
            )
    chosen = {name for name in names for pattern in patterns if fnmatchcase(name, pattern)}
    return tuple(
        replace(layer, trainable=False) if layer.name in chosen else layer for layer in layers
    )


def has_weights(layer: Layer) -> bool:
    """Return whether layers of this type have weights."""
    return type(layer).weights is not Layer.weights
