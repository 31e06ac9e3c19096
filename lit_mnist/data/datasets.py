"""The data sets by name: one function from options to arrays, whatever the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .adapt import Shape, adapted
from .dataset import DIGITS, Dataset
from .options import DataOptions
from .sources import arrays, cifar, csv_tables, digits, emnist, folder, mnist


def load_dataset(name: str = "mnist", root: str | Path | None = None, fallback: str | None = None,
                 download: bool = True, *, shape: Shape | None = None, **more: Any) -> Dataset:
    """Return data set `name` from `root`; as `load`, with the other fields of DataOptions in `more`."""
    return load(DataOptions(name, root, fallback, download, **more), shape)


def load(options: DataOptions, shape: Shape | None = None) -> Dataset:
    """Return the data set of `options`, downloading it where it is missing, its images brought to `shape`.

    With ``fallback="digits"`` a data set that is missing and cannot be downloaded is replaced by
    scikit-learn's embedded digits, and `Dataset.note` says so. A file that is there but damaged is
    always an error. Raises DataError naming the place, the reason and the ways out.
    """
    try:
        dataset = _read(options, shape)
    except mnist.MissingError as error:
        if options.fallback is None:
            raise
        dataset = digits.load(options, f"{options.dataset} is NOT used: {error}; this run uses scikit-learn's embedded "
                                       "digits instead")
    return dataset if shape is None else adapted(dataset, shape)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes of data set `name`, in the order of their labels, where it has fixed ones."""
    return mnist.OFFICIAL[name].class_names if name in mnist.OFFICIAL else DIGITS


def _read(options: DataOptions, shape: Shape | None) -> Dataset:
    match options.dataset:
        case "digits":
            return digits.load(options)
        case "emnist":
            return emnist.load(options)
        case "cifar10" | "cifar100":
            return cifar.load(options)
        case "csv":
            return csv_tables.load(options, shape)
        case "arrays":
            return arrays.load(options, shape)
        case "folder":
            return folder.load(options, shape)
    return mnist.load(options)
