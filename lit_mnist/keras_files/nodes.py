"""How a configuration writes calls: Keras 2's nested lists, Keras 3's arguments with tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import KerasFileError


@dataclass(frozen=True)
class Ref:
    """A tensor: the `tensor`-th output of the `node`-th call of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True)
class Call:
    """One call: arguments, which are tensors (Ref, or a node's name) and constants; training."""

    arguments: tuple[Any, ...]
    training: bool = False

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The arguments that are tensors."""
        return tuple(argument for argument in self.arguments if isinstance(argument, Ref))


def calls_of(nodes: object) -> tuple[Call, ...]:
    """Return a layer's calls, from the value of its ``inbound_nodes``."""
    if not isinstance(nodes, list) or not nodes:
        return ()
    return tuple(
        _new_call(node) if isinstance(node, Mapping) else _old_call(node) for node in nodes
    )


def refs(value: object) -> list[Ref]:
    """Return the tensors in a model's inputs or outputs.

    They are one ``[name, node, tensor]`` or several.
    """
    if _is_old_ref(value):
        return [_old_ref(value)]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in refs(item)]
    return [ref for item in value for ref in refs(item)] if isinstance(value, list) else []


def _new_call(node: Mapping[str, Any]) -> Call:
    keywords = node.get("kwargs")
    keywords = keywords if isinstance(keywords, Mapping) else {}
    others = {key: value for key, value in keywords.items() if key not in ("training", "mask")}
    return Call(
        (
            *_new_arguments(node.get("args", [])),
            *_new_arguments(list(others.values()), tensors=True),
        ),
        bool(keywords.get("training")),
    )


def _new_arguments(value: object, tensors: bool = False) -> Iterator[Any]:
    """Yield the tensors and numbers of a structure; of keywords only the tensors."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield Ref(*_history(value))
        elif not tensors:
            yield _constant(value)
    elif isinstance(value, list):
        for item in value:
            yield from _new_arguments(item, tensors)
    elif value is not None and not tensors:
        yield value


def _history(tensor: Mapping[str, Any]) -> tuple[str, int, int]:
    history = tensor["config"]["keras_history"]
    if not _is_old_ref(history):
        raise KerasFileError(
            f"a tensor's history is {str(history)[:80]!r}; accepted: [layer, call, output]"
        )
    return history[0], history[1], history[2]


def _constant(value: Mapping[str, Any]) -> Any:
    """Return a number that Keras wrote as an object (an array's ``value``), else the object."""
    settings = value.get("config")
    return settings.get("value", value) if isinstance(settings, Mapping) else value


def _old_call(node: object) -> Call:
    arguments: list[Any] = []
    training = False
    for entry in node if isinstance(node, list) and node and isinstance(node[0], list) else [node]:
        if not isinstance(entry, list) or len(entry) < 3:
            raise KerasFileError(
                f"a layer's call is {str(entry)[:80]!r}; accepted: [layer, call, output, settings]"
            )
        arguments.append(entry[2] if entry[0] == "_CONSTANT_VALUE" else _old_ref(entry))
        keywords = entry[3] if len(entry) > 3 and isinstance(entry[3], Mapping) else {}
        training = training or bool(keywords.get("training"))
        arguments += [
            _old_ref(value) if _is_old_ref(value) else value
            for key, value in keywords.items()
            if key in ("y", "x") and value is not None
        ]
    return Call(tuple(arguments), training)


def _is_old_ref(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and all(type(number) is int for number in value[1:3])
    )


def _old_ref(value: Any) -> Ref:
    if not _is_old_ref(value):
        raise KerasFileError(
            f"a layer's call names {str(value)[:80]!r}; accepted: [layer, call, output]"
        )
    return Ref(value[0], value[1], value[2])
