"""From options to the arrays that training sees: data set, split, standardisation, order of batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import nearest
from .datasets import Dataset, load_dataset
from .idx import DataError
from .standardize import Standardizer

SPLITS = ("official", "reshuffled")
VALIDATIONS = ("tail", "seeded")
VALIDATE_ON = ("validation", "test", "none")


@dataclass(frozen=True)
class DataOptions:
    """What decides which image is used for what, and how it is scaled.

    `validation_fraction` of the training images is set aside: the last ones (``tail``, Keras' rule) or
    drawn by `split_seed` (``seeded``). ``split="reshuffled"`` pools training and test images, permutes
    them by `split_seed` and splits anew (the sources' habit). ``validate_on="test"`` validates on the
    test images (the sources' habit); ``none`` does not validate. ``per_pixel_all`` and ``mean_removed``
    are fitted on all 70,000 and on all 60,000 images, the others on the training split alone.
    """

    dataset: str = "mnist"
    root: str | Path | None = None
    fallback: str | None = None
    download: bool = True
    standardize: str = "per_pixel"
    clip: float | None = None
    split: str = "official"
    split_seed: int = 42
    validation_fraction: float = 0.1
    validation: str = "tail"
    validate_on: str = "validation"

    def __post_init__(self) -> None:
        for key, accepted in (("split", SPLITS), ("validation", VALIDATIONS), ("validate_on", VALIDATE_ON)):
            value = getattr(self, key)
            if value not in accepted:
                raise DataError(f"data.{key}: unknown {value!r}; {nearest(str(value), accepted)}")
        if not 0 <= self.validation_fraction < 1:
            raise DataError(f"data.validation_fraction = {self.validation_fraction!r} cannot work; "
                            "accepted: 0 <= fraction < 1")
        if self.validate_on == "validation" and self.validation_fraction == 0:
            raise DataError("data.validate_on = 'validation' needs a validation_fraction above 0; "
                            "or accept 'none' or 'test'")


@dataclass(frozen=True)
class Part:
    """Images of one use: float32 (n, 28, 28) standardised, labels int64 (n,), and where each came from.

    `index` counts through the training file, then the test file; `ids` spells it ``train:31727``.
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    train_size: int

    def __len__(self) -> int:
        return len(self.labels)

    def id(self, position: int) -> str:
        """Return the image's id: the index in its source file, whatever the split."""
        return image_id(int(self.index[position]), self.train_size)


@dataclass(frozen=True)
class Prepared:
    """Everything training and evaluation read. `validation` is None where nothing is validated on."""

    dataset: Dataset
    standardizer: Standardizer
    train: Part
    validation: Part | None
    test: Part


def image_id(index: int, train_size: int) -> str:
    """Spell an index through both files as ``train:31727`` or ``test:19``."""
    return f"train:{index}" if index < train_size else f"test:{index - train_size}"


def prepare(options: DataOptions, standardizer: Standardizer | None = None) -> Prepared:
    """Load, split and standardise (by `standardizer` where given, else fitted); raise DataError."""
    dataset = load_dataset(options.dataset, options.root, options.fallback, options.download)
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    size = len(dataset.train_labels)
    train, validation, test = split_indices(options, size, len(labels))
    fitted_on = {"per_pixel_all": slice(None), "mean_removed": np.concatenate([train, validation])}
    if standardizer is None:
        standardizer = Standardizer.fit(options.standardize, images[fitted_on.get(options.standardize, train)],
                                        options.clip)

    def part(index: np.ndarray) -> Part:
        return Part(standardizer.apply(images[index]), labels[index], index, size)

    tested = part(test)
    validated = {"test": tested, "none": None}.get(options.validate_on)
    if options.validate_on == "validation":
        validated = part(validation)
    return Prepared(dataset, standardizer, part(train), validated, tested)


def split_indices(options: DataOptions, train_size: int, total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices, through both files, of training, validation and test images."""
    order = np.arange(total)
    if options.split == "reshuffled":
        order = _generator(options.split_seed, 0).permutation(total)
    train, test = order[:train_size], order[train_size:]
    # Keras' rule: the split point is int(n (1 - fraction)); rounding first keeps 1 - 0.9 from losing an image
    keep = int(round(train_size * (1 - options.validation_fraction), 6))
    if options.validation == "seeded":
        train = train[_generator(options.split_seed, 1).permutation(train_size)]
    if keep < 1 or (options.validate_on == "validation" and keep == train_size):
        raise DataError(f"data.validation_fraction = {options.validation_fraction!r} leaves no image on one side "
                        f"of {train_size}")
    return train[:keep], train[keep:], test


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order of the `n` training images in `epoch` (from 0): one for each (seed, epoch), everywhere."""
    return _generator(seed, epoch + 2).permutation(n)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))
