"""A data set as arrays, from any source."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import expand
from ..spec import Shape

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Dataset:
    """A data set in its official order: images uint8 (n, H, W) or (n, H, W, C), labels int64 (n,).

    The last `validation_size` training images are the data set's own validation images. `note`
    warns in one line of replaced images or skipped files. `adapted` describes how the images were
    adapted to the network's size; None if they were not.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = DIGITS
    note: str | None = None
    validation_size: int = 0
    adapted: str | None = None

    @property
    def image_shape(self) -> Shape:
        """Height, width and channels of every image."""
        height, width, *channels = self.train_images.shape[1:]
        return height, width, *(channels or [1])


def cache_folder() -> Path:
    """Return the user's cache folder for this program."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lit_mnist"


def default_root() -> Path:
    """Return the default folder of data: ``$LIT_MNIST_DATA``, else the user's cache folder."""
    return expand(os.environ.get("LIT_MNIST_DATA") or cache_folder())
