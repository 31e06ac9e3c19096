"""From options to arrays for training: data set, split, standardisation, order of batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..spec import NetworkSpec
from .dataset import Dataset
from .datasets import load, load_for
from .idx import DataError
from .options import DataOptions
from .standardize import Standardizer

# bytes of float32 images above which bytes are stored and standardised batch by batch
LARGE = 2**30
# as many shuffled images hardly ever show only half of the classes
_SORTED = 10
_FEW = 20_000  # most images that a standardiser is fitted on if they are large


class LazyImages:
    """Some images of a data set, stored as bytes and standardised to float32 when indexed.

    It has the shape, type, length and indexing of an array (n, H, W) or (n, H, W, C).
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, parts: Sequence[np.ndarray], index: np.ndarray, standardizer: Standardizer
    ) -> None:
        self._parts = parts
        self._index = index
        self.standardizer = standardizer
        self.shape = (len(index), *parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, places: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        if isinstance(places, int | np.integer):
            return self.standardizer.apply(self.pixels([places]))[0]
        return self.standardizer.apply(self.pixels(places))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels, one a value."""
        return math.prod(self.shape)

    def pixels(self, places: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the images at `places` as they were read, uint8."""
        return rows_at(self._parts, self._index[places])


@dataclass(frozen=True)
class Part:
    """Images of one use: float32 (n, H, W) or (n, H, W, C), labels int64 (n,), and positions.

    `index` counts through the training file, then the test file; `id` writes it ``train:31727``.
    """

    images: np.ndarray | LazyImages
    labels: np.ndarray
    index: np.ndarray
    train_size: int

    def __len__(self) -> int:
        return len(self.labels)

    def id(self, position: int) -> str:
        """Return the image's id, which is its index in its source file."""
        return image_id(int(self.index[position]), self.train_size)


@dataclass(frozen=True)
class Prepared:
    """Everything that training and evaluation read; `validation` may be None."""

    dataset: Dataset
    standardizer: Standardizer
    train: Part
    validation: Part | None
    test: Part


def channels_last(images: np.ndarray | LazyImages) -> np.ndarray:
    """Return images (n, H, W) or (n, H, W, C) as (n, H, W, C), Keras' form."""
    array = np.asarray(images)
    return array[..., None] if array.ndim == 3 else array


def image_id(index: int, train_size: int) -> str:
    """Write an index through both files as ``train:31727`` or ``test:19``."""
    return f"train:{index}" if index < train_size else f"test:{index - train_size}"


def rows_at(parts: Sequence[np.ndarray], index: np.ndarray) -> np.ndarray:
    """Return the rows at `index`, which counts through the first of two arrays, then the second."""
    first, second = parts
    inside = index < len(first)
    if inside.all():
        return first[index]
    rows = np.empty((len(index), *first.shape[1:]), first.dtype)
    rows[inside] = first[index[inside]]
    rows[~inside] = second[index[~inside] - len(first)]
    return rows


def prepare(
    options: DataOptions,
    standardizer: Standardizer | None = None,
    network: NetworkSpec | None = None,
) -> Prepared:
    """Load, split and standardise, by `standardizer` or a fitted one. Raises DataError.

    With `network` the images are adapted to its size, and the classes compared.
    """
    dataset = load(options) if network is None else load_for(options, network)
    parts = dataset.train_images, dataset.test_images
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    size = len(dataset.train_labels)
    train, validation, test = split_indices(options, size, len(labels), dataset.validation_size)
    if options.validate_on == "validation" and not dataset.validation_size:
        _refuse_sorted(labels[validation], len(dataset.class_names))
    if standardizer is None:
        fitted_on = {
            "per_pixel_all": np.arange(len(labels)),
            "mean_removed": np.concatenate([train, validation]),
        }
        standardizer = _fit(options, parts, fitted_on.get(options.standardize, train))

    def part(index: np.ndarray) -> Part:
        return Part(_standardized(parts, index, standardizer), labels[index], index, size)

    test_part = part(test)
    validated = {"test": test_part, "none": None}.get(options.validate_on)
    if options.validate_on == "validation":
        validated = part(validation)
    return Prepared(dataset, standardizer, part(train), validated, test_part)


def _refuse_sorted(validation: np.ndarray, classes: int) -> None:
    present = len(np.unique(validation))
    if len(validation) >= _SORTED and 2 * present <= classes:
        raise DataError(
            f"the {len(validation)} images set aside for validation are of {present} of the "
            f"{classes} classes, as if the data set were sorted by class; accepted: "
            "--data.validation seeded"
        )


def _fit(options: DataOptions, parts: Sequence[np.ndarray], index: np.ndarray) -> Standardizer:
    if len(index) > _FEW and _float_bytes(parts, index) > LARGE:
        index = index[np.linspace(0, len(index) - 1, _FEW).astype(np.int64)]
    return Standardizer.fit(options.standardize, rows_at(parts, index), options.clip)


def _standardized(
    parts: Sequence[np.ndarray], index: np.ndarray, standardizer: Standardizer
) -> np.ndarray | LazyImages:
    images = LazyImages(parts, index, standardizer)
    return images if _float_bytes(parts, np.arange(sum(map(len, parts)))) > LARGE else images[:]


def _float_bytes(parts: Sequence[np.ndarray], index: np.ndarray) -> int:
    return 4 * len(index) * math.prod(parts[0].shape[1:])


def split_indices(
    options: DataOptions, train_size: int, total: int, own_validation: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices, through both files, of training, validation and test images.

    `own_validation` counts the last training images, which are the data set's own validation
    images.
    """
    order = np.arange(total)
    if options.split == "reshuffled":
        order = _generator(options.split_seed, 0).permutation(total)
    train = order[:train_size]
    test = order[train_size:]
    if own_validation and options.split == "official":
        return train[:-own_validation], train[-own_validation:], test
    # Keras' rule: the split point is int(n (1 - fraction)); without the rounding, 1 - 0.9 would
    # lose an image
    keep = int(round(train_size * (1 - options.validation_fraction), 6))
    if options.validation == "seeded":
        train = train[_generator(options.split_seed, 1).permutation(train_size)]
    if keep < 1 or (options.validate_on == "validation" and keep == train_size):
        raise DataError(
            f"data.validation_fraction = {options.validation_fraction!r} leaves no image on one "
            f"side of {train_size}"
        )
    return train[:keep], train[keep:], test


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order of `n` training images, the same for equal seed and epoch (from 0)."""
    return _generator(seed, epoch + 2).permutation(n)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))
