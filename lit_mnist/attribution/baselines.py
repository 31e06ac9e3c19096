"""Baselines of attribution: an empty image, a blurred one, the mean of the data, or random
digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..data import Dataset
from ..errors import nearest
from ..network import as_images
from ..runs.model import Model
from .targets import AttributionError

BASELINES = ("empty", "blur", "mean", "digits")
_BLUR = 4.0  # standard deviation in pixels: wider than a stroke, narrower than a digit
_DIGITS = 10
_NOISE = 0.15  # of the range from background to ink, as SmoothGrad's authors advise (10 to 20 %)


@dataclass(frozen=True, eq=False)
class Baseline:
    """References (K, C, H, W) that all images share or, with `blur`, the blurred image itself.

    A call with images (N, C, H, W) yields K tensors of that shape.
    """

    name: str
    references: Tensor
    blur: float | None = None

    def __len__(self) -> int:
        return len(self.references)

    def __call__(self, images: Tensor) -> Iterator[Tensor]:
        for reference in self.references.to(images):
            yield (
                reference.expand_as(images)
                if self.blur is None
                else _blurred(images, reference, self.blur)
            )

    def mean(self, images: Tensor, attribute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the mean of ``attribute(start)`` over the K references, with `start` shaped as
        `images`.
        """
        return cast(Tensor, sum(attribute(start) for start in self(images))) / len(self)

    def shared(self, images: Tensor) -> Tensor:
        """Return the references (K, C, H, W) in the type of `images`; raise AttributionError if
        there are none.
        """
        if self.blur is not None:
            raise AttributionError(
                f"baseline {self.name!r}: every image has its own, this method needs one "
                f"distribution for all; accepted: {', '.join(set(BASELINES) - {'blur'})}"
            )
        return self.references.to(images)


def _blurred(images: Tensor, background: Tensor, sigma: float) -> Tensor:
    """Blur with the background continued beyond the border, by subtracting the standardised zero.

    With one scale for all pixels, this is the blur of the pixels.
    """
    from torchvision.transforms.functional import gaussian_blur  # two seconds of imports

    size = 2 * round(3 * sigma) + 1
    pad = size // 2
    ink = torch.nn.functional.pad(images - background, (pad, pad, pad, pad))
    blurred = gaussian_blur(ink, [size, size], [sigma, sigma])
    return blurred[..., pad:-pad, pad:-pad] + background


def background(model: Model) -> Tensor:
    """Return the empty image (standardised zero pixels), (1, C, H, W), as the network's input."""
    height, width, channels = model.spec.input_shape
    shape = (1, height, width) if channels == 1 else (1, height, width, channels)
    return as_images(model.standardizer.apply(np.zeros(shape, np.float32)))


def input_noise(model: Model) -> float:
    """Return 15 % of the range from background to ink, in input units, at the pixel with the
    largest deviation.
    """
    return float(_NOISE * 255 / np.max(model.standardizer.scale))


def make_baseline(
    name: str, model: Model, dataset: Dataset | None = None, seed: int = 0
) -> Baseline:
    """Return the named baseline; ``mean`` and ``digits`` (ten random training digits) need
    `dataset`.

    Raises AttributionError for an unknown name, and if the data are missing or have another shape.
    """
    empty = background(model)
    if name == "empty":
        return Baseline(name, empty)
    if name == "blur":
        return Baseline(name, empty, _BLUR)
    if name not in BASELINES:
        raise AttributionError(f"baseline {name!r}: unknown; {nearest(name, BASELINES)}")
    if dataset is None or dataset.train_images.shape[1:] != empty.shape[2:] or empty.shape[1] != 1:
        raise AttributionError(
            f"baseline {name!r} needs the training images of this network's shape; "
            "accepted without them: empty, blur"
        )
    if name == "mean":
        mean = dataset.train_images.mean(axis=0, dtype=np.float64)
        return Baseline(name, model.tensor(mean[None].astype(np.float32)))
    chosen = np.random.default_rng(seed).choice(len(dataset.train_images), _DIGITS, replace=False)
    return Baseline(name, model.tensor(dataset.train_images[chosen]))
