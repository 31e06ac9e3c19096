"""Names: from Keras' to valid ones for layers, and to groups in a .keras file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ..spec import is_layer_name

MODEL_NAME = "sequential"


def layer_names(originals: Iterable[str]) -> dict[str, str]:
    """Return original -> new name, in order; valid names are unchanged.

    Characters other than letters, digits and _ become _, a leading digit or a reserved word gets
    the prefix ``layer_``, and a repeated name the suffix ``_2``, ``_3``, ...
    """
    originals = list(originals)
    used = {name for name in originals if is_layer_name(name)}
    renamed: dict[str, str] = {}
    for original in originals:
        renamed[original] = original if original in used else _free(_cleaned(original), used)
        used.add(renamed[original])
    return renamed


def _cleaned(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return name if is_layer_name(name) else f"layer_{name}"


def _free(name: str, used: set[str]) -> str:
    number = 2
    candidate = name
    while candidate in used:
        number, candidate = number + 1, f"{name}_{number}"
    return candidate


def snake_case(kind: str) -> str:
    """Return a class name as Keras 3 names groups of weights: ``LeakyReLU`` -> ``leaky_re_lu``."""
    kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()


def group_names(kinds: Iterable[str], present: Iterable[str] | None = None) -> list[str]:
    """Return each layer's weight group: its class in snake case, counted (``conv2d_1``).

    TensorFlow 2.12 counts in twos: given the groups `present` in a file, the n-th layer of a class
    gets the n-th group of that class.
    """
    seen: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    groups = []
    for key in (snake_case(kind.rpartition(">")[2]) for kind in kinds):
        if key not in places and present is not None:
            of_class = [name for name in present if re.fullmatch(rf"{key}(_\d{{1,6}})?", name)]
            places[key] = sorted(of_class, key=lambda name, key=key: int(name[len(key) + 1 :] or 0))
        counted = f"{key}_{seen[key]}" if seen[key] else key
        groups.append(places[key][seen[key]] if seen[key] < len(places.get(key, ())) else counted)
        seen[key] += 1
    return groups
