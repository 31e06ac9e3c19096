"""Arrays saved by NumPy: one .npz, or .npy files in a folder, under common names."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import first_line
from ..dataset import Dataset
from ..idx import DataError
from ..options import DataOptions
from .csv_tables import own_root
from .tables import Shape, Table, as_labels, as_pictures, dataset_of

_PAIRS = {  # part -> the names of images and labels, in the order of preference
    "train": (
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("X_train", "y_train"),
        ("X", "y"),
        ("x", "y"),
        ("images", "labels"),
        ("data", "labels"),
        ("data", "target"),
    ),
    "validation": (
        ("x_val", "y_val"),
        ("val_images", "val_labels"),
        ("X_val", "y_val"),
        ("x_valid", "y_valid"),
        ("validation_images", "validation_labels"),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test")),
}


def load(options: DataOptions, shape: Shape | None) -> Dataset:
    """Return the arrays of `options.root`, named as Keras (x_train, ...), MedMNIST, or X and y.

    Nothing pickled is opened. Raises DataError naming the file, its arrays and what is accepted.
    """
    root = own_root(options)
    arrays = _read(root)
    parts = {part: _part(arrays, pairs, shape, root) for part, pairs in _PAIRS.items()}
    if parts["train"] is None:
        accepted = "; ".join(" with ".join(pair) for pair in _PAIRS["train"])
        raise DataError(
            f"{root}: holds the arrays {', '.join(sorted(arrays)) or '(none)'}; accepted: "
            f"{accepted}"
        )
    return dataset_of(options, parts["train"], parts["test"], parts["validation"])


def _read(root: Path) -> Mapping[str, np.ndarray]:
    try:
        if root.is_dir():
            return {
                path.stem: np.load(path, allow_pickle=False) for path in sorted(root.glob("*.npy"))
            }
        with np.load(root, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{root}: cannot be read as arrays ({first_line(error)}); accepted: an .npz "
            "file, or a folder with .npy files"
        ) from error


def _part(
    arrays: Mapping[str, np.ndarray],
    pairs: tuple[tuple[str, str], ...],
    shape: Shape | None,
    root: Path,
) -> Table | None:
    for images, labels in pairs:
        if images in arrays and labels in arrays:
            return (
                as_pictures(arrays[images], shape, f"{root}: {images}"),
                as_labels(arrays[labels], f"{root}: {labels}"),
            )
    return None
