"""The code of each layer type, as people write it in PyTorch: one function a type, chosen by the layer's class.

Modules are what `lit_mnist.network.build` computes with, named as the layer; what has no weights is a function of
`torch.nn.functional`. Each expression holds its input as ``{x}``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from .. import spec as s
from ..spec.weights import flattened_image, torch_name

SAME = "Keras' 'same' padding: the odd row or column comes after the image"
PAST = "Keras' 'same' pooling: the last windows reach past the image"
FLATTEN_FIRST = "Flattened channels first, unlike Keras; the next kernel is stored to match"
FLATTEN_LAST = "Flattened as Keras does, rows first and channels last"
RESHAPE = "Reshaped as Keras does, rows first and channels last"


@dataclass(frozen=True)
class Call:
    """One call of a layer: its row of the table, the attribute that holds its weights, and what a shared one needs.

    `attribute` is the name of the layer that owns the weights, as Python takes it; `owner` is its name in the
    description. Where `pads_itself` is false, calls on images of other sizes share the module, and padding stands
    before each.
    """

    spec: s.NetworkSpec
    info: s.LayerInfo
    owner: str
    attribute: str
    pads_itself: bool = True

    @property
    def shape(self) -> s.Shape:
        """Shape of the (first) input."""
        return self.info.input_shape

    @property
    def is_image(self) -> bool:
        """Whether the (first) input is an image."""
        return len(self.shape) == 3

    def key(self, weight: str) -> str:
        """Return the key of a weight in `Network.state_dict`."""
        return torch_name(self.spec, f"{self.owner}/{weight}")


@dataclass(frozen=True)
class Code:
    """What a layer puts into the file.

    `steps` are expressions of ``{x}``, one after the other; ``name := expression`` leaves ``{x}`` as it is.
    `definitions` are constructors by attribute. `weights` gives the file's keys for those of
    `Network.state_dict`, `constants` tensors by key that are no weights there. `note` stands above the steps;
    `training` is an expression of ``{x}`` for training alone. Of `variances` the file holds the deviations.
    """

    steps: tuple[str, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    note: str | None = None
    training: str | None = None
    variances: tuple[str, ...] = ()


@singledispatch
def code(layer: s.Layer, call: Call) -> Code:
    """Return the code of a layer at its call."""
    raise TypeError(f"no PyTorch code for a {type(layer).__name__} layer")


# ---- kernels


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
        (*pad, f"self.{depthwise}({{x}})", f"self.{pointwise}({{x}})", *_activation(layer, call)),
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
    whole = [
        (n - 1) * step + k - 2 * cut
        for n, step, k, cut in zip(
            call.shape[:2], layer.stride, layer.kernel, layer.cut_before, strict=True
        )
    ]
    more = (height - whole[0], width - whole[1])
    beyond = (max(more[0], 0), max(more[1], 0))
    arguments = f"stride={pair(layer.stride)}" if layer.stride != (1, 1) else ""
    if any(layer.cut_before):
        arguments += f", padding={pair(layer.cut_before)}"
    if any(beyond):
        arguments += f", output_padding={pair(beyond)}"
    arguments = f", {arguments.removeprefix(', ')}" if arguments else ""
    crop = (f"{{x}}[:, :, :{height}, :{width}]",) if min(more) < 0 else ()
    sizes = f"{call.shape[2]}, {layer.filters}, {pair(layer.kernel)}"
    return _module(
        call,
        f"nn.ConvTranspose2d({sizes}{arguments}{_bias(layer)})",
        ("kernel", "bias"),
        after=(*crop, *_activation(layer, call)),
        note="The last row or column is one that Keras does not have" if crop else None,
    )


@code.register
def _(layer: s.Dense, call: Call) -> Code:
    linear = f"nn.Linear({call.shape[0]}, {layer.units}{_bias(layer)})"
    return _module(call, linear, ("kernel", "bias"), after=_activation(layer, call))


def _convolution(layer: s.Conv | s.DepthwiseConv, call: Call, channels: str, groups: int) -> Code:
    pad, arguments = _padding(layer, call)
    scan = _keywords(layer, arguments, groups)
    return _module(
        call,
        f"nn.Conv2d({channels}, {pair(layer.kernel)}{scan}{_bias(layer)})",
        ("kernel", "bias"),
        before=pad,
        after=_activation(layer, call),
        note=SAME if pad else None,
    )


def _module(
    call: Call,
    constructor: str,
    weights: Sequence[str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    note: str | None = None,
) -> Code:
    """Return a layer that is one module of torch, with a kernel or scale called weight and perhaps a bias."""
    name = call.attribute
    own = call.spec[call.owner].weights
    keys = {
        f"{name}.{plain}": call.key(weight)
        for weight, plain in zip(weights, ("weight", "bias"), strict=True)
        if weight in own
    }
    return Code((*before, f"self.{name}({{x}})", *after), {name: constructor}, keys, note=note)


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
    return (_pad((rows, columns)),), ""


def _pad(sides: tuple[tuple[int, int], ...], value: str = "") -> str:
    (top, bottom), (left, right) = sides
    return f"F.pad({{x}}, ({left}, {right}, {top}, {bottom}){value})"


def pair(values: tuple[int, ...]) -> str:
    """Return ``3`` for (3, 3), ``(3, 2)`` for (3, 2)."""
    return str(values[0]) if values[0] == values[1] else str(values)


# ---- activations


def _activation(layer: s.Activated | s.Activation, call: Call) -> tuple[str, ...]:
    """Return the activation's expression, none for a linear one; the answer's softmax or sigmoid is left out."""
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
    return Code(_activation(layer, call))


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
        {alpha: f"nn.Parameter(torch.zeros({_channels_first(sizes)}))"},
        {alpha: key},
    )


# ---- shapes


@code.register
def _(layer: s.Pool, call: Call) -> Code:
    step = "" if layer.step == layer.size else f", {pair(layer.step)}"
    window = pair(layer.size) + step
    pool = "F.max_pool2d" if layer.kind == "max" else "F.avg_pool2d"
    rows, columns = (
        s.same_padding(call.shape, layer.size, layer.step)
        if layer.padding == "same"
        else ((0, 0), (0, 0))
    )
    if not any((*rows, *columns)):
        return Code((f"{pool}({{x}}, {window})",))
    if rows[0] == columns[0] == 0:  # Keras pads after the image alone
        return Code((f"{pool}({{x}}, {window}, ceil_mode=True)",), note=PAST)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        uncounted = "" if layer.kind == "max" else ", count_include_pad=False"
        return Code((f"{pool}({{x}}, {window}, padding={pair((rows[0], columns[0]))}{uncounted})",))
    if layer.kind == "max":
        value = ", value=-torch.inf"
        return Code((_pad((rows, columns), value), f"{pool}({{x}}, {window})"), note=SAME)
    padded = _pad((rows, columns))
    counted = padded.replace("{x}", "torch.ones_like({x})")
    return Code(
        (f"count := {pool}({counted}, {window})", f"{pool}({padded}, {window}) / count"),
        note=f"{SAME}, and is not averaged over",
    )


@code.register
def _(layer: s.GlobalPool, call: Call) -> Code:
    reduce = "amax" if layer.kind == "max" else "mean"
    return Code((f"{{x}}.{reduce}((2, 3){', keepdim=True' if layer.keepdims else ''})",))


@code.register
def _(layer: s.ZeroPad, call: Call) -> Code:
    return Code((_pad(layer.padding),))


@code.register
def _(layer: s.Cropping, call: Call) -> Code:
    spans = [
        f"{before or ''}:{size - after if after else ''}"
        for size, (before, after) in zip(call.shape[:2], layer.cropping, strict=True)
    ]
    return Code((f"{{x}}[:, :, {spans[0]}, {spans[1]}]",))


@code.register
def _(layer: s.Upsampling, call: Call) -> Code:
    factor = pair(layer.size)
    mode = "" if layer.interpolation == "nearest" else f', mode="{layer.interpolation}"'
    return Code((f"F.interpolate({{x}}, scale_factor={factor}{mode})",))


@code.register
def _(layer: s.Permute, call: Call) -> Code:
    place = {1: 2, 2: 3, 3: 1}
    rows, columns, channels = (place[axis] for axis in layer.dims)
    return Code((f"{{x}}.permute(0, {channels}, {rows}, {columns})",))


@code.register
def _(layer: s.Flatten, call: Call) -> Code:
    if not call.is_image:
        return Code()
    height, width, channels = call.shape
    one_order = channels == 1 or height * width == 1
    if call.spec.flatten_order_is_free or one_order:
        return Code(("{x}.flatten(1)",), note=None if one_order else FLATTEN_FIRST)
    return Code(("{x}.permute(0, 2, 3, 1).flatten(1)",), note=FLATTEN_LAST)


@code.register
def _(layer: s.Reshape, call: Call) -> Code:
    height, width, channels = layer.shape
    shaped = (f"{{x}}.reshape(-1, {height}, {width}, {channels})", "{x}.permute(0, 3, 1, 2)")
    if call.is_image:
        return Code(("{x}.permute(0, 2, 3, 1)", *shaped), note=RESHAPE)
    image = flattened_image(call.spec, call.info.name)
    if image is None:
        return Code(shaped, note=RESHAPE)
    rows, columns, maps = image
    unflattened = f"{{x}}.reshape(-1, {maps}, {rows}, {columns}).permute(0, 2, 3, 1)"
    return Code((unflattened, *shaped), note=RESHAPE)


# ---- scales and statistics


@code.register
def _(layer: s.BatchNorm, call: Call) -> Code:
    kind = "BatchNorm2d" if call.is_image else "BatchNorm1d"
    rate = number(round(1 - layer.momentum, 12))
    arguments = f"{call.shape[-1]}, eps={layer.epsilon}, momentum={rate}"
    name = call.attribute
    scaled = _scaled(call, f"nn.{kind}({arguments}", ("center", "scale"), layer)
    statistics = {
        f"{name}.running_mean": call.key("moving_mean"),
        f"{name}.running_var": call.key("moving_variance"),
    }
    counted = {f"{name}.num_batches_tracked": torch.tensor(0)}
    return Code(
        scaled.steps,
        scaled.definitions,
        scaled.weights | statistics,
        scaled.constants | counted,
    )


@code.register
def _(layer: s.LayerNorm, call: Call) -> Code:
    sizes = tuple(call.shape[axis - 1] for axis in layer.axes(call.shape))
    shape = _channels_first(sizes) if len(sizes) == 3 else str(sizes[0])
    shape = f"({shape})" if len(sizes) == 3 else shape
    norm = _scaled(call, f"nn.LayerNorm({shape}, eps={layer.epsilon}", ("center", "scale"), layer)
    if len(sizes) == 3 or not call.is_image:
        return norm
    steps = ("{x}.permute(0, 2, 3, 1)", *norm.steps, "{x}.permute(0, 3, 1, 2)")
    return Code(steps, norm.definitions, norm.weights, norm.constants)


@code.register
def _(layer: s.GroupNorm, call: Call) -> Code:
    channels = call.shape[-1]
    groups = channels if layer.groups == -1 else layer.groups
    start = f"nn.GroupNorm({groups}, {channels}, eps={layer.epsilon}"
    return _scaled(call, start, ("center", "scale"), layer)


def _scaled(
    call: Call,
    start: str,
    flags: tuple[str, str],
    layer: s.BatchNorm | s.LayerNorm | s.GroupNorm,
) -> Code:
    """Return a normalisation; torch has scale and shift both or not at all, so the one that lacks is constant."""
    name = call.attribute
    plain = not (layer.center or layer.scale)
    off = ", elementwise_affine=False" if isinstance(layer, s.LayerNorm) else ", affine=False"
    module = _module(call, f"{start}{off if plain else ''})", ("gamma", "beta"))
    if plain:
        return module
    rows = call.spec[call.owner].weights
    shape = rows["gamma" if layer.scale else "beta"]
    first = (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape
    lacking: dict[str, Tensor] = {}
    if not layer.scale:
        lacking[f"{name}.weight"] = torch.ones(first)
    if not layer.center:
        lacking[f"{name}.bias"] = torch.zeros(first)
    return Code(module.steps, module.definitions, module.weights, lacking)


@code.register
def _(layer: s.Normalization, call: Call) -> Code:
    mean = f"{call.attribute}_mean"
    deviation = f"{call.attribute}_std"
    formula = (
        f"{{x}} * self.{deviation} + self.{mean}"
        if layer.invert
        else f"({{x}} - self.{mean}) / self.{deviation}"
    )
    own = call.spec[call.owner]
    sizes = layer.weights(call.shape).get("mean", np.shape(layer.mean or 0.0))
    shape = _for_channels(sizes, len(own.input_shape) == 3)
    if layer.mean is None:
        weights = {mean: call.key("mean"), deviation: call.key("variance")}
        constants: dict[str, Tensor] = {}
    else:
        weights = {}
        variance = torch.tensor(layer.variance)
        constants = {mean: torch.tensor(layer.mean), deviation: variance}
    buffers = {
        mean: f"nn.Buffer(torch.zeros({shape}))",
        deviation: f"nn.Buffer(torch.ones({shape}))",
    }
    return Code((formula,), buffers, weights, constants, variances=(deviation,))


@code.register
def _(layer: s.Rescaling, call: Call) -> Code:
    factor, offset = layer.factor, layer.offset
    if not isinstance(factor, tuple) and not isinstance(offset, tuple):
        shift = f" {'-' if offset < 0 else '+'} {number(abs(offset))}" if offset else ""
        return Code((f"{{x}} * {_fraction(factor)}{shift}",))
    texts, definitions, constants = [], {}, {}
    for word, value in (("factor", factor), ("offset", offset)):
        if not isinstance(value, tuple):
            texts.append(number(value))
            continue
        name = f"{call.attribute}_{word}"
        texts.append(f"self.{name}")
        shape = _for_channels((len(value),), call.is_image)
        definitions[name] = f"nn.Buffer(torch.zeros({shape}))"
        constants[name] = torch.tensor(value, dtype=torch.float32)
    return Code((f"{{x}} * {texts[0]} + {texts[1]}",), definitions, {}, constants)


@code.register
def _(layer: s.ActivityRegularization, call: Call) -> Code:
    return Code(note=f"{layer.name} adds to the loss in training and passes values on")


def _for_channels(sizes: s.Shape, is_image: bool) -> str:
    """Return the arguments of ``torch.zeros`` for one number, or for one a channel that meets (N, C, ...)."""
    if not sizes:
        return "()"
    return f"{sizes[0]}, 1, 1" if is_image else str(sizes[0])


def _channels_first(sizes: s.Shape) -> str:
    order = (sizes[2], sizes[0], sizes[1]) if len(sizes) == 3 else sizes
    return ", ".join(map(str, order))


def number(value: float) -> str:
    """Return a float32's shortest text: 0.001, 1e-07, 0.3."""
    short = repr(float(str(np.float32(value))))
    return short if float(np.float32(short)) == float(np.float32(value)) else repr(float(value))


def _fraction(value: float) -> str:
    whole = round(1 / value) if value else 0
    return f"(1 / {whole})" if whole > 1 and 1 / whole == value else number(value)


# ---- training alone


@code.register
def _(layer: s.Dropout, call: Call) -> Code:
    function = "F.dropout2d" if layer.spatial else "F.dropout"
    return Code((f"{function}({{x}}, {layer.rate}, self.training)",))


@code.register
def _(layer: s.AlphaDropout, call: Call) -> Code:
    return Code((f"F.alpha_dropout({{x}}, {layer.rate}, self.training)",))


@code.register
def _(layer: s.GaussianNoise, call: Call) -> Code:
    return Code(training=f"{{x}} + {layer.stddev} * torch.randn_like({{x}})")


@code.register
def _(layer: s.GaussianDropout, call: Call) -> Code:
    deviation = number(math.sqrt(layer.rate / (1 - layer.rate)))
    return Code(training=f"{{x}} * (1 + {deviation} * torch.randn_like({{x}}))")


@code.register
def _(layer: s.Stochastic, call: Call) -> Code:
    return Code(note=f"{layer.name} ({layer.type}) changes values in training alone")


# ---- several inputs: expressions of {0}, {1}, ...


def merged(layer: s.Merge, call: Call, inputs: Sequence[str]) -> str:
    """Return the expression that merges values of these names."""
    ranks = {len(shape) for shape in call.info.input_shapes}
    if isinstance(layer, s.Concatenate):
        axis = layer.place(call.shape)
        place = (2, 3, 1)[axis] if call.is_image else 1
        return f"torch.cat([{', '.join(inputs)}], {place})"
    texts = [
        f"{name}[:, :, None, None]" if len(ranks) > 1 and len(shape) == 1 else name
        for name, shape in zip(inputs, call.info.input_shapes, strict=True)
    ]
    if isinstance(layer, s.Maximum | s.Minimum):
        function = "torch.maximum" if isinstance(layer, s.Maximum) else "torch.minimum"
        result = texts[0]
        for text in texts[1:]:
            result = f"{function}({result}, {text})"
        return result
    total = {s.Subtract: " - ", s.Multiply: " * "}.get(type(layer), " + ").join(texts)
    return f"({total}) / {len(texts)}" if isinstance(layer, s.Average) else total
