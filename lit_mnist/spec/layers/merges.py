"""Layers of several inputs, and layers that use another layer's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import Layer, Shape, SpecError


@dataclass(frozen=True)
class Merge(Layer):
    """Inputs combined value by value, broadcast as Keras does.

    An axis of one value is repeated; a vector counts as an image of one pixel.
    """

    fewest_inputs: ClassVar[int] = 2
    most_inputs: ClassVar[int | None] = None

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        result = shapes[0]
        for shape in shapes[1:]:
            result = self._broadcast(result, shape, shapes)
        return result

    def _broadcast(self, left: Shape, right: Shape, shapes: Sequence[Shape]) -> Shape:
        rank = max(len(left), len(right))
        pairs = zip(
            (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True
        )
        sizes = [self._common(a, b, shapes) for a, b in pairs]
        return tuple(sizes)

    def _common(self, left: int, right: int, shapes: Sequence[Shape]) -> int:
        if left != right and 1 not in (left, right):
            raise self._mismatch(shapes, "accepted: equal shapes, or 1 where they differ")
        return max(left, right)

    def _mismatch(self, shapes: Sequence[Shape], accepted: str) -> SpecError:
        named = " and ".join(map(str, shapes))
        return SpecError(
            f"layer {self.name!r}: inputs of the shapes {named} do not merge; {accepted}"
        )


@dataclass(frozen=True)
class Add(Merge):
    """The sum of its inputs."""

    type: ClassVar[str] = "add"


@dataclass(frozen=True)
class Subtract(Merge):
    """The first input minus the second."""

    type: ClassVar[str] = "subtract"
    most_inputs: ClassVar[int | None] = 2


@dataclass(frozen=True)
class Multiply(Merge):
    """The product of its inputs."""

    type: ClassVar[str] = "multiply"


@dataclass(frozen=True)
class Average(Merge):
    """The mean of its inputs."""

    type: ClassVar[str] = "average"


@dataclass(frozen=True)
class Maximum(Merge):
    """The largest of its inputs, value by value."""

    type: ClassVar[str] = "maximum"


@dataclass(frozen=True)
class Minimum(Merge):
    """The smallest of its inputs, value by value."""

    type: ClassVar[str] = "minimum"


@dataclass(frozen=True)
class Concatenate(Merge):
    """Inputs one after another along `axis` (-1: channels; 1: rows, 2: columns)."""

    axis: int = field(default=-1, kw_only=True)
    type: ClassVar[str] = "concatenate"

    def place(self, shape: Shape) -> int:
        """Return the axis as an index of `shape`, which has no batch axis.

        Raises SpecError if there is none.
        """
        rank = len(shape)
        if type(self.axis) is not int or not (1 <= self.axis <= rank or -rank <= self.axis <= -1):
            raise self.fail("axis", self.axis, f"accepted: 1 to {rank}, or -1 for the last")
        return self.axis - 1 if self.axis > 0 else self.axis + rank

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        place = self.place(shapes[0])
        others = {(*shape[:place], *shape[place + 1 :], len(shape)) for shape in shapes}
        if len(others) > 1:
            raise self._mismatch(shapes, f"accepted: shapes that differ in axis {self.axis} alone")
        return (*shapes[0][:place], sum(shape[place] for shape in shapes), *shapes[0][place + 1 :])


@dataclass(frozen=True)
class Shared(Layer):
    """Another call of an earlier layer, named by `shares`: the same weights on another input."""

    shares: str = field(kw_only=True)
    type: ClassVar[str] = "shared"
