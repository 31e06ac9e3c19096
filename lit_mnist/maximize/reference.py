"""How strongly the data themselves drive each map: what an ascent's image must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..inside.passes import batches, dataset_part
from ..inside.top_images import top_images
from ..runs.model import Model
from .constraint import Constraint, constraint_for


@dataclass(frozen=True)
class Reference:
    """The images of a data set part that drive each target most, under the ascent's own constraint.

    `values` and `index` (targets, k), best first; `pixels` (images, H, W) uint8 are all images.
    """

    layer: str
    source: str
    index: np.ndarray
    values: np.ndarray
    pixels: np.ndarray

    @property
    def largest(self) -> np.ndarray:
        """The largest mean activation of each target over all images (targets,)."""
        return self.values[:, 0]

    def top(self, target: int) -> np.ndarray:
        """Return the pixels (k, H, W) of the images that drive `target` most, best first."""
        return self.pixels[self.index[target]]


def reference(model: Model, layer: str, k: int = 8, root: str | Path | None = None,
              pixels: np.ndarray | None = None) -> Reference:
    """Return each map's (or unit's) best images of the network's training images, or of `pixels` (n, H, W).

    Standardised networks see every image standardised as an ascent's images are, so that the two can
    be compared. Raises DataError where the data set is not there.
    """
    source = f"{model.dataset} training images" if pixels is None else "given images"
    pixels = dataset_part(model, "train", root)[0] if pixels is None else pixels
    ranking = top_images(model.network, _allowed(model, pixels, constraint_for(model)), layer, k)[0].mean
    return Reference(layer, f"{len(pixels)} {source}", ranking.index, ranking.values, pixels)


def _allowed(model: Model, pixels: np.ndarray, constraint: Constraint) -> Iterator[Tensor]:
    return (constraint.reference(batch) for batch in batches(model, pixels))
