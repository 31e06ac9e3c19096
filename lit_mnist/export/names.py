"""Python names for layers and their values."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable

from ..spec import INPUT, NetworkSpec

_LONGEST = 24  # characters of a local variable
_RESERVED = frozenset(
    {"self", "x", "torch", "nn", "F", "Tensor", "partial", "norm", "count", *dir(builtins)}
)


def attributes(spec: NetworkSpec) -> dict[str, str]:
    """Return the attribute of each layer: its name, followed by ``_`` where that is a Python
    keyword.
    """
    return _unique((name, f"{name}_" if keyword.iskeyword(name) else name) for name in spec.names)


def variables(spec: NetworkSpec) -> dict[str, str]:
    """Return the local variable of each value: ``x`` where only the next layer reads it, else a
    name.
    """
    order = (INPUT, *spec.names)
    following = dict(zip(order, (*spec.names, ""), strict=True))
    passing = [name for name in order if _passes(spec, name, following[name])]
    named = _unique(
        (name, "images" if name == INPUT else name.lower()[:_LONGEST])
        for name in order
        if name not in passing
    )
    return dict.fromkeys(passing, "x") | named


def _passes(spec: NetworkSpec, name: str, following: str) -> bool:
    if spec.kept == (name,):
        return True
    return name not in spec.kept and spec.readers.get(name, ()) == (following,)


def _unique(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return names that differ from each other, from Python's keywords and from those the file
    uses.
    """
    result: dict[str, str] = {}
    for original, name in names:
        while name in result.values() or name in _RESERVED or keyword.iskeyword(name):
            name += "_"
        result[original] = name
    return result
