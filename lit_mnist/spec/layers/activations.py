"""Activations as layers of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import ACTIVATIONS, Layer, check_alpha


@dataclass(frozen=True)
class Activation(Layer):
    """An activation as a layer of its own."""

    activation: str = field(kw_only=True)
    alpha: float | None = field(default=None, kw_only=True)
    type: ClassVar[str] = "activation"

    def check(self) -> None:
        self._need_choice("activation", self.activation, (*ACTIVATIONS, "softmax"))
        check_alpha(self, self.activation, self.alpha)


@dataclass(frozen=True)
class ReLU(Layer):
    """Keras' ReLU: ``min(x, maximum)`` above `threshold`, ``slope * (x - threshold)`` below."""

    slope: float = field(default=0.0, kw_only=True)
    threshold: float = field(default=0.0, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    type: ClassVar[str] = "relu"

    def check(self) -> None:
        self._need_factors(slope=self.slope, threshold=self.threshold)
        if self.maximum is not None:
            self._need_factors(maximum=self.maximum)
