"""Layers without weights that pool, pad, crop, enlarge or reorder."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import PADDINGS, Layer, Shape
from ..windows import Window, enlarging, padding_before
from .convolutions import scan

POOL_KINDS = ("max", "average")
INTERPOLATIONS = ("nearest", "bilinear")
Sides = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))


@dataclass(frozen=True)
class Pool(Layer):
    """Maximum or average of each window."""

    kind: str = field(default="max", kw_only=True)
    size: tuple[int, int] = field(default=(2, 2), kw_only=True)
    stride: tuple[int, int] | None = field(
        default=None, kw_only=True
    )  # None: the window's own size
    padding: str = field(default="valid", kw_only=True)
    type: ClassVar[str] = "pool"

    @property
    def step(self) -> tuple[int, int]:
        """The stride: `stride`, or the window's size."""
        return self.stride or self.size

    def check(self) -> None:
        self._need_choice("kind", self.kind, POOL_KINDS)
        self._need_choice("padding", self.padding, PADDINGS)
        self._need_positive(size=self.size, stride=self.step)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (*scan(self, shape, self.size, self.step, self.padding), shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(
            self.size, self.step, padding_before(shape, self.size, self.step, self.padding)
        )


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Maximum or average of each whole map: a vector, or with `keepdims` an image of one pixel."""

    kind: str = field(default="average", kw_only=True)
    keepdims: bool = field(default=False, kw_only=True)
    type: ClassVar[str] = "global_pool"

    def check(self) -> None:
        self._need_choice("kind", self.kind, POOL_KINDS)
        self._need_flags(keepdims=self.keepdims)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (1, 1, shape[2]) if self.keepdims else (shape[2],)

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class ZeroPad(Layer):
    """Zeros around the image: ``((top, bottom), (left, right))``."""

    padding: Sides = field(default=((1, 1), (1, 1)), kw_only=True)
    type: ClassVar[str] = "zero_pad"

    def check(self) -> None:
        _need_sides(self, "padding", self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        rows, columns = (
            size + sum(pair) for size, pair in zip(shape[:2], self.padding, strict=True)
        )
        return (rows, columns, shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(before=(self.padding[0][0], self.padding[1][0]))


@dataclass(frozen=True)
class Cropping(Layer):
    """Rows and columns cut off: ``((top, bottom), (left, right))``."""

    cropping: Sides = field(default=((0, 0), (0, 0)), kw_only=True)
    type: ClassVar[str] = "cropping"

    def check(self) -> None:
        _need_sides(self, "cropping", self.cropping)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        rows, columns = (
            size - sum(pair) for size, pair in zip(shape[:2], self.cropping, strict=True)
        )
        if rows < 1 or columns < 1:
            raise self.fail(
                "cropping", self.cropping, f"nothing is left of its map of {shape[0]} x {shape[1]}"
            )
        return (rows, columns, shape[2])

    def window(self, shape: Shape) -> Window:
        return Window(before=(-self.cropping[0][0], -self.cropping[1][0]))


def _need_sides(layer: Layer, key: str, sides: Sides) -> None:
    if not all(type(number) is int and number >= 0 for pair in sides for number in pair):
        raise layer.fail(key, sides, "accepted: [[top, bottom], [left, right]], each 0 or above")


@dataclass(frozen=True)
class Upsampling(Layer):
    """Enlarges an image by whole factors: pixels repeated, or bilinear between their centres."""

    size: tuple[int, int] = field(default=(2, 2), kw_only=True)
    interpolation: str = field(default="nearest", kw_only=True)
    type: ClassVar[str] = "upsampling"

    def check(self) -> None:
        self._need_positive(size=self.size)
        self._need_choice("interpolation", self.interpolation, INTERPOLATIONS)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return (shape[0] * self.size[0], shape[1] * self.size[1], shape[2])

    def window(self, shape: Shape) -> Window:
        return enlarging(self.size, self.interpolation == "bilinear")


@dataclass(frozen=True)
class Permute(Layer):
    """Permutes an image's axes; `dims` counts rows, columns, channels from 1, as Keras does."""

    dims: tuple[int, int, int] = field(kw_only=True)
    type: ClassVar[str] = "permute"

    def check(self) -> None:
        if not (isinstance(self.dims, tuple) and sorted(map(str, self.dims)) == ["1", "2", "3"]):
            raise self.fail("dims", self.dims, "accepted: 1, 2 and 3 in any order")

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return tuple(shape[axis - 1] for axis in self.dims)

    def window(self, shape: Shape) -> Window | None:
        return Window() if self.dims == (1, 2, 3) else None


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
