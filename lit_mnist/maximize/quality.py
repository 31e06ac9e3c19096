"""Quality of images, and the strongest activations that the data reach, for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..inside.kept import KeptResults, arrays_hash, computed_once
from ..inside.passes import batches, dataset_part
from ..inside.top_images import top_images
from ..network import Network
from ..runs.model import Model
from .inputs import Constraint, constraint_for
from .rows import Rows
from .subnetwork import Subnetwork

_COMPARED = 10_000  # number of training images that the report and the live page compare with
REFERENCE = "reference"  # the name under which references are kept


@dataclass(frozen=True)
class Reference:
    """The images of a data set that activate each target most, under the ascent's constraint.

    `values` and `index` are (targets, k), best first; `pixels` (images, H, W), uint8, are all
    images.
    """

    layer: str
    source: str
    index: np.ndarray
    values: np.ndarray
    pixels: np.ndarray

    @property
    def largest(self) -> np.ndarray:
        """The largest mean activation (targets,) of each target over all images."""
        return self.values[:, 0]

    def top(self, target: int) -> np.ndarray:
        """Return the pixels (k, H, W) of the images that activate `target` most, best first."""
        return self.pixels[self.index[target]]


def reference(
    model: Model,
    layer: str,
    k: int = 8,
    root: str | Path | None = None,
    pixels: np.ndarray | None = None,
    kept: KeptResults | None = None,
) -> Reference:
    """Return the top images of each map or unit among the network's training images, or among
    `pixels`.

    `pixels` are (n, H, W). Standardised networks see each image standardised, as in an ascent, so
    that the two are comparable. Results that are `kept` are read. Raises DataError if the data set
    is missing.
    """
    source = f"{model.dataset} training images" if pixels is None else "given images"
    pixels = dataset_part(model, "train", root)[0] if pixels is None else pixels
    return references(model, [layer], pixels, source, k, kept)[0]


def references(
    model: Model,
    layers: Sequence[str],
    pixels: np.ndarray,
    source: str,
    k: int = 8,
    kept: KeptResults | None = None,
) -> tuple[Reference, ...]:
    """Return the `reference` of each of `layers` over `pixels`, which `source` names, in one
    pass for all.
    """

    def compute(missing: list[str]) -> dict[str, dict[str, np.ndarray]]:
        inputs = _allowed(model, pixels, constraint_for(model))
        rankings = top_images(model.network, inputs, missing, k)
        return {record.layer: vars(record.mean) for record in rankings}

    def fits(content: Mapping[str, np.ndarray]) -> bool:
        return content["index"].shape[1] >= min(k, len(pixels))

    digest = arrays_hash(pixels)
    settings = {name: {"layer": name, "pixels": digest} for name in layers}
    contents = computed_once(kept, REFERENCE, settings, compute, fits)
    named = f"{len(pixels)} {source}"
    return tuple(
        Reference(
            name, named, contents[name]["index"][:, :k], contents[name]["values"][:, :k], pixels
        )
        for name in layers
    )


def training_references(
    model: Model, layers: Sequence[str], pixels: np.ndarray, kept: KeptResults | None = None
) -> dict[str, Reference]:
    """Return, by layer, the `reference` over the first 10,000 of `pixels`, the training images."""
    compared = references(model, layers, pixels[:_COMPARED], "given images", 1, kept)
    return {reference.layer: reference for reference in compared}


def _allowed(model: Model, pixels: np.ndarray, constraint: Constraint) -> Iterator[Tensor]:
    return (constraint.reference(batch) for batch in batches(model, pixels))


SHIFTS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)
FINE = 0.25  # cycles per pixel above which structure counts as fine


@dataclass(frozen=True)
class Quality:
    """Measures of each image, all (N,).

    `activation` is the mean of the target map (for a class: the logit). `ratio` divides it by the
    largest value on the data (NaN without data, and where they do not activate the map). `rank` is
    1 if no other map of the layer has a larger ratio (0 where `ratio` is NaN). `shift` is the
    fraction of the activation that remains after the worst of eight rolls by one pixel. `fine` is
    the fraction of the spectral energy, without the mean, above a quarter cycle per pixel. `spread`
    is (largest - smallest) / largest activation of the target's restarts. `likeness` is the mean
    cosine with the target's other restarts (NaN for one restart).
    """

    activation: np.ndarray
    ratio: np.ndarray
    rank: np.ndarray
    shift: np.ndarray
    fine: np.ndarray
    spread: np.ndarray
    likeness: np.ndarray


def assess(
    network: Network, layer: str, images: np.ndarray, rows: Rows, data: Reference | None = None
) -> Quality:
    """Measure `images` (N, C, H, W), made for `rows` of `layer`, and compare them with the data."""
    subnetwork = Subnetwork(network, [layer])
    every = subnetwork.activations(images)
    own = np.take_along_axis(every, rows.targets[:, None], 1)[:, 0]
    shifted = [
        np.take_along_axis(
            subnetwork.activations(np.roll(images, by, (2, 3))), rows.targets[:, None], 1
        )[:, 0]
        for by in SHIFTS
    ]
    ratio, rank = _against(every, own, rows, data)
    return Quality(
        own,
        ratio,
        rank,
        _ratio(np.min(shifted, 0), own),
        fine_fraction(images),
        *_between_restarts(images, own, rows),
    )


def fine_fraction(images: np.ndarray) -> np.ndarray:
    """Return the fraction (N,) of spectral energy above a quarter cycle per pixel; 0 for a constant
    image.
    """
    height, width = images.shape[2:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    energy = np.abs(np.fft.fft2(images - images.mean((2, 3), keepdims=True))) ** 2
    return _ratio((energy * (frequency > FINE)).sum((1, 2, 3)), energy.sum((1, 2, 3)), nothing=0.0)


def _against(
    every: np.ndarray, own: np.ndarray, rows: Rows, data: Reference | None
) -> tuple[np.ndarray, np.ndarray]:
    if data is None:
        return np.full(len(own), np.nan), np.zeros(len(own), np.int64)
    raised = data.largest > 0  # maps that the data never raise have no scale to be ranked on
    relative = _ratio(every, np.where(raised, data.largest, 0)[None])
    ratio = np.take_along_axis(relative, rows.targets[:, None], 1)[:, 0]
    rank = 1 + (np.nan_to_num(relative, nan=-np.inf) > ratio[:, None]).sum(1)
    return ratio, np.where(np.isnan(ratio), 0, rank)


def _between_restarts(
    images: np.ndarray, own: np.ndarray, rows: Rows
) -> tuple[np.ndarray, np.ndarray]:
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    spread = np.full(len(own), np.nan)
    likeness = np.full(len(own), np.nan)
    for target in np.unique(rows.targets):
        group = np.flatnonzero(rows.targets == target)
        if len(group) > 1:
            values = own[group]
            spread[group] = _ratio(values.max() - values.min(), values.max())
            likeness[group] = ((flat[group] @ flat[group].T).sum(1) - 1) / (len(group) - 1)
    return spread, likeness


def _ratio(part: np.ndarray, whole: np.ndarray, nothing: float = np.nan) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, nothing), where=whole > 0)
