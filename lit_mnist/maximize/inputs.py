"""Constraints on input images, so that an ascent has a maximum, and random start images.

With ReLU, a map grows without bound along a linear ramp, so pixels must be constrained. Networks
trained on standardised images get images of mean 0 and deviation 1. Networks trained on plain
pixels (x/255, or 0 to 255 where the network rescales them itself) get images within the pixel
range.

Each row of an ascent has random numbers of its own, keyed by seed, target and restart, not by its
position in a batch: fewer maps, or another order, do not change a row.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.standardize import Standardizer, channels_first
from ..network import Network, Rescaling
from ..runs.model import Model
from ..spec import INPUT
from .checks import MaximizeError, need_number, need_whole


def per_image_standardization(images: Tensor) -> Tensor:
    """Return `images` (N, C, H, W), each with mean 0 and population deviation 1.

    TensorFlow's rule (``tf.image.per_image_standardization``): the divisor is at least ``1 /
    sqrt(number of values)``, so a constant image becomes zeros.
    """
    variance, mean = torch.var_mean(images, (1, 2, 3), correction=0, keepdim=True)
    return (images - mean) / variance.sqrt().clamp_min(images[0].numel() ** -0.5)


@dataclass(frozen=True)
class Standardised:
    """The constraint that every image has mean 0 and deviation 1."""

    scale: float = 1.0  # the unit of an ascent's step, in the network's input

    def begin(self, noise: Tensor) -> Tensor:
        """Return start images from `noise` of any scale."""
        return per_image_standardization(noise)

    def hold(self, images: Tensor) -> Tensor:
        """Return the allowed images nearest to `images` (N, C, H, W)."""
        return per_image_standardization(images)

    def reference(self, inputs: Tensor) -> Tensor:
        """Return inputs of the network as images under this constraint."""
        return per_image_standardization(inputs)

    def bounds(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and largest possible value of each pixel (C, H, W): +-sqrt(n - 1) for
        n values.
        """
        limit = np.full(shape, (np.prod(shape) - 1) ** 0.5)
        return -limit, limit

    def describe(self) -> str:
        """Return the constraint in words."""
        return "each image standardised to mean 0, deviation 1"


@dataclass(frozen=True, eq=False)
class Box:
    """The constraint that every pixel is between `low` and `high`, which broadcast to (C, H, W)."""

    low: np.ndarray
    high: np.ndarray

    @property
    def scale(self) -> float:
        """The unit of an ascent's step: the width of the box."""
        return float((self.high - self.low).max())

    def begin(self, noise: Tensor) -> Tensor:
        """Return start images around the middle of the box, with a deviation of a quarter of its
        width.
        """
        low, high = self._sides(noise)
        return self.hold((low + high) / 2 + per_image_standardization(noise) * (high - low) / 4)

    def hold(self, images: Tensor) -> Tensor:
        """Return `images` (N, C, H, W) with every value clipped to the box."""
        low, high = self._sides(images)
        return torch.minimum(torch.maximum(images, low), high)

    def reference(self, inputs: Tensor) -> Tensor:
        """Return inputs of the network unchanged, since they are within the box."""
        return inputs

    def bounds(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and largest value of each pixel (C, H, W)."""
        return np.broadcast_to(self.low, shape), np.broadcast_to(self.high, shape)

    def describe(self) -> str:
        """Return the constraint in words."""
        return f"pixels kept in {self.low.min():g} to {self.high.max():g}"

    def _sides(self, like: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.as_tensor(self.low, dtype=like.dtype, device=like.device)
        high = torch.as_tensor(self.high, dtype=like.dtype, device=like.device)
        return low, high


Constraint = Standardised | Box


def constraint_for(model: Model) -> Constraint:
    """Return the constraint of a model: `Standardised` if its preprocessing divides by deviations,
    else `Box`.
    """
    standardizer = model.standardizer
    if standardizer.kind in ("per_pixel", "per_pixel_all", "per_channel", "global"):
        return Standardised()
    mean = channels_first(standardizer.mean)
    scale = channels_first(standardizer.scale)
    low, high = ((level - mean) / scale for level in (0.0, 255.0))
    return Box(np.asarray(low), np.asarray(high))


def true_colours(model: Model) -> Standardizer | None:
    """Return the scaling of colour images that stay in the pixels' range, else None."""
    in_box = isinstance(constraint_for(model), Box)
    return model.standardizer if in_box and model.spec.input_shape[2] == 3 else None


@dataclass(frozen=True)
class Rescaled:
    """A model without its first Rescaling layers, whose input is ``factor * original + offset``.

    Steps and regularisers then have the units that the network's other layers see.
    """

    model: Model
    factor: float = 1.0
    offset: float = 0.0

    def constraint(self) -> Constraint:
        """Return the constraint of images after the rescaling."""
        constraint = constraint_for(self.model)
        if isinstance(constraint, Box):
            sides = [side * self.factor + self.offset for side in (constraint.low, constraint.high)]
            return Box(np.minimum(*sides), np.maximum(*sides))
        return constraint

    def inputs(self, images: Tensor) -> Tensor:
        """Return inputs of the original network after the rescaling."""
        return images * self.factor + self.offset

    def undo(self, images: np.ndarray) -> np.ndarray:
        """Return the inputs of the original network for rescaled images, in the same type."""
        return ((images.astype(np.float64) - self.offset) / self.factor).astype(images.dtype)


def rescaled(model: Model, layers: tuple[str, ...] = ()) -> Rescaled:
    """Return the model without its first Rescaling layers; unchanged if one of them is among
    `layers`.

    Models of standardised images stay unchanged too, since their constraint applies before the
    rescaling.
    """
    first = _first_rescalings(model.network)
    needed = {name.partition(":")[0] for name in layers}
    if not first or needed & set(first) or isinstance(constraint_for(model), Standardised):
        return Rescaled(model)
    factor = 1.0
    offset = 0.0
    network = copy.deepcopy(model.network)
    for name in first:
        module = cast(Rescaling, network.module_of(name))
        factor = factor * module.factor
        offset = offset * module.factor + module.offset
        setattr(network, name, nn.Identity())
    return Rescaled(replace(model, network=network), factor, offset) if factor else Rescaled(model)


def _first_rescalings(network: Network) -> list[str]:
    """Return the names of the Rescaling layers through which all other layers see the image."""
    names: list[str] = []
    steps = network.spec.plan(*network.spec.names)
    source = INPUT
    while True:
        readers = [step.name for step in steps if source in step.inputs]
        if len(readers) != 1 or not isinstance(getattr(network, readers[0], None), Rescaling):
            return names
        source = readers[0]
        names.append(source)


SIZES = (3, 7, 14, 28)  # cells of the noise squares, as in the source
WEIGHTS = (0.5, 0.5, 0.5, 0.5)
LONG_WAVES = (
    3,
    7,
)  # for the search: patterns to which a map with a large receptive field can respond
START, SEARCH, CHANGE = range(3)  # purposes of random numbers, which must be independent


def generator(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """Return the random number generator of one purpose and key, independent of all others."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))
    )


@dataclass(frozen=True)
class Fluctuations:
    """Weighted sum of uniform noise in [-1, 1] on squares of `sizes` cells, enlarged to the image
    (bicubic).
    """

    sizes: tuple[int, ...] = SIZES
    weights: tuple[float, ...] = WEIGHTS

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.weights) or not self.sizes:
            raise MaximizeError(
                f"fluctuations: {len(self.sizes)} sizes and {len(self.weights)} weights; "
                "accepted: one weight for each size, at least one"
            )
        for size, weight in zip(self.sizes, self.weights, strict=True):
            need_whole("fluctuations: size", size)
            need_number("fluctuations: weight", weight)

    def draw(self, generators: Sequence[np.random.Generator], shape: tuple[int, ...]) -> Tensor:
        """Return float64 (n, C, H, W), one image for each generator, for images of `shape` (C, H,
        W).
        """
        channels, height, width = shape
        total = torch.zeros(len(generators), *shape, dtype=torch.float64)
        for cells, weight in zip(self.sizes, self.weights, strict=True):
            noise = np.stack([one.uniform(-1, 1, (channels, cells, cells)) for one in generators])
            total += weight * _enlarge(torch.from_numpy(noise), (height, width))
        return total


def _enlarge(noise: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge by antialiased bicubic interpolation, whose kernel (a = -0.5) is TensorFlow's."""
    return F.interpolate(noise, size, mode="bicubic", align_corners=False, antialias=True)
