"""The options of a data set: which pictures are read, how they are split and scaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import is_finite, nearest
from ..files import expand
from .idx import DataError

DATASETS = (
    "mnist",
    "fashion_mnist",
    "kmnist",
    "digits",
    "emnist",
    "cifar10",
    "cifar100",
    "folder",
    "csv",
    "arrays",
)
# the test accuracy that the sources aim at, by data set: a dashed line in training curves
GOOD_ACCURACY = {"mnist": 0.992}
EMNIST_SPLITS = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
_CHOICES = {
    "dataset": DATASETS,
    "fallback": (None, "digits"),
    "split": ("official", "reshuffled"),
    "validation": ("tail", "seeded"),
    "validate_on": ("validation", "test", "none"),
    "on_damaged": ("skip", "error"),
    "emnist_split": EMNIST_SPLITS,
}


def check_dataset(name: str) -> str:
    """Return `name`. Raises DataError if there is no such data set."""
    if name not in DATASETS:
        raise DataError(f"data.dataset: unknown {name!r}; {nearest(name, DATASETS)}")
    return name


@dataclass(frozen=True)
class DataOptions:
    """Which data set is read, and how it is split and scaled.

    `root` is the folder that holds the data sets; for ``folder``, ``csv`` and ``arrays`` it is the
    data set's own folder or file. `mirror` is an address to download from instead of the data set's
    own.

    `validation_fraction` of the training images is set aside: the last ones (``tail``, Keras' rule)
    or drawn by `split_seed` (``seeded``). A data set's own validation images are used instead if
    there are any. For your own data set without test images, `test_fraction` of each class is drawn
    by `split_seed`. ``split="reshuffled"`` pools training and test images, permutes them by
    `split_seed` and splits anew (the sources' habit). ``validate_on="test"`` validates on the test
    images (the sources' habit); ``none`` does not validate. ``per_pixel_all`` and ``mean_removed``
    are fitted on all 70,000 and on all 60,000 images, the others on the training split alone.

    `on_damaged`: ``skip`` warns of files of a ``folder`` that cannot be read, ``error`` stops.
    Pictures of a ``folder`` that take more than `memory_fraction` of
    the machine's memory are kept in a memory-mapped file of the cache folder.
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
    mirror: str | None = None
    test_fraction: float = 0.2
    on_damaged: str = "skip"
    memory_fraction: float = 0.25
    emnist_split: str = "balanced"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DataOptions:
        """Return the options among the settings below ``data``; others, such as batch_size, are
        left out, and those that an older run lacks have their defaults.
        """
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in names})

    def __post_init__(self) -> None:
        if self.root:
            object.__setattr__(self, "root", expand(self.root))
        for key, accepted in _CHOICES.items():
            value = getattr(self, key)
            if value not in accepted:
                raise DataError(
                    f"data.{key}: unknown {value!r}; "
                    f"{nearest(str(value), [choice or 'null' for choice in accepted])}"
                )
        if not is_finite(self.validation_fraction) or not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"data.validation_fraction = {self.validation_fraction!r} cannot work; "
                "accepted: 0 <= fraction < 1"
            )
        for key in ("test_fraction", "memory_fraction"):
            if not is_finite(getattr(self, key)) or not 0 < getattr(self, key) < 1:
                raise DataError(
                    f"data.{key} = {getattr(self, key)!r} cannot work; accepted: 0 < fraction < 1"
                )
        if self.validate_on == "validation" and self.validation_fraction == 0:
            raise DataError(
                "data.validate_on = 'validation' needs a validation_fraction above 0; "
                "or accept 'none' or 'test'"
            )
