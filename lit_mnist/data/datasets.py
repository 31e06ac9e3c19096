"""The data sets as arrays: found, downloaded where allowed, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import nearest
from .idx import DataError, read_images, read_labels

# SHA-256 of the uncompressed files, in the order train images, train labels, test images, test labels.
_MNIST_SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
DATASETS = (*_TORCHVISION, "digits")
_DIGITS = tuple(str(digit) for digit in range(10))
_CLASS_NAMES = {
    "fashion_mnist": ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                      "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
DIGITS_TEST_IMAGES = 360


@dataclass(frozen=True)
class Dataset:
    """A data set in its official order: images uint8 (n, 28, 28), labels int64 (n,).

    `note` says in one line that these are not the images that were asked for, and why; else None.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = _DIGITS
    note: str | None = None


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes of data set `name`, in the order of their labels."""
    return _CLASS_NAMES.get(name, _DIGITS)


def default_root() -> Path:
    """Where data lies when nothing is said: ``$LIT_MNIST_DATA``, else the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LIT_MNIST_DATA") or cache / "lit_mnist")


def load_dataset(name: str = "mnist", root: str | Path | None = None, fallback: str | None = None,
                 download: bool = True) -> Dataset:
    """Return data set `name` from `root` (default: `default_root`), downloading it where it is missing.

    With ``fallback="digits"`` a data set that is missing and cannot be downloaded is replaced by
    scikit-learn's embedded digits, and `Dataset.note` says so. A file that is there but damaged is
    always an error. Raises DataError naming the folder, the reason and the ways out.
    """
    for key, value, accepted in (("dataset", name, DATASETS), ("fallback", fallback, (None, "digits"))):
        if value not in accepted:
            raise DataError(f"data.{key}: unknown {value!r}; {nearest(str(value), map(str, accepted))}")
    if name == "digits":
        return _digits()
    root = Path(root) if root else default_root()
    try:
        return _from_files(name, _folder(name, root, download))
    except _MissingError as error:
        if fallback is None:
            raise DataError(f"{error}; ways out: put the four IDX files there (or name their root with --data.root "
                            "or $LIT_MNIST_DATA), or accept the embedded digits with --data.fallback digits") from error
        return _digits(note=f"{name} is NOT used: {error}; this run uses scikit-learn's embedded digits instead")


class _MissingError(DataError):
    """The files are not there and could not be fetched."""


def _folder(name: str, root: Path, download: bool) -> Path:
    folder = root / _TORCHVISION[name] / "raw"
    absent = [file for file in _FILES if not (folder / file).is_file()]
    if not absent:
        return folder
    if not download:
        raise _MissingError(f"{name} not found: {folder} lacks {', '.join(absent)} (download is off)")
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        _download(name)(str(root), download=True)
    except Exception as error:  # whatever a failed download raises: no network, full disk, bad archive
        for path in created:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _MissingError(f"{name} not found: {folder} lacks {', '.join(absent)}, download failed ({reason})"
                            ) from error
    return folder


def _download(name: str) -> Callable:
    from torchvision import datasets  # only where something must be fetched: the import takes a second

    return getattr(datasets, _TORCHVISION[name])


def _from_files(name: str, folder: Path) -> Dataset:
    sums = _MNIST_SHA256 if name == "mnist" else (None,) * 4
    paths = [folder / file for file in _FILES]
    return Dataset(
        name,
        read_images(paths[0], 60_000, sums[0]), read_labels(paths[1], 60_000, sums[1]).astype(np.int64),
        read_images(paths[2], 10_000, sums[2]), read_labels(paths[3], 10_000, sums[3]).astype(np.int64),
        class_names(name),
    )


def _digits(note: str | None = None) -> Dataset:
    """Scikit-learn's 1,797 digits of 8 x 8, scaled to 28 x 28 (bilinear), split stratified 1,437 / 360."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = zoom(bunch.images, (1, 3.5, 3.5), order=1, grid_mode=True, mode="nearest")
    images = np.clip(np.rint(images * (255 / 16)), 0, 255).astype(np.uint8)
    train, test = train_test_split(np.arange(len(images)), test_size=DIGITS_TEST_IMAGES,
                                   stratify=bunch.target, random_state=0)
    labels = bunch.target.astype(np.int64)
    return Dataset("digits", images[train], labels[train], images[test], labels[test], note=note)
