"""Activations, as layers and behind other layers."""

from __future__ import annotations

from ... import spec as s
from .calls import Call, Code, channels_first, code, number


def activation_steps(layer: s.Activated | s.Activation, call: Call) -> tuple[str, ...]:
    """Return the activation's expression, if any: exported networks return logits."""
    kind = layer.activation
    if kind in ("softmax", "sigmoid") and call.info.name == call.spec.output:
        return ()
    if kind == "elu":
        return (f"F.elu({{x}}{'' if layer.alpha in (None, 1) else f', {layer.alpha}'})",)
    if kind == "leaky_relu":
        return (f"F.leaky_relu({{x}}, {number(0.3 if layer.alpha is None else layer.alpha)})",)
    return () if kind == "linear" else (_ACTIVATIONS[kind],)


_ACTIVATIONS = {
    "relu": "F.relu({x})",
    "relu6": "F.relu6({x})",
    "selu": "F.selu({x})",
    "tanh": "torch.tanh({x})",
    "sigmoid": "torch.sigmoid({x})",
    "softmax": "F.softmax({x}, 1)",
    "softplus": "F.softplus({x})",
    "softsign": "F.softsign({x})",
    "exponential": "torch.exp({x})",
    "hard_sigmoid": "F.relu6({x} + 3) / 6",
    "hard_sigmoid_keras2": "(0.2 * {x} + 0.5).clamp(0, 1)",
    "silu": "F.silu({x})",
    "hard_swish": "F.hardswish({x})",
    "gelu": "F.gelu({x})",
    "gelu_tanh": 'F.gelu({x}, approximate="tanh")',
    "mish": "F.mish({x})",
}


@code.register
def _(layer: s.Activation, call: Call) -> Code:
    return Code(activation_steps(layer, call))


@code.register
def _(layer: s.ReLU, call: Call) -> Code:
    if layer.threshold == 0 and layer.maximum is None:
        return Code((f"F.leaky_relu({{x}}, {layer.slope})" if layer.slope else "F.relu({x})",))
    if (layer.threshold, layer.maximum, layer.slope) == (0, 6, 0):
        return Code(("F.relu6({x})",))
    above = f"F.threshold({{x}}, {layer.threshold}, 0)" if layer.threshold else "F.relu({x})"
    if layer.maximum is not None:
        above += f".clamp(max={layer.maximum})"
    distance = f"{layer.threshold} - {{x}}" if layer.threshold else "-{x}"
    below = f" - {layer.slope} * F.relu({distance})" if layer.slope else ""
    return Code((above + below,))


@code.register
def _(layer: s.PReLU, call: Call) -> Code:
    sizes = layer.weights(call.shape)["alpha"]
    key = call.key("alpha")
    if all(size == 1 for size in sizes[:-1]):
        prelu = f"nn.PReLU({sizes[-1]})" if sizes[-1] > 1 else "nn.PReLU()"
        return Code(
            (f"self.{call.attribute}({{x}})",),
            {call.attribute: prelu},
            {f"{call.attribute}.weight": key},
        )
    alpha = f"{call.attribute}_alpha"
    return Code(
        (f"torch.where({{x}} > 0, {{x}}, self.{alpha} * {{x}})",),
        {alpha: f"nn.Parameter(torch.zeros({channels_first(sizes)}))"},
        {alpha: key},
    )
