"""The order in which Keras lists layers, which names groups of weights and orders slots."""

from __future__ import annotations

from collections import defaultdict

from ..spec import INPUT, Layer, NetworkSpec, Shared


def in_keras_order(spec: NetworkSpec) -> list[Layer]:
    """Return the layers in Keras' order, without repeated calls of shared ones.

    A chain keeps its order.

    The order is by depth (the longest path to an output, over all calls of a layer), then by the
    first visit from the outputs (keras/src/ops/function.py, `map_graph`).
    """
    owners = {
        layer.name: layer.shares if isinstance(layer, Shared) else layer.name
        for layer in spec.layers
    }
    if spec.is_chain and len(set(owners.values())) == len(owners):
        return list(spec.layers)
    finished, visits = _walk(spec, owners)
    depths = _depths(spec, finished, owners)
    ordered = sorted(visits, key=lambda name: (-depths[name], visits[name]))
    by_name = {layer.name: layer for layer in spec.layers}
    return [by_name[name] for name in ordered]


def _walk(spec: NetworkSpec, owners: dict[str, str]) -> tuple[list[str], dict[str, int]]:
    """Return the calls, each after its inputs, and the layers' positions by their first visit."""
    finished: dict[str, None] = {}
    visits: dict[str, int] = {}
    stack = [(name, False) for name in reversed(spec.kept)]
    while stack:
        name, done = stack.pop()
        if done:
            finished[name] = None
        elif name not in finished and name != INPUT:
            visits.setdefault(owners[name], len(visits))
            stack.append((name, True))
            stack += [(source, False) for source in reversed(spec.sources[name])]
    return list(finished), visits


def _depths(spec: NetworkSpec, finished: list[str], owners: dict[str, str]) -> dict[str, int]:
    calls: dict[str, int] = defaultdict(int)
    layers: dict[str, int] = defaultdict(int)
    for name in reversed(finished):
        depth = max(calls[name], layers[owners[name]])
        calls[name] = layers[owners[name]] = depth
        for source in spec.sources[name]:
            calls[source] = max(depth + 1, calls[source])
    return layers
