"""Layers with kernels: convolutions of every kind, and the fully connected layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from ..layer import PADDINGS, Activated, Layer, Shape
from ..windows import Window, padding_before, reach


def scan(
    layer: Layer, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> Shape:
    """Rows and columns after scanning, by TensorFlow's rule for valid and same padding."""
    if padding == "same":
        return tuple(-(-size // step) for size, step in zip(shape[:2], stride, strict=True))
    if any(k > size for k, size in zip(kernel, shape[:2], strict=True)):
        raise layer.fail(
            "size" if layer.type == "pool" else "kernel",
            kernel,
            f"its map is {shape[0]} x {shape[1]}: accepted is at most that, or padding 'same'",
        )
    return tuple(
        (size - k) // step + 1 for size, k, step in zip(shape[:2], kernel, stride, strict=True)
    )


class Scanning(Activated):
    """What all scanning convolutions share; kernels are (rows, columns)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: str
    dilation: tuple[int, int]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that the dilated kernel spans."""
        return reach(self.kernel, self.dilation)

    def check(self) -> None:
        super().check()
        self._need_positive(kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        self._need_choice("padding", self.padding, PADDINGS)
        if max(self.stride) > 1 and max(self.dilation) > 1:
            raise self.fail(
                "dilation",
                self.dilation,
                f"with stride {self.stride}; accepted: one of the two above 1",
            )

    def scanned(self, shape: Shape) -> Shape:
        """Return rows and columns of the output."""
        self._need_image(shape)
        return scan(self, shape, self.reach, self.stride, self.padding)

    def window(self, shape: Shape) -> Window:
        return Window(
            self.reach, self.stride, padding_before(shape, self.reach, self.stride, self.padding)
        )


@dataclass(frozen=True)
class Conv(Scanning):
    """Two-dimensional convolution (a cross-correlation, as both frameworks compute it).

    With `groups`, each group of filters sees its own part of the channels.
    """

    filters: int = field(kw_only=True)
    kernel: tuple[int, int] = field(default=(3, 3), kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    padding: str = field(default="valid", kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    groups: int = field(default=1, kw_only=True)
    type: ClassVar[str] = "conv"

    def check(self) -> None:
        super().check()
        self._need_positive(filters=self.filters, groups=self.groups)
        if self.filters % self.groups:
            raise self.fail(
                "groups", self.groups, f"accepted: a divisor of filters = {self.filters}"
            )

    def output_shape(self, shape: Shape) -> Shape:
        size = self.scanned(shape)
        if shape[2] % self.groups:
            raise self.fail(
                "groups", self.groups, f"accepted: a divisor of the input's {shape[2]} channels"
            )
        return (*size, self.filters)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.with_bias(
            {"kernel": (*self.kernel, shape[2] // self.groups, self.filters)}, self.filters
        )

    def macs(self, shape: Shape) -> int:
        return (
            math.prod(self.output_shape(shape)) * math.prod(self.kernel) * shape[2] // self.groups
        )


@dataclass(frozen=True)
class DepthwiseConv(Scanning):
    """Each channel convolved on its own, with `multiplier` filters a channel."""

    kernel: tuple[int, int] = field(default=(3, 3), kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    padding: str = field(default="valid", kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    multiplier: int = field(default=1, kw_only=True)
    type: ClassVar[str] = "depthwise_conv"

    def check(self) -> None:
        super().check()
        self._need_positive(multiplier=self.multiplier)
        if self.stride[0] != self.stride[1]:
            raise self.fail(
                "stride",
                self.stride,
                "accepted: the same for rows and columns, as TensorFlow has it",
            )

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.scanned(shape), shape[2] * self.multiplier)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        kernels: dict[str, Shape] = {"kernel": (*self.kernel, shape[2], self.multiplier)}
        return self.with_bias(kernels, shape[2] * self.multiplier)

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel)


@dataclass(frozen=True)
class SeparableConv(DepthwiseConv):
    """A depthwise convolution, then a 1 x 1 convolution; `l1` and `l2` apply to both kernels."""

    filters: int = field(kw_only=True)
    type: ClassVar[str] = "separable_conv"

    def check(self) -> None:
        super().check()
        self._need_positive(filters=self.filters)

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.scanned(shape), self.filters)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        middle = shape[2] * self.multiplier
        kernels: dict[str, Shape] = {
            "depthwise_kernel": (*self.kernel, shape[2], self.multiplier),
            "pointwise_kernel": (1, 1, middle, self.filters),
        }
        return self.with_bias(kernels, self.filters)

    @property
    def regularized(self) -> tuple[str, ...]:
        return ("depthwise_kernel", "pointwise_kernel")

    def macs(self, shape: Shape) -> int:
        positions = math.prod(self.scanned(shape))
        middle = shape[2] * self.multiplier
        return positions * middle * (math.prod(self.kernel) + self.filters)


@dataclass(frozen=True)
class TransposedConv(Activated):
    """The transpose of a convolution: each input value adds its kernel to the output.

    A convolution with a stride has the same output size for several input sizes; `output_padding`
    (rows, columns) chooses among these, by default by Keras' rule.
    """

    filters: int = field(kw_only=True)
    kernel: tuple[int, int] = field(default=(3, 3), kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    padding: str = field(default="valid", kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    output_padding: tuple[int, int] | None = field(default=None, kw_only=True)
    type: ClassVar[str] = "transposed_conv"

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that the kernel spans, its dilation counted."""
        return reach(self.kernel, self.dilation)

    def check(self) -> None:
        super().check()
        self._need_positive(
            filters=self.filters, kernel=self.kernel, stride=self.stride, dilation=self.dilation
        )
        self._need_choice("padding", self.padding, PADDINGS)
        if max(self.stride) > 1 and max(self.dilation) > 1:
            raise self.fail(
                "dilation",
                self.dilation,
                f"with stride {self.stride}; accepted: one of the two above 1",
            )
        self._check_output_padding()

    def _check_output_padding(self) -> None:
        """Raise SpecError for an output padding that Keras, or TensorFlow below it, refuses."""
        given = self.output_padding
        if given is None:
            return
        # TensorFlow: 'same' padding leaves at least one row of each step
        least = [1 - k % 2 if self.padding == "same" else 0 for k in self.reach]
        fits = len(given) == 2 and all(
            type(p) is int and low <= p < s
            for p, s, low in zip(given, self.stride, least, strict=True)
        )
        if not fits:
            ends = [f"{low} to {s - 1}" for s, low in zip(self.stride, least, strict=True)]
            raise self.fail("output_padding", given, f"accepted: rows {ends[0]}, columns {ends[1]}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n - 1) s`` rows and columns, and what the last value adds, by Keras' rule."""
        self._need_image(shape)
        sizes = ((n - 1) * s for n, s in zip(shape[:2], self.stride, strict=True))
        return (*(n + last for n, last in zip(sizes, self._last, strict=True)), self.filters)

    @property
    def _last(self) -> tuple[int, ...]:
        """Rows and columns of the output from the last value's place on."""
        if self.output_padding is None:
            same = self.padding == "same"
            return tuple(
                s if same else max(k, s) for k, s in zip(self.reach, self.stride, strict=True)
            )
        return tuple(
            (k % 2 if self.padding == "same" else k) + p
            for k, p in zip(self.reach, self.output_padding, strict=True)
        )

    @property
    def cut_before(self) -> tuple[int, int]:
        """Rows and columns cut off before the output."""
        if self.padding == "valid":
            return (0, 0)
        rows, columns = (max(k - n, 0) // 2 for k, n in zip(self.reach, self._last, strict=True))
        return rows, columns

    def beyond(self, shape: Shape) -> tuple[int, int]:
        """Return how many rows and columns the output has beyond the whole result after its cut.

        Below 0 where the result's last ones are cut off.
        """
        size = self.output_shape(shape)
        rows, columns = (
            out - ((n - 1) * s + k - 2 * cut)
            for out, n, s, k, cut in zip(
                size[:2], shape[:2], self.stride, self.reach, self.cut_before, strict=True
            )
        )
        return rows, columns

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.with_bias({"kernel": (*self.kernel, self.filters, shape[2])}, self.filters)

    def macs(self, shape: Shape) -> int:
        return math.prod(shape) * math.prod(self.kernel) * self.filters

    def window(self, shape: Shape) -> Window:
        """Return what output i sees: inputs from ``(i + cut - k + 1) / s`` to ``(i + cut) / s``."""
        kernel = [1 + Fraction(k - 1, s) for k, s in zip(self.reach, self.stride, strict=True)]
        before = [
            Fraction(k - 1 - cut, s)
            for k, s, cut in zip(self.reach, self.stride, self.cut_before, strict=True)
        ]
        stride = Fraction(1, self.stride[0]), Fraction(1, self.stride[1])
        return Window((kernel[0], kernel[1]), stride, (before[0], before[1]))


@dataclass(frozen=True)
class Dense(Activated):
    """Fully connected layer."""

    units: int = field(kw_only=True)
    type: ClassVar[str] = "dense"
    reads_vector: ClassVar[bool] = True

    def check(self) -> None:
        super().check()
        self._need_positive(units=self.units)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_vector(shape)
        return (self.units,)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.with_bias({"kernel": (shape[0], self.units)}, self.units)

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units

    def window(self, shape: Shape) -> None:
        return None
