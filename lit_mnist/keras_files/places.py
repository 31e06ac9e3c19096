"""The positions of layers' weights in a file's HDF5 store, by its layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import h5py

from ..errors import listed
from .entries import KerasLayer
from .errors import KerasFileError
from .hdf5 import find, group_at, names, text
from .names import group_names

ROOTS = ("layers", "_layer_checkpoint_dependencies")  # Keras 3; TensorFlow 2.12
Places = dict[str, list[str]]  # layer's name in the file -> paths of its arrays
Counts = Mapping[
    str, tuple[int, int]
]  # layer's name -> number of weights that can be trained, and of the others


def weight_places(file: h5py.File, stored: Sequence[KerasLayer], counts: Counts) -> Places:
    """Return the paths of every layer's arrays; `counts` has the layers that have weights.

    `stored` are the file's layers in its own order and nesting.
    """
    root = next((key for key in ROOTS if key in file), None)
    if root is None:
        return _by_name(file, stored, counts)
    return dict(_by_class(file, root, stored, counts))


def _by_class(
    file: h5py.File, root: str, stored: Sequence[KerasLayer], counts: Counts
) -> Iterator[tuple[str, list[str]]]:
    """Read Keras 3's groups, named after classes. Since 3.6 an attribute holds the layer's name."""
    top = group_at(file, root)
    names_of = {
        text(group_at(top, f"{key}/vars"), "name"): key
        for key in top
        if find(top, f"{key}/vars") is not None
    }
    layers = [layer for layer in stored if not layer.operation]
    counted = group_names([layer.kind for layer in layers], list(top))
    filled = [layer for layer in layers if _has_weights(layer, counts)]
    by_name = all(layer.path[-1] in names_of for layer in filled)
    for layer, group in zip(layers, counted, strict=True):
        if layer not in filled:
            continue
        key = names_of[layer.path[-1]] if by_name else group
        if layer.children:
            inner = next(
                (name for name in ROOTS if find(top, f"{key}/{name}") is not None), ROOTS[0]
            )
            yield from _by_class(file, f"{root}/{key}/{inner}", layer.children, counts)
        else:
            if find(top, f"{key}/vars") is None:
                raise _lacking(
                    [each for each in filled if each.path[-1] not in names_of] or [layer]
                )
            variables = group_at(top, f"{key}/vars")
            yield layer.name, [f"{root}/{key}/vars/{number}" for number in range(len(variables))]


def _lacking(layers: Sequence[KerasLayer]) -> KerasFileError:
    named = listed(repr(layer.name) for layer in layers)
    return KerasFileError(
        f"no weights of layer {named} in the file; accepted: weights of all layers"
    )


def _has_weights(layer: KerasLayer, counts: Counts) -> bool:
    return (
        any(_has_weights(child, counts) for child in layer.children)
        if layer.children
        else layer.name in counts
    )


def _by_name(file: h5py.File, stored: Sequence[KerasLayer], counts: Counts) -> Places:
    """Read the older layout: a group per layer that lists its weights.

    A nested model is one group.
    """
    prefix = "model_weights/" if "model_weights" in file else ""
    top = group_at(file, "model_weights") if prefix else file
    by_group = {
        name: names(group_at(top, name), "weight_names") for name in names(top, "layer_names")
    }
    weighted = [layer for layer in stored if _has_weights(layer, counts)]
    filled = [name for name, weights in by_group.items() if weights]
    by_name = all(layer.path[-1] in by_group for layer in weighted)
    if not by_name and len(filled) != len(weighted):
        lacking = listed(repr(each.name) for each in weighted if each.path[-1] not in by_group)
        raise KerasFileError(
            f"layers with weights in the file: {listed(filled) or 'none'}; no weights of layer "
            f"{lacking}; accepted: {listed(layer.name for layer in weighted)}"
        )
    groups = [layer.path[-1] for layer in weighted] if by_name else filled
    places: Places = {}
    for layer, group in zip(weighted, groups, strict=True):
        paths = [f"{prefix}{group}/{weight}" for weight in by_group[group]]
        places |= _split(layer, paths, counts) if layer.children else {layer.name: paths}
    return places


def _split(model: KerasLayer, paths: Sequence[str], counts: Counts) -> Places:
    """Split a nested model's list over its layers: first the trainable weights, then the rest.

    Keras lists ``trainable_weights + non_trainable_weights``; a frozen layer's weights are all in
    the latter.
    """
    layers = list(_weighted(model, counts))
    moved = {layer.name: counts[layer.name][0] if layer.trainable else 0 for layer in layers}
    needed = sum(sum(counts[layer.name]) for layer in layers)
    if needed != len(paths):
        raise KerasFileError(
            f"{model} has {len(paths)} weights in the file; accepted, by the configuration: "
            f"{needed}"
        )
    waiting = list(paths)
    first = {layer.name: [waiting.pop(0) for _ in range(moved[layer.name])] for layer in layers}
    rest = {
        layer.name: [waiting.pop(0) for _ in range(sum(counts[layer.name]) - moved[layer.name])]
        for layer in layers
    }
    return {layer.name: first[layer.name] + rest[layer.name] for layer in layers}


def _weighted(model: KerasLayer, counts: Counts) -> Iterator[KerasLayer]:
    for layer in model.children:
        if layer.children:
            yield from _weighted(layer, counts)
        elif layer.name in counts:
            yield layer


def in_stored_order(stored: Sequence[KerasLayer]) -> Iterator[KerasLayer]:
    """Yield the layers, with those of nested models in the model's place."""
    for layer in stored:
        yield from in_stored_order(layer.children) if layer.children else (layer,)
