"""The layers that a network can be described with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from .layer import ACTIVATIONS, PADDINGS, Activated, Layer, Shape, Window, check_alpha, padding_before, scan

POOL_KINDS = ("max", "average")


@dataclass(frozen=True)
class Conv(Activated):
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
        return (*scan(self, shape, self.kernel, self.stride, self.padding), self.filters)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": (*self.kernel, shape[2], self.filters)}
        return kernel | ({"bias": (self.filters,)} if self.use_bias else {})

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel) * shape[2]

    def window(self, shape: Shape) -> Window:
        return Window(self.kernel, self.stride, padding_before(shape, self.kernel, self.stride, self.padding))


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
        return (*scan(self, shape, self.size, self.step, self.padding), shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(self.size, self.step, padding_before(shape, self.size, self.step, self.padding))


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
class Dense(Activated):
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
        check_alpha(self, self.activation, self.alpha)


LAYER_TYPES: dict[str, type[Layer]] = {
    cls.type: cls
    for cls in (Conv, Pool, GlobalPool, ZeroPad, Dropout, BatchNorm, Rescaling, Flatten, Reshape, Dense, Activation)
}
