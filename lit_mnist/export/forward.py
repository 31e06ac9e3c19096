"""The body of ``forward``: one line a layer, top to bottom, with shapes as comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import wrap

from .. import spec as s
from .layers import Call, Code, code, merged, same_sides
from .names import attributes, variables
from .reflow import WIDTH, reflow

_INDENT = 8
# layers that people write around the call before them: F.relu(self.norm(self.conv(x)))
_INLINE = ("batch_norm", "activation", "relu")
_DEEPEST = 3  # calls within one another


@dataclass(frozen=True)
class Line:
    """``target = expression``, with a comment behind it and a note above it, in training alone or always."""

    target: str
    expression: str
    comment: str | None = None
    note: str | None = None
    training: bool = False

    def lines(self) -> list[str]:
        """Return the text, within ``forward``."""
        start = " " * _INDENT + "# "
        above = wrap(self.note or "", WIDTH, initial_indent=start, subsequent_indent=start)
        if not self.expression:
            return above
        if self.training:
            condition = [" " * _INDENT + "if self.training:"]
            return [*above, *condition, *self._statement(_INDENT + 4)]
        return [*above, *self._statement(_INDENT)]

    def _statement(self, indent: int) -> list[str]:
        head = "return " if self.target == "return" else f"{self.target} = "
        return reflow(head, self.expression, indent, self.comment)


@dataclass(frozen=True)
class Forward:
    """What ``forward`` reads and does, and the code of each layer that owns something, in order."""

    argument: str
    lines: tuple[Line, ...]
    codes: tuple[Code, ...]


def forward(spec: s.NetworkSpec) -> Forward:
    """Return the forward pass of a network: its outputs, the answer as logits first."""
    names = variables(spec)
    attribute = attributes(spec)
    lines: list[Line] = []
    codes: list[Code] = []
    notes: set[str] = set()
    for layer in spec.layers:
        owner = layer.shares if isinstance(layer, s.Shared) else layer.name
        definition = spec.layer(layer.name)
        call = Call(spec, spec[layer.name], owner, attribute[owner], _pads_itself(spec, owner))
        inputs = [names[name] for name in call.info.inputs]
        if isinstance(definition, s.Merge):
            expression = merged(definition, call, inputs)
            _append(lines, names[layer.name], Code((expression,)), inputs[0], call)
            continue
        own = code(definition, call)
        if own.note in notes:  # said once is enough
            own = replace(own, note=None)
        notes.add(own.note or "")
        if not own.steps and names[layer.name] != inputs[0] != "x":
            names[layer.name] = inputs[0]  # the value has a name already
        _append(lines, names[layer.name], own, inputs[0], call)
        if owner == layer.name:
            codes.append(own)
    lines += _returned(spec, names, lines)
    return Forward(names[s.INPUT], tuple(lines), tuple(codes))


def _append(lines: list[Line], target: str, own: Code, value: str, call: Call) -> None:
    """Add a layer's lines, or write it around the line before."""
    steps = own.steps
    if own.training:
        lines.append(Line(target, own.training.format(x=value), call.info.name, training=True))
        return
    if not steps:
        if own.note or target != value:
            lines.append(Line(target, "" if target == value else value, None, own.note))
        return
    if call.info.type in _INLINE and len(steps) == 1 and lines and lines[-1].target == value == "x":
        around = _around(lines[-1], target, steps[0], call)
        if around is not None:
            lines[-1] = around
            return
    *named, last = _joined(steps, target, value)
    for step in named:
        name, _, expression = step.rpartition(" := ")
        lines.append(Line(name or target, expression.format(x=value), note=own.note))
        value = value if name else target
        own = replace(own, note=None)
    lines.append(Line(target, last.format(x=value), _comment(call), own.note))


def _around(line: Line, target: str, step: str, call: Call) -> Line | None:
    """Return the line before with `step` around its expression, None where that reads badly."""
    nested = line.expression.count("(self.") + line.expression.count("(F.") + 1
    if not line.expression.startswith(("self.", "F.")) or step.count("{x}") != 1:
        return None
    if line.training or not step.startswith(("self.", "F.", "torch.")) or nested >= _DEEPEST:
        return None
    around = replace(
        line, target=target, expression=step.format(x=line.expression), comment=_shape(call)
    )
    return around if len(around.lines()) == len(line.lines()) else None


def _joined(steps: tuple[str, ...], target: str, value: str) -> Iterator[str]:
    """Yield the steps, a module or a kernel with the activation behind it as one, where a line holds them."""
    pending = steps[0]
    for step in steps[1:]:
        both = step.replace("{x}", pending)
        plain = pending.startswith("self.") and step.startswith(("F.", "torch.", "self."))
        length = _INDENT + len(target) + 3 + len(both) - 3 + len(value)
        if plain and step.count("{x}") == 1 and length <= WIDTH:
            pending = both
        else:
            yield pending
            pending = step
    yield pending


def _comment(call: Call) -> str:
    """Say which layer it is, where the code does not, and what shape comes out."""
    named = call.info.weights and call.attribute == call.info.name
    return _shape(call) if named else f"{call.info.name}: {_shape(call)}"


def _shape(call: Call) -> str:
    return f"(N, {', '.join(map(str, torch_shape(call.info.output_shape)))})"


def torch_shape(shape: s.Shape) -> s.Shape:
    """Return a shape in torch's order, without the batch axis."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def _pads_itself(spec: s.NetworkSpec, owner: str) -> bool:
    """Whether all calls of a convolution pad alike, so that the module can."""
    if not isinstance(spec.layer(owner), s.Scanning):
        return True
    calls = [
        layer.name
        for layer in spec.layers
        if layer.name == owner or (isinstance(layer, s.Shared) and layer.shares == owner)
    ]
    sides = set()
    for name in calls:
        definition = spec.layer(name)
        assert isinstance(definition, s.Scanning)
        sides.add(same_sides(definition, spec[name].input_shape))
    return len(sides) == 1


def _returned(spec: s.NetworkSpec, names: dict[str, str], lines: list[Line]) -> Iterator[Line]:
    """Yield the last lines; a single answer is returned by the line that computes it."""
    answer = names[spec.output]
    others = [names[name] for name in spec.kept[1:]]
    inner = spec.inner_probabilities
    note = "The network ends in probabilities; these are their logits" if inner else None
    if inner:
        answer = (
            f"{answer}.logit(eps=1e-7)"
            if inner == "sigmoid"
            else f"{answer}.clamp(1e-7, 1 - 1e-7).log()"
        )
    elif not others and lines and lines[-1].target == answer and not lines[-1].training:
        last = lines.pop()
        yield replace(last, target="return", expression=last.expression or answer)
        return
    yield Line("return", ", ".join([answer, *others]), None, note)
