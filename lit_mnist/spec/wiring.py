"""How layers are connected: what each reads, in what order, and how long values are needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import listed, nearest
from .layer import INPUT, Layer, SpecError

Sources = Mapping[str, tuple[str, ...]]  # layer -> names of what it reads


@dataclass(frozen=True)
class Step:
    """One layer in a pass: what it reads, and the values that are not needed after it."""

    name: str
    inputs: tuple[str, ...]
    last_use_of: tuple[str, ...]


def sources_of(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """Return what each layer reads: the named inputs, else the layer before. Raises SpecError."""
    names = [layer.name for layer in layers]
    if INPUT in names and any(INPUT in (layer.inputs or ()) for layer in layers):
        raise SpecError(
            f"layer name {INPUT!r} cannot work where a layer names its inputs: it is the "
            "network's input"
        )
    before = INPUT
    result = {}
    for place, layer in enumerate(layers):
        inputs = (before,) if layer.inputs is None else layer.inputs
        _check_names(layer, inputs, names, place)
        _check_count(layer, inputs)
        result[layer.name] = inputs
        before = layer.name
    return result


def _check_names(layer: Layer, inputs: tuple[str, ...], names: Sequence[str], place: int) -> None:
    for name in inputs:
        if name in names[place:]:
            reason = (
                "it would read itself"
                if name == layer.name
                else "that comes after it, which closes a cycle or "
                "puts the layers in the wrong order"
            )
            raise SpecError(
                f"layer {layer.name!r}: its input {name!r} cannot work: {reason}; "
                f"accepted: {listed((INPUT, *names[:place]))}"
            )
        if name != INPUT and name not in names:
            raise SpecError(
                f"layer {layer.name!r}: no layer {name!r} to read from; "
                f"{nearest(str(name), (INPUT, *names[:place]))}"
            )


def _check_count(layer: Layer, inputs: tuple[str, ...]) -> None:
    fewest = layer.fewest_inputs
    most = layer.most_inputs
    if len(inputs) >= fewest and (most is None or len(inputs) <= most):
        return
    accepted = str(fewest) if most == fewest else f"at least {fewest}"
    inputs_text = (
        "it names none, and reads the layer before it"
        if layer.inputs is None
        else f"given: {list(inputs)}"
    )
    raise SpecError(
        f"layer {layer.name!r}: wrong number of inputs ({inputs_text}); a {layer.type} layer takes "
        f"{accepted}"
    )


def needed(sources: Sources, outputs: Collection[str], start: str = INPUT) -> set[str]:
    """Return the layers that the `outputs` depend on, if the value of `start` is given."""
    result = set()
    known = (INPUT, start)
    waiting = [name for name in outputs if name not in known]
    while waiting:
        name = waiting.pop()
        if name not in result:
            result.add(name)
            waiting += [source for source in sources[name] if source not in known]
    return result


def check_used(sources: Sources, outputs: Sequence[str]) -> None:
    """Raise SpecError for a layer that no output depends on."""
    used = needed(sources, outputs)
    for name in sources:
        if name not in used:
            raise SpecError(
                f"layer {name!r} leads to no output ({', '.join(outputs)}); accepted: a layer "
                "that another one reads, or one that is named in the network's outputs"
            )


def plan(sources: Sources, outputs: Sequence[str], start: str = INPUT) -> tuple[Step, ...]:
    """Return the steps from `start` to the `outputs`, each with its last uses of values."""
    used = needed(sources, outputs, start)
    steps = [(name, inputs) for name, inputs in sources.items() if name in used]
    last: dict[str, str] = {}
    for name, inputs in steps:
        last |= dict.fromkeys(inputs, name)
    return tuple(
        Step(
            name,
            inputs,
            tuple(
                value
                for value in dict.fromkeys(inputs)
                if last[value] == name and value not in outputs
            ),
        )
        for name, inputs in steps
    )


def readers(sources: Sources) -> dict[str, tuple[str, ...]]:
    """Return by name which layers read a value."""
    result: dict[str, tuple[str, ...]] = {name: () for name in (INPUT, *sources)}
    for name, inputs in sources.items():
        for source in inputs:
            result[source] += (name,)
    return result


def chain_of(sources: Sources, output: str) -> Iterator[str]:
    """Yield the layers that `output` needs, in order.

    Raises SpecError, naming a layer, if they are no chain.
    """
    before = INPUT
    for step in plan(sources, [output]):
        if step.inputs != (before,):
            raise SpecError(
                f"layer {step.name!r} reads {', '.join(step.inputs)}: the layers up to {output!r} "
                "branch"
            )
        yield step.name
        before = step.name
