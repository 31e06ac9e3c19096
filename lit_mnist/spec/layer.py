"""What every layer of a description has: a name, and answers about shapes and sizes.

Shapes are written as Keras writes them: ``(height, width, channels)`` for images and
``(units,)`` for vectors, without the batch axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import UserError, nearest

Shape = tuple[int, ...]

ACTIVATIONS = ("relu", "elu", "leaky_relu", "tanh", "sigmoid", "linear")
PADDINGS = ("valid", "same")


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


def scan(layer: Layer, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> Shape:
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


def padding_before(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> tuple[int, int]:
    if padding == "valid":
        return (0, 0)
    rows, columns = same_padding(shape, kernel, stride)
    return rows[0], columns[0]


@dataclass(frozen=True)
class Activated(Layer):
    """A layer that ends in an activation and may regularise its kernel (L1, L2 as Keras defines them)."""

    activation: str = field(default="linear", kw_only=True)
    alpha: float | None = field(default=None, kw_only=True)  # slope of leaky_relu (0.3), scale of elu (1.0)
    use_bias: bool = field(default=True, kw_only=True)
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)

    def check(self) -> None:
        self._need_choice("activation", self.activation, (*ACTIVATIONS, "softmax"))
        self._need_factors(l1=self.l1, l2=self.l2)
        check_alpha(self, self.activation, self.alpha)
        if not isinstance(self.use_bias, bool):
            raise self.fail("use_bias", self.use_bias, "accepted: true, false")


def check_alpha(layer: Layer, activation: str, alpha: float | None) -> None:
    if alpha is None:
        return
    if activation not in ("elu", "leaky_relu"):
        raise layer.fail("alpha", alpha, "only the activations elu and leaky_relu take it")
    layer._need_factors(alpha=alpha)
