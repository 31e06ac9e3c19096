"""What every layer of a description has: a name, inputs, and answers about shapes and sizes.

Shapes are written as Keras writes them: ``(height, width, channels)`` for images and
``(units,)`` for vectors, without the batch axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeGuard

from ..errors import UserError, nearest
from .windows import Window

Shape = tuple[int, ...]

INPUT = "input"  # the network's input in a layer's `inputs`
# increasing, so that they commute with a maximum; equal for different inputs only where flat
MONOTONE = ("relu", "elu", "leaky_relu", "tanh", "sigmoid", "linear", "relu6", "selu")
ACTIVATIONS = (
    *MONOTONE,
    "softplus",
    "softsign",
    "exponential",
    "hard_sigmoid",
    "hard_sigmoid_keras2",
    "silu",
    "hard_swish",
    "gelu",
    "gelu_tanh",
    "mish",
)
_LEARNED = frozenset(
    {"kernel", "depthwise_kernel", "pointwise_kernel", "centres", "bias", "gamma", "beta", "alpha"}
)
SEVERAL = ("kernel", "stride", "dilation", "size", "shape")  # keys that take a number for each axis
ALIASES = {"swish": "silu", "hard_silu": "hard_swish"}
PADDINGS = ("valid", "same")


class SpecError(UserError):
    """A network description that cannot work."""


@dataclass(frozen=True)
class Layer:
    """What every layer has: a name, its inputs' names (None: the layer before), its sizes.

    With `trainable` false, training does not change its weights, and batch normalisation uses its
    moving statistics in training too (Keras' rule).
    """

    name: str
    inputs: tuple[str, ...] | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)
    type: ClassVar[str] = ""
    fewest_inputs: ClassVar[int] = 1
    most_inputs: ClassVar[int | None] = 1  # None: any number
    # by weights whose first axis is the vector's values; an image must be flattened before
    reads_vector: ClassVar[bool] = False

    def check(self) -> None:
        """Raise SpecError if the layer's own values cannot work, for any input."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output shape for an input `shape`. Raises SpecError if they do not fit."""
        return shape

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the output shape for all inputs' shapes. Raises SpecError if they do not fit."""
        return self.output_shape(shapes[0])

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return name -> shape of the weights, in Keras' layout and order, for an input `shape`."""
        return {}

    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one image's forward pass."""
        return 0

    def window(self, shape: Shape) -> Window | None:
        """Return how the input is scanned, or None if every unit sees the whole input."""
        return Window()

    def mixes_positions(self, shape: Shape) -> bool:
        """Return whether each value depends on all positions, beyond `window` (by statistics)."""
        return False

    @property
    def trainable_weights(self) -> frozenset[str]:
        """Names of the weights that the optimiser updates; others are statistics.

        Frozen layers have none.
        """
        return _LEARNED if self.trainable else frozenset()

    @property
    def regularized(self) -> tuple[str, ...]:
        """Names of the weights that `l1` and `l2` regularise."""
        return ("kernel",)

    def fail(self, key: str, value: object, accepted: str) -> SpecError:
        """Return the error for a bad `value` of `key`."""
        return SpecError(f"layer {self.name!r}: {key} = {value!r} cannot work; {accepted}")

    def _need_image(self, shape: Shape) -> None:
        if len(shape) != 3:
            raise self.fail(
                "input shape",
                shape,
                f"a {self.type} layer needs an image (height, width, channels)",
            )

    def _need_vector(self, shape: Shape) -> None:
        if len(shape) != 1:
            raise self.fail(
                "input shape",
                shape,
                f"a {self.type} layer needs a vector: put a flatten layer before it",
            )

    def _need_choice(self, key: str, value: object, accepted: tuple[str, ...]) -> None:
        if value not in accepted:
            raise SpecError(
                f"layer {self.name!r}: unknown {key} {value!r}; {nearest(str(value), accepted)}"
            )

    def _need_positive(self, **values: object) -> None:
        """Raise SpecError unless values are whole numbers above 0, or tuples of them where
        allowed.
        """
        for key, value in values.items():
            several = isinstance(value, tuple) and key in SEVERAL
            numbers = value if isinstance(value, tuple) and several else (value,)
            if not all(type(number) is int and number > 0 for number in numbers):
                raise self.fail(
                    key,
                    value,
                    f"accepted: {'whole numbers' if several else 'a whole number'} above 0",
                )

    def _need_factors(self, **values: object) -> None:
        for key, value in values.items():
            if not (is_number(value) and value >= 0):
                raise self.fail(key, value, "accepted: a finite number, 0 or above")

    def _need_numbers(self, **values: object) -> None:
        for key, value in values.items():
            numbers = value if isinstance(value, tuple) else (value,)
            if not (numbers and all(map(is_number, numbers))):
                raise self.fail(
                    key, value, "accepted: a finite number, or a list of one for each channel"
                )

    def _need_flags(self, **values: object) -> None:
        for key, value in values.items():
            if not isinstance(value, bool):
                raise self.fail(key, value, "accepted: true, false")

    def _need_channels(self, key: str, values: object, shape: Shape) -> None:
        """Raise SpecError unless values are whole numbers above 0.

        Some keys also take tuples of them.
        """
        if isinstance(values, tuple) and len(values) not in (1, shape[-1]):
            raise self.fail(
                key, list(values), f"accepted: one number, or {shape[-1]}, one for each channel"
            )


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is a finite number, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Activated(Layer):
    """A layer with an activation and a regularised kernel (L1, L2 as Keras defines them)."""

    activation: str = field(default="linear", kw_only=True)
    alpha: float | None = field(
        default=None, kw_only=True
    )  # slope of leaky_relu (0.3), scale of elu (1.0)
    use_bias: bool = field(default=True, kw_only=True)
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)

    def check(self) -> None:
        self._need_choice("activation", self.activation, (*ACTIVATIONS, "softmax"))
        self._need_factors(l1=self.l1, l2=self.l2)
        check_alpha(self, self.activation, self.alpha)
        self._need_flags(use_bias=self.use_bias)

    def with_bias(self, kernels: dict[str, Shape], units: int) -> dict[str, Shape]:
        """Return the kernels' shapes, followed by that of the bias (`units`) if there is one."""
        return kernels | ({"bias": (units,)} if self.use_bias else {})


def check_alpha(layer: Layer, activation: str, alpha: float | None) -> None:
    """Raise SpecError for an `alpha` that the activation does not take."""
    if alpha is None:
        return
    if activation not in ("elu", "leaky_relu"):
        raise layer.fail("alpha", alpha, "only the activations elu and leaky_relu take it")
    layer._need_factors(alpha=alpha)
