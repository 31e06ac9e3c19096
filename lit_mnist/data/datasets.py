"""The data sets by name: one function from options to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..spec import NetworkSpec
from .adapt import Shape, adapted, check_classes
from .dataset import Dataset
from .options import DataOptions
from .sources import arrays, cifar, csv_tables, digits, emnist, folder, mnist


def load_dataset(
    name: str = "mnist",
    root: str | Path | None = None,
    fallback: str | None = None,
    download: bool = True,
    *,
    shape: Shape | None = None,
    network: NetworkSpec | None = None,
    **more: Any,
) -> Dataset:
    """Return data set `name` from `root`, with the other fields of DataOptions in `more`.

    Calls `load_for` if `network` is given, else `load`.
    """
    options = DataOptions(name, root, fallback, download, **more)
    return load(options, shape) if network is None else load_for(options, network)


def load_for(options: DataOptions, network: NetworkSpec) -> Dataset:
    """Return the data set for a network: classes are compared, images adapted to its size."""
    dataset = load(options, network.input_shape)
    check_classes(dataset, network)
    return adapted(dataset, network.input_shape)


def load(options: DataOptions, shape: Shape | None = None) -> Dataset:
    """Return the data set of `options`, downloading it where it is missing.

    A folder's pictures are resized to `shape`, a network's input. With ``fallback="digits"``,
    scikit-learn's embedded digits replace a data set that cannot be downloaded, and `Dataset.note`
    says so. A damaged file is always an error. Raises DataError naming the place, the reason and
    the ways out.
    """
    try:
        return _read(options, shape)
    except mnist.MissingError as error:
        if options.fallback is None:
            raise
        return digits.load(
            options,
            f"{options.dataset} is NOT used: {error}; this run uses scikit-learn's embedded "
            "digits instead",
        )


def class_names(name: str, classes: int, stored: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the class names: those `stored` with a network, the data set's, or numbers."""
    known = [tuple(stored)] + ([mnist.OFFICIAL[name].class_names] if name in mnist.OFFICIAL else [])
    return next(
        (names for names in known if len(names) == classes), tuple(map(str, range(classes)))
    )


def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes, in the order of the networks' outputs."""

    from torchvision.models import SqueezeNet1_1_Weights  # two seconds of imports

    return tuple(SqueezeNet1_1_Weights.DEFAULT.meta["categories"])


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
