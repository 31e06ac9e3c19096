"""The layers that a model's configuration lists, nested models included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import KerasFileError
from .nodes import Call, calls_of

MOST_LAYERS = 3000
MODELS = ("Sequential", "Functional", "Model")
_OWN_MODULES = ("keras", "tf_keras", "tensorflow")
# classes that keras_baseline registers because Keras lacks them, by their registered names
OWN_CLASSES = ("lit_mnist>Distances",)
_OPERATIONS = ("keras.src.ops", "keras.src.activations", "keras.ops", "keras.activations")


@dataclass(frozen=True)
class KerasLayer:
    """One entry of a configuration: its class, its name in the file, its settings, its calls.

    `path` holds the names of the models around it, outermost first, and its own; `children` are a
    nested model's layers. `operation` is true for a function of Keras rather than a layer.
    """

    kind: str
    path: tuple[str, ...]
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()
    foreign: str | None = None  # the module or registered name of a class that is not Keras' own
    operation: bool = False
    trainable: bool = True  # whether its weights were trained
    children: tuple[KerasLayer, ...] = ()

    @property
    def name(self) -> str:
        """Its name after those of the models around it."""
        return "/".join(self.path)

    def __str__(self) -> str:
        return f"layer {self.name!r} of type {self.kind}"


def read_entries(
    model: Mapping[str, Any], path: tuple[str, ...], trainable: bool = True
) -> tuple[KerasLayer, ...]:
    """Return a model's layers; nested models have theirs as children."""
    kind = model.get("class_name")
    config = model.get("config")
    if kind not in MODELS:
        raise KerasFileError(
            f"the model is of the class {kind!r}, whose code is not in the file; "
            "accepted: Sequential and functional models"
        )
    entries = (
        config.get("layers") if isinstance(config, Mapping) else config
    )  # a bare list before Keras 2.2.3
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_LAYERS:
        raise KerasFileError(
            f"the model's layers are {str(entries)[:60]!r}; accepted: a list of 1 to {MOST_LAYERS}"
        )
    if len(path) > 10:
        raise KerasFileError(
            f"models nested {len(path)} deep ({'/'.join(path)[:80]}); accepted: up to 10"
        )
    layers = tuple(_layer(entry, number, path, trainable) for number, entry in enumerate(entries))
    names = [layer.name for layer in layers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise KerasFileError(
            f"two layers are named {twice!r}; accepted: every layer has a name of its own"
        )
    return layers


def _layer(entry: object, number: int, path: tuple[str, ...], trainable: bool) -> KerasLayer:
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(config, Mapping | list):
        raise KerasFileError(
            f"layer {number + 1} is {str(entry)[:80]!r}; accepted: an object with class_name, "
            "config"
        )
    settings = config if isinstance(config, Mapping) else {}
    registered = entry.get("registered_name")
    kind = registered if registered in OWN_CLASSES else entry.get("class_name")
    name = settings.get("name", entry.get("name"))
    if not (isinstance(kind, str) and isinstance(name, str) and 0 < len(name) <= 200):
        raise KerasFileError(
            f"layer {number + 1} has the class {str(kind)[:80]!r} and the name {str(name)[:80]!r}; "
            "accepted: texts"
        )
    trainable = trainable and settings.get("trainable", True) is not False
    nested = kind in MODELS and isinstance(settings.get("layers", config), list)
    children = (
        read_entries({"class_name": kind, "config": config}, (*path, name), trainable)
        if nested
        else ()
    )
    return KerasLayer(
        kind,
        (*path, name),
        settings,
        calls_of(entry.get("inbound_nodes")),
        _foreign(entry),
        str(entry.get("module")).startswith(_OPERATIONS),
        trainable,
        children,
    )


def _foreign(entry: Mapping[str, Any]) -> str | None:
    module = entry.get("module")
    registered = entry.get("registered_name")
    if registered in OWN_CLASSES:
        return None
    if isinstance(registered, str) and registered != entry.get("class_name"):
        return registered
    if isinstance(module, str) and module.split(".")[0] not in _OWN_MODULES:
        return module
    return None


def leaves(layers: Sequence[KerasLayer]) -> Iterator[KerasLayer]:
    """Yield the layers in order, those of nested models in their place."""
    for layer in layers:
        yield from leaves(layer.children) if layer.children else (layer,)


def refuse_unsupported(
    layers: Sequence[KerasLayer], supported: Collection[str], random: Collection[str]
) -> None:
    """Raise an error that names the first layer whose kind is not `supported`, and why."""
    bad = [layer for layer in layers if layer.kind not in supported or layer.foreign]
    if bad:
        first = bad[0]
        reason = "it has no counterpart here"
        if first.foreign:
            reason = f"its class comes from {first.foreign!r}, and code of others is never run"
        elif first.kind == "Lambda":
            reason = "it holds Python code, which is never run"
        others = f" (further: {', '.join(map(str, bad[1:6]))})" if bad[1:] else ""
        raise KerasFileError(
            f"{first} is not supported: {reason}{others}; accepted: the layers that "
            "docs/keras_files.md lists"
        )
    for layer in layers:
        if any(call.training for call in layer.calls) and layer.kind not in random:
            raise KerasFileError(
                f"{layer} is called with training=True, so it never predicts plainly; "
                "accepted: layers called as usual"
            )
