"""The body of ``forward``: one line a layer, in order, with shapes as comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import wrap

from .. import spec as s
from .layers import Call, Code, code, merged, same_sides
from .names import attributes, variables
from .reflow import WIDTH, reflow

_INDENT = 8
# layers that people write around the previous call: F.relu(self.norm(self.conv(x)))
_INLINE = ("batch_norm", "activation", "relu")
_DEEPEST = 3  # nested calls in one line


@dataclass(frozen=True)
class Line:
    """``target = expression``, with a comment after it and a note above it; always or in training
    only.
    """

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
    """The argument and the lines of ``forward``, and the code of each layer that owns weights, in
    order.
    """

    argument: str
    lines: tuple[Line, ...]
    codes: tuple[Code, ...]


def forward(spec: s.NetworkSpec) -> Forward:
    """Return the forward pass of a network, which returns its outputs: logits of the answer
    first.
    """
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
        layer_code = code(definition, call)
        if layer_code.note in notes:  # each note stands once
            layer_code = replace(layer_code, note=None)
        notes.add(layer_code.note or "")
        if not layer_code.steps and names[layer.name] != inputs[0] != "x":
            names[layer.name] = inputs[0]  # the value has a name already
        _append(lines, names[layer.name], layer_code, inputs[0], call)
        if owner == layer.name:
            codes.append(layer_code)
    lines += _returned(spec, names, lines)
    return Forward(names[s.INPUT], tuple(lines), tuple(codes))


def _append(lines: list[Line], target: str, layer_code: Code, value: str, call: Call) -> None:
    """Add the lines of a layer, or write the layer around the previous line."""
    steps = layer_code.steps
    note = layer_code.note
    if layer_code.training:
        expression = layer_code.training.format(x=value)
        lines.append(Line(target, expression, call.info.name, training=True))
        return
    if not steps:
        if note or target != value:
            lines.append(Line(target, "" if target == value else value, None, note))
        return
    if call.info.type in _INLINE and len(steps) == 1 and lines and lines[-1].target == value == "x":
        around = _around(lines[-1], target, steps[0], call)
        if around is not None:
            lines[-1] = around
            return
    *named, last = _joined(steps, target, value)
    for step in named:
        name, _, expression = step.rpartition(" := ")
        lines.append(Line(name or target, expression.format(x=value), note=note))
        value = value if name else target
        note = None
    lines.append(Line(target, last.format(x=value), _comment(call), note))


def _around(line: Line, target: str, step: str, call: Call) -> Line | None:
    """Return `line` with `step` around its expression; None where that would be hard to read."""
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
    """Yield the steps; a module and the activation after it become one where they fit into a
    line.
    """
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
    """Return the output shape, after the layer's name where the code does not show it."""
    named = call.info.weights and call.attribute == call.info.name
    return _shape(call) if named else f"{call.info.name}: {_shape(call)}"


def _shape(call: Call) -> str:
    return f"(N, {', '.join(map(str, torch_shape(call.info.output_shape)))})"


def torch_shape(shape: s.Shape) -> s.Shape:
    """Return a shape in torch's order, without the batch axis."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def _pads_itself(spec: s.NetworkSpec, owner: str) -> bool:
    """Whether all calls of a convolution pad alike, so that its module can do it."""
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
    """Yield the last lines; where there is one output, the line that computes it returns it."""
    answer = names[spec.output]
    others = [names[name] for name in spec.kept[1:]]
    inner = spec.inner_probabilities
    note = "The network ends in probabilities; these are their logits" if inner else None
    if inner == "sigmoid":
        answer = f"{answer}.logit(eps=1e-7)"
    elif inner:
        answer = f"{answer}.clamp(1e-7, 1 - 1e-7).log()"
    elif not others and lines and lines[-1].target == answer and not lines[-1].training:
        last = lines.pop()
        yield replace(last, target="return", expression=last.expression or answer)
        return
    yield Line("return", ", ".join([answer, *others]), None, note)
