"""Scikit-learn's embedded digits: 1,797 of 8 x 8, scaled to 28 x 28, split 1,437 / 360.

The scaling is bilinear, the split stratified.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dataset import Dataset
from ..options import DataOptions

TEST_IMAGES = 360


def load(options: DataOptions, note: str | None = None) -> Dataset:
    """Return the digits; `note` explains why they replace another data set."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch: Any = load_digits()
    images: Any = zoom(bunch.images, (1, 3.5, 3.5), order=1, grid_mode=True, mode="nearest")
    images = np.clip(np.rint(images * (255 / 16)), 0, 255).astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(images)), test_size=TEST_IMAGES, stratify=bunch.target, random_state=0
    )
    labels = bunch.target.astype(np.int64)
    return Dataset("digits", images[train], labels[train], images[test], labels[test], note=note)
