"""The result of a style transfer: pictures, losses, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .losses import Weights
from .settings import Settings


@dataclass(frozen=True)
class StyleTransfer:
    """A redrawn picture: all pictures, uint8 (H, W, C), and the course of the losses.

    `losses` (evaluations, 4) are total (weighted), content, style (the weighted sum over layers, as
    in the source) and total variation, by gradient evaluation. `before` and `after` are the
    unweighted losses by layer, of the start and the result. `snapshots` (S, H, W, C) are images of
    the evaluations `snapshot_steps`.
    """

    image: np.ndarray
    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    snapshots: np.ndarray
    snapshot_steps: tuple[int, ...]
    losses: np.ndarray
    before: Mapping[str, float]
    after: Mapping[str, float]
    weights: Weights
    content_layer: str
    settings: Settings

    @cached_property
    def style_layers(self) -> tuple[str, ...]:
        """The style layers."""
        return tuple(self.weights.style)

    def _repr_png_(self) -> bytes:
        from ...figures.canvas import to_bytes
        from ...figures.style import sheet

        return to_bytes(sheet(self))
