"""Drawing for TensorBoard: the protocols of pictures and of functions that draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Picture(Protocol):
    """A drawn picture: `shape` is (height, width) in pixels, `png` the file's content."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def png(self) -> bytes: ...


class Drawings(Protocol):
    """Functions that draw: those of `lit_mnist.figures.board`, or others of the same form."""

    def maps(self, values: np.ndarray, digit: np.ndarray, caption: str) -> Picture: ...

    def filters(self, kernels: np.ndarray, caption: str) -> Picture: ...

    def confusion_matrix(
        self, matrix: np.ndarray, class_names: Sequence[str], caption: str
    ) -> Picture: ...

    def mistakes(self, pixels: np.ndarray, labels: Sequence[str], caption: str) -> Picture: ...
