"""A layer of distances from its input to learned points of the same space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import Layer, Shape

# of a squared distance, whose root then has a gradient everywhere
LEAST_SQUARE = 1e-12


@dataclass(frozen=True)
class Distances(Layer):
    """Euclidean distances of a vector to `units` centres.

    They are ``sqrt(max(|x - c|^2, LEAST_SQUARE))``.
    """

    units: int = field(kw_only=True)
    type: ClassVar[str] = "distances"
    reads_vector: ClassVar[bool] = True

    def check(self) -> None:
        self._need_positive(units=self.units)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_vector(shape)
        return (self.units,)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return {"centres": (shape[0], self.units)}

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units

    def window(self, shape: Shape) -> None:
        return None
