"""A network as an ordered list of named layers, described by arithmetic alone (no framework).

Shapes are written as Keras writes them: ``(height, width, channels)`` for images and
``(units,)`` for vectors, without the batch axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

from .errors import UserError, nearest

Shape = tuple[int, ...]

ACTIVATIONS = ("relu", "elu", "leaky_relu", "tanh", "sigmoid", "linear")
OUTPUT_ACTIVATIONS = ("softmax", "sigmoid", "linear")
MONOTONE_ACTIVATIONS = ACTIVATIONS  # each commutes with max-pooling, which the fast training order uses
PADDINGS = ("valid", "same")
POOL_KINDS = ("max", "average")
INITIALIZERS = ("glorot_uniform", "inverse_sqrt_uniform")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# A layer becomes an attribute of its network, so it cannot be called as something that every torch module has
_RESERVED = frozenset("""
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches
    eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict
    load_weights modules mtia named_buffers named_children named_modules named_parameters named_weights names
    parameters probabilities register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory spec state_dict to
    to_empty train training training_logits type xpu zero_grad
""".split())


class SpecError(UserError):
    """A network description that cannot work."""


@dataclass(frozen=True)
class Window:
    """How one axis pair is scanned: kernel, stride and padding before, each as ``(rows, columns)``."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Layer:
    """What every layer has: a name, and answers about shapes and sizes for a given input shape."""

    name: str
    type: ClassVar[str] = ""

    def check(self) -> None:
        """Raise SpecError where the layer's own values cannot work, whatever its input."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output shape for an input `shape`; raise SpecError where the two do not fit."""
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return name -> shape of the weights, in Keras' layout and order, for an input `shape`."""
        return {}

    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one image's forward pass."""
        return 0

    def window(self, shape: Shape) -> Window | None:
        """Return how the input is scanned, or None where every unit sees the whole input."""
        return Window()

    @property
    def trainable(self) -> frozenset[str]:
        """Names of the weights that the optimiser moves (the others are running statistics)."""
        return frozenset({"kernel", "bias", "gamma", "beta"})

    def fail(self, key: str, value: object, accepted: str) -> SpecError:
        """Return the error for a bad `value` of `key`."""
        return SpecError(f"layer {self.name!r}: {key} = {value!r} cannot work; {accepted}")

    def _need_image(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise self.fail("input shape", shape, f"a {self.type} layer needs an image (height, width, channels)")

    def _need_vector(self, shape: Shape) -> None:
        if len(shape) != 1:
            raise self.fail("input shape", shape, f"a {self.type} layer needs a vector: put a flatten layer before it")

    def _need_choice(self, key: str, value: object, accepted: tuple[str, ...]) -> None:
        if value not in accepted:
            raise SpecError(f"layer {self.name!r}: unknown {key} {value!r}; {nearest(str(value), accepted)}")

    def _need_positive(self, **values: object) -> None:
        for key, value in values.items():
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(type(number) is int and number > 0 for number in numbers):
                raise self.fail(key, value, "accepted: whole numbers above 0")

    def _need_factors(self, **values: float) -> None:
        for key, value in values.items():
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise self.fail(key, value, "accepted: a finite number, 0 or above")


def _scan(layer: Layer, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> Shape:
    """Rows and columns after scanning, by TensorFlow's rule for valid and same padding."""
    if padding == "same":
        return tuple(-(-size // step) for size, step in zip(shape[:2], stride, strict=True))
    if any(k > size for k, size in zip(kernel, shape[:2], strict=True)):
        raise layer.fail("kernel" if layer.type == "conv" else "size", kernel,
                         f"its map is {shape[0]} x {shape[1]}: accepted is at most that, or padding 'same'")
    return tuple((size - k) // step + 1 for size, k, step in zip(shape[:2], kernel, stride, strict=True))


def same_padding(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return ``((top, bottom), (left, right))`` of TensorFlow's 'same' padding for an input `shape`.

    The total is ``max((ceil(n/s) - 1) s + k - n, 0)``, the smaller half of it before.
    """
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(shape[:2], kernel, stride, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _padding_before(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> tuple[int, int]:
    if padding == "valid":
        return (0, 0)
    rows, columns = same_padding(shape, kernel, stride)
    return rows[0], columns[0]


@dataclass(frozen=True)
class _Activated(Layer):
    """A layer that ends in an activation and may regularise its kernel (L1, L2 as Keras defines them)."""

    activation: str = field(default="linear", kw_only=True)
    alpha: float | None = field(default=None, kw_only=True)  # slope of leaky_relu (0.3), scale of elu (1.0)
    use_bias: bool = field(default=True, kw_only=True)
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)

    def check(self) -> None:
        self._need_choice("activation", self.activation, (*ACTIVATIONS, "softmax"))
        self._need_factors(l1=self.l1, l2=self.l2)
        _check_alpha(self, self.activation, self.alpha)
        if not isinstance(self.use_bias, bool):
            raise self.fail("use_bias", self.use_bias, "accepted: true, false")


def _check_alpha(layer: Layer, activation: str, alpha: float | None) -> None:
    if alpha is None:
        return
    if activation not in ("elu", "leaky_relu"):
        raise layer.fail("alpha", alpha, "only the activations elu and leaky_relu take it")
    layer._need_factors(alpha=alpha)


@dataclass(frozen=True)
class Conv(_Activated):
    """Two-dimensional convolution (a cross-correlation, as both frameworks compute it)."""

    filters: int = field(kw_only=True)
    kernel: tuple[int, int] = field(default=(3, 3), kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    padding: str = field(default="valid", kw_only=True)
    type: ClassVar[str] = "conv"

    def check(self) -> None:
        super().check()
        self._need_positive(filters=self.filters, kernel=self.kernel, stride=self.stride)
        self._need_choice("padding", self.padding, PADDINGS)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (*_scan(self, shape, self.kernel, self.stride, self.padding), self.filters)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": (*self.kernel, shape[2], self.filters)}
        return kernel | ({"bias": (self.filters,)} if self.use_bias else {})

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel) * shape[2]

    def window(self, shape: Shape) -> Window:
        return Window(self.kernel, self.stride, _padding_before(shape, self.kernel, self.stride, self.padding))


@dataclass(frozen=True)
class Pool(Layer):
    """Maximum or average of each window."""

    kind: str = field(default="max", kw_only=True)
    size: tuple[int, int] = field(default=(2, 2), kw_only=True)
    stride: tuple[int, int] | None = field(default=None, kw_only=True)  # None: the window's own size
    padding: str = field(default="valid", kw_only=True)
    type: ClassVar[str] = "pool"

    @property
    def step(self) -> tuple[int, int]:
        """The stride in force."""
        return self.stride or self.size

    def check(self) -> None:
        self._need_choice("kind", self.kind, POOL_KINDS)
        self._need_choice("padding", self.padding, PADDINGS)
        self._need_positive(size=self.size, stride=self.step)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (*_scan(self, shape, self.size, self.step, self.padding), shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(self.size, self.step, _padding_before(shape, self.size, self.step, self.padding))


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Maximum or average of each whole map."""

    kind: str = field(default="average", kw_only=True)
    type: ClassVar[str] = "global_pool"

    def check(self) -> None:
        self._need_choice("kind", self.kind, POOL_KINDS)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (shape[2],)

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class ZeroPad(Layer):
    """Zeros around the image: ``((top, bottom), (left, right))``."""

    padding: tuple[tuple[int, int], tuple[int, int]] = field(default=((1, 1), (1, 1)), kw_only=True)
    type: ClassVar[str] = "zero_pad"

    def check(self) -> None:
        if not all(type(number) is int and number >= 0 for pair in self.padding for number in pair):
            raise self.fail("padding", self.padding, "accepted: [[top, bottom], [left, right]], each 0 or above")

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        rows, columns = (size + sum(pair) for size, pair in zip(shape[:2], self.padding, strict=True))
        return (rows, columns, shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(before=(self.padding[0][0], self.padding[1][0]))


@dataclass(frozen=True)
class Dropout(Layer):
    """Inverted dropout of single values, or of whole maps where `spatial`."""

    rate: float = field(kw_only=True)
    spatial: bool = field(default=False, kw_only=True)
    type: ClassVar[str] = "dropout"

    def check(self) -> None:
        if not (isinstance(self.rate, int | float) and 0 <= self.rate < 1):
            raise self.fail("rate", self.rate, "accepted: 0 <= rate < 1")

    def output_shape(self, shape: Shape) -> Shape:
        if self.spatial:
            self._need_image(shape)
        return shape


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation over the channel axis, with Keras' meaning of momentum (share of the old value)."""

    momentum: float = field(default=0.99, kw_only=True)
    epsilon: float = field(default=1e-3, kw_only=True)
    center: bool = field(default=True, kw_only=True)
    scale: bool = field(default=True, kw_only=True)
    type: ClassVar[str] = "batch_norm"

    def check(self) -> None:
        if not (isinstance(self.momentum, int | float) and 0 <= self.momentum < 1):
            raise self.fail("momentum", self.momentum, "accepted: 0 <= momentum < 1")
        if not (isinstance(self.epsilon, int | float) and 0 < self.epsilon < math.inf):
            raise self.fail("epsilon", self.epsilon, "accepted: a number above 0")

    def weights(self, shape: Shape) -> dict[str, Shape]:
        learned = [name for name, wanted in (("gamma", self.scale), ("beta", self.center)) if wanted]
        return {name: (shape[-1],) for name in (*learned, "moving_mean", "moving_variance")}


@dataclass(frozen=True)
class Rescaling(Layer):
    """``x * factor + offset``."""

    factor: float = field(kw_only=True)
    offset: float = field(default=0.0, kw_only=True)
    type: ClassVar[str] = "rescaling"

    def check(self) -> None:
        for key, value in (("factor", self.factor), ("offset", self.offset)):
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise self.fail(key, value, "accepted: a finite number")


@dataclass(frozen=True)
class Flatten(Layer):
    """Image to vector."""

    type: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class Reshape(Layer):
    """Vector or image to image, rows first, channels last (Keras' order)."""

    shape: tuple[int, int, int] = field(kw_only=True)
    type: ClassVar[str] = "reshape"

    def check(self) -> None:
        if not (isinstance(self.shape, tuple) and len(self.shape) == 3):
            raise self.fail("shape", self.shape, "accepted: [height, width, channels]")
        self._need_positive(shape=self.shape)

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise self.fail("shape", self.shape, f"the input {shape} has {math.prod(shape)} values")
        return self.shape

    def window(self, shape: Shape) -> Window | None:
        return Window() if shape == self.shape else None


@dataclass(frozen=True)
class Dense(_Activated):
    """Fully connected layer."""

    units: int = field(kw_only=True)
    type: ClassVar[str] = "dense"

    def check(self) -> None:
        super().check()
        self._need_positive(units=self.units)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_vector(shape)
        return (self.units,)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return {"kernel": (shape[0], self.units)} | ({"bias": (self.units,)} if self.use_bias else {})

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class Activation(Layer):
    """An activation as a layer of its own."""

    activation: str = field(kw_only=True)
    alpha: float | None = field(default=None, kw_only=True)
    type: ClassVar[str] = "activation"

    def check(self) -> None:
        self._need_choice("activation", self.activation, (*ACTIVATIONS, "softmax"))
        _check_alpha(self, self.activation, self.alpha)


LAYER_TYPES: dict[str, type[Layer]] = {
    cls.type: cls
    for cls in (Conv, Pool, GlobalPool, ZeroPad, Dropout, BatchNorm, Rescaling, Flatten, Reshape, Dense, Activation)
}


@dataclass(frozen=True)
class LayerInfo:
    """One row of the layer table.

    `receptive_field`, `jump` and `start` are (rows, columns) in input pixels: size of the patch one
    unit sees, distance between neighbouring units' patches, and the first patch's top left corner
    (negative where padding is seen). `maps` is the number of feature maps, None for vectors.
    """

    name: str
    type: str
    activation: str | None
    input_shape: Shape
    output_shape: Shape
    weights: Mapping[str, Shape]
    parameters: int
    trainable_parameters: int
    macs: int
    receptive_field: tuple[int, int]
    jump: tuple[int, int]
    start: tuple[int, int]

    @property
    def maps(self) -> int | None:
        """Number of feature maps, None where the output is a vector."""
        return self.output_shape[2] if len(self.output_shape) == 3 else None


@dataclass(frozen=True)
class NetworkSpec:
    """A checked, immutable description of a feed-forward network.

    `input_shape` is ``(height, width, channels)``. Raises SpecError, naming layer, value and what is
    accepted, where the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape = (28, 28, 1)
    initializer: str = "glorot_uniform"

    def __post_init__(self) -> None:
        _check_whole(self)
        _ = self.table  # shapes are worked out once, and their errors raised here

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> NetworkSpec:
        """Build from plain YAML/JSON values: ``{input_shape, initializer, layers: [{type, name, ...}]}``."""
        if not isinstance(description, Mapping):
            raise SpecError(f"network = {description!r} cannot work; accepted: a mapping with the key 'layers'")
        accepted = [f.name for f in fields(cls)]
        for key in description:
            if key not in accepted:
                raise SpecError(f"network: unknown key {key!r}; {nearest(key, accepted)}")
        layers = description.get("layers")
        if not isinstance(layers, list | tuple) or not layers:
            raise SpecError(f"network: layers = {layers!r} cannot work; accepted: a list of at least one layer")
        values = {key: _frozen(value) for key, value in description.items() if key != "layers"}
        return cls(layers=tuple(layer_from_dict(i, entry) for i, entry in enumerate(layers)), **values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values from which `from_dict` builds an equal description (defaults left out)."""
        layers = [{"type": layer.type} | _without_defaults(layer) for layer in self.layers]
        return {"input_shape": list(self.input_shape), "initializer": self.initializer, "layers": layers}

    @cached_property
    def table(self) -> tuple[LayerInfo, ...]:
        """One LayerInfo per layer, in order."""
        return tuple(_walk(self))

    @cached_property
    def _by_name(self) -> dict[str, LayerInfo]:
        return {info.name: info for info in self.table}

    def __getitem__(self, name: str) -> LayerInfo:
        """Return the row of layer `name`; raise SpecError naming the nearest where there is none."""
        if name not in self._by_name:
            raise SpecError(f"no layer {name!r} in this network; {nearest(name, self.names)}")
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names, in order."""
        return tuple(layer.name for layer in self.layers)

    @property
    def output_shape(self) -> Shape:
        """Shape of the network's output."""
        return self.table[-1].output_shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.output_shape[0]

    @property
    def output_activation(self) -> str:
        """The last layer's softmax, sigmoid or linear; networks return logits and leave it to loss and predict."""
        return self.table[-1].activation or "linear"

    @property
    def parameters(self) -> int:
        """Number of weights, running statistics included (Keras' 'Total params')."""
        return sum(info.parameters for info in self.table)

    @property
    def trainable_parameters(self) -> int:
        """Number of weights that the optimiser moves."""
        return sum(info.trainable_parameters for info in self.table)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image's forward pass."""
        return sum(info.macs for info in self.table)


def is_layer_name(name: object) -> bool:
    """Whether a layer may be called `name`: an identifier that no torch module has as an attribute."""
    return isinstance(name, str) and _NAME.match(name) is not None and name not in _RESERVED


def _check_whole(spec: NetworkSpec) -> None:
    shape = spec.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        raise SpecError(f"network: input_shape = {shape!r} cannot work; accepted: [height, width, channels]")
    if spec.initializer not in INITIALIZERS:
        raise SpecError(f"network: unknown initializer {spec.initializer!r}; {nearest(spec.initializer, INITIALIZERS)}")
    seen: set[str] = set()
    for layer in spec.layers:
        if not is_layer_name(layer.name):
            raise SpecError(f"layer name {layer.name!r} cannot work; accepted: letters, digits and _, "
                            "starting with a letter, and none that a torch module has already (train, forward, ...)")
        if layer.name in seen:
            raise SpecError(f"layer {layer.name!r} appears twice; accepted: every layer has a name of its own")
        seen.add(layer.name)
        layer.check()
        if getattr(layer, "activation", None) == "softmax" and layer is not spec.layers[-1]:
            raise layer.fail("activation", "softmax", "only the last layer may have it; accepted here: "
                             + ", ".join(ACTIVATIONS))


def _walk(spec: NetworkSpec) -> Iterator[LayerInfo]:
    shape, field_, jump, start = spec.input_shape, (1, 1), (1, 1), (0, 0)
    whole = spec.input_shape[:2]
    for layer in spec.layers:
        output, window = layer.output_shape(shape), layer.window(shape)
        if window is None or field_ is whole:
            field_, jump, start = whole, (1, 1), (0, 0)
        else:
            start = tuple(s - b * j for s, b, j in zip(start, window.before, jump, strict=True))
            field_ = tuple(f + (k - 1) * j for f, k, j in zip(field_, window.kernel, jump, strict=True))
            jump = tuple(j * s for j, s in zip(jump, window.stride, strict=True))
        weights = layer.weights(shape)
        yield LayerInfo(layer.name, layer.type, getattr(layer, "activation", None), shape, output, weights,
                        sum(map(math.prod, weights.values())),
                        sum(math.prod(s) for name, s in weights.items() if name in layer.trainable),
                        layer.macs(shape), field_, jump, start)
        shape = output
    if len(shape) != 1:
        raise spec.layers[-1].fail("output shape", shape, "the last layer must give a vector of class scores")


def layer_from_dict(index: int, entry: object) -> Layer:
    """Build the layer number `index` (from 0) from plain values; raise SpecError naming key and layer."""
    if not isinstance(entry, Mapping):
        raise SpecError(f"layer {index + 1} = {entry!r} cannot work; accepted: a mapping with 'type' and 'name'")
    values = {key: _frozen(value) for key, value in entry.items()}
    kind, name = values.pop("type", None), values.get("name", f"number {index + 1}")
    if kind not in LAYER_TYPES:
        raise SpecError(f"layer {name!r}: unknown type {kind!r}; {nearest(str(kind), LAYER_TYPES)}")
    cls = LAYER_TYPES[kind]
    accepted = [f.name for f in fields(cls)]
    for key in values:
        if key not in accepted:
            raise SpecError(f"layer {name!r}: unknown key {key!r}; {nearest(key, accepted)}")
    for f in fields(cls):
        if f.default is MISSING and f.default_factory is MISSING and f.name not in values:
            raise SpecError(f"layer {name!r}: the key {f.name!r} is missing; a {kind} layer takes {', '.join(accepted)}")
    for key in ("kernel", "size", "stride"):  # one number stands for a square
        if type(values.get(key)) is int:
            values[key] = (values[key], values[key])
        elif values.get(key) is not None and not (isinstance(values[key], tuple) and len(values[key]) == 2):
            raise SpecError(f"layer {name!r}: {key} = {entry[key]!r} cannot work; "
                            "accepted: a whole number above 0, or [rows, columns]")
    if cls is ZeroPad and "padding" in values:
        values["padding"] = _zero_padding(name, values["padding"])
    return cls(**values)


def _zero_padding(name: object, value: object) -> tuple[tuple[int, int], ...]:
    """Accept Keras' three spellings: one number, (rows, columns), ((top, bottom), (left, right))."""
    pair = (value, value) if type(value) is int else value
    if isinstance(pair, tuple) and len(pair) == 2:
        sides = tuple((side, side) if type(side) is int else side for side in pair)
        if all(isinstance(side, tuple) and len(side) == 2 for side in sides):
            return sides
    raise SpecError(f"layer {name!r}: padding = {value!r} cannot work; accepted: [[top, bottom], [left, right]]")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, list | tuple) else value


def _without_defaults(layer: Layer) -> dict[str, Any]:
    defaults = {f.name: f.default for f in fields(layer)}
    return {key: _thawed(value) for key, value in asdict(layer).items() if value != defaults[key]}
