"""Layers with a kernel: convolutions and dense layers."""

from __future__ import annotations

from ... import spec as s
from .activations import activation_steps
from .calls import SAME, Call, Code, code, pad_step, pair, plain_module


@code.register
def _(layer: s.Conv, call: Call) -> Code:
    return _convolution(layer, call, f"{call.shape[2]}, {layer.filters}", layer.groups)


@code.register
def _(layer: s.DepthwiseConv, call: Call) -> Code:
    channels = call.shape[2]
    return _convolution(layer, call, f"{channels}, {channels * layer.multiplier}", channels)


@code.register
def _(layer: s.SeparableConv, call: Call) -> Code:
    channels = call.shape[2]
    between = channels * layer.multiplier
    depthwise = f"{call.attribute}_depthwise"
    pointwise = f"{call.attribute}_pointwise"
    pad, arguments = _padding(layer, call)
    scan = _keywords(layer, arguments, channels) + ", bias=False"
    return Code(
        (
            *pad,
            f"self.{depthwise}({{x}})",
            f"self.{pointwise}({{x}})",
            *activation_steps(layer, call),
        ),
        {
            depthwise: f"nn.Conv2d({channels}, {between}, {pair(layer.kernel)}{scan})",
            pointwise: f"nn.Conv2d({between}, {layer.filters}, 1{_bias(layer)})",
        },
        {f"{depthwise}.weight": call.key("depthwise_kernel")}
        | {f"{pointwise}.weight": call.key("pointwise_kernel")}
        | ({f"{pointwise}.bias": call.key("bias")} if layer.use_bias else {}),
        note=SAME if pad else None,
    )


@code.register
def _(layer: s.TransposedConv, call: Call) -> Code:
    height, width, _ = call.info.output_shape
    more = layer.beyond(call.shape)
    beyond = (max(more[0], 0), max(more[1], 0))
    arguments = f"stride={pair(layer.stride)}" if layer.stride != (1, 1) else ""
    if any(layer.cut_before):
        arguments += f", padding={pair(layer.cut_before)}"
    if any(beyond):
        arguments += f", output_padding={pair(beyond)}"
    if layer.dilation != (1, 1):
        arguments += f", dilation={pair(layer.dilation)}"
    arguments = f", {arguments.removeprefix(', ')}" if arguments else ""
    crop = (f"{{x}}[:, :, :{height}, :{width}]",) if min(more) < 0 else ()
    sizes = f"{call.shape[2]}, {layer.filters}, {pair(layer.kernel)}"
    return plain_module(
        call,
        f"nn.ConvTranspose2d({sizes}{arguments}{_bias(layer)})",
        ("kernel", "bias"),
        after=(*crop, *activation_steps(layer, call)),
        note="The last row or column is one that Keras does not have" if crop else None,
    )


@code.register
def _(layer: s.Dense, call: Call) -> Code:
    linear = f"nn.Linear({call.shape[0]}, {layer.units}{_bias(layer)})"
    return plain_module(call, linear, ("kernel", "bias"), after=activation_steps(layer, call))


@code.register
def _(layer: s.Distances, call: Call) -> Code:
    centres = call.attribute
    squares = f"{{x}}.square().sum(1, keepdim=True) + self.{centres}.square().sum(1)"
    return Code(
        (
            f"squares := {squares}",
            f"(squares - 2 * {{x}} @ self.{centres}.T).clamp_min({s.LEAST_SQUARE}).sqrt()",
        ),
        {centres: f"nn.Parameter(torch.zeros({layer.units}, {call.shape[0]}))"},
        {centres: call.key("centres")},
    )


def _convolution(layer: s.Conv | s.DepthwiseConv, call: Call, channels: str, groups: int) -> Code:
    pad, arguments = _padding(layer, call)
    scan = _keywords(layer, arguments, groups)
    return plain_module(
        call,
        f"nn.Conv2d({channels}, {pair(layer.kernel)}{scan}{_bias(layer)})",
        ("kernel", "bias"),
        before=pad,
        after=activation_steps(layer, call),
        note=SAME if pad else None,
    )


def _bias(layer: s.Activated) -> str:
    return "" if layer.use_bias else ", bias=False"


def _keywords(layer: s.Scanning, padding: str, groups: int) -> str:
    stride = f", stride={pair(layer.stride)}" if layer.stride != (1, 1) else ""
    dilation = f", dilation={pair(layer.dilation)}" if layer.dilation != (1, 1) else ""
    return stride + padding + dilation + (f", groups={groups}" if groups > 1 else "")


def same_sides(layer: s.Scanning, shape: s.Shape) -> tuple[tuple[int, int], ...]:
    """Return ``((top, bottom), (left, right))`` of a convolution's padding."""
    if layer.padding == "valid":
        return ((0, 0), (0, 0))
    return s.same_padding(shape, layer.reach, layer.stride)


def _padding(layer: s.Scanning, call: Call) -> tuple[tuple[str, ...], str]:
    """Return the padding as a step before the convolution, or as an argument of it."""
    rows, columns = same_sides(layer, call.shape)
    if not any((*rows, *columns)):
        return (), ""
    if rows[0] == rows[1] and columns[0] == columns[1] and call.pads_itself:
        return (), f", padding={pair((rows[0], columns[0]))}"
    return (pad_step((rows, columns)),), ""
