"""CIFAR-10 and CIFAR-100, colour pictures of 32 x 32, read by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_bytes
from ..dataset import Dataset, default_root
from ..download import DownloadError, fetch
from ..options import DataOptions
from .mnist import MissingError


def load(options: DataOptions) -> Dataset:
    """Return the data set in torchvision's layout under the root.

    Raises MissingError naming the ways out.
    """
    from torchvision import datasets  # a second's import

    cls = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[options.dataset]
    root = Path(options.root) if options.root else default_root()
    train, test = _opened(cls, root, options)
    return Dataset(
        options.dataset,
        np.asarray(train.data),
        np.asarray(train.targets, np.int64),
        np.asarray(test.data),
        np.asarray(test.targets, np.int64),
        tuple(train.classes),
    )


def _opened(cls: Any, root: Path, options: DataOptions) -> tuple[Any, Any]:
    archive = root / cls.filename
    ways = (
        f"ways out: another address (--data.mirror ADDRESS of {cls.filename}), or {cls.filename} "
        f"by hand in {root}"
    )
    try:
        return cls(root, train=True), cls(root, train=False)
    except RuntimeError:  # not there, or files with another MD5
        if not options.download and not archive.is_file():
            raise MissingError(
                f"{options.dataset} not found: {root / cls.base_folder} lacks its files or they "
                f"are damaged (download is off); {ways}"
            ) from None
    try:
        if not archive.is_file():
            write_bytes(archive, fetch(options.mirror or cls.url, cls.tgz_md5))
        return cls(root, train=True, download=True), cls(root, train=False)
    except (DownloadError, RuntimeError, OSError) as error:
        raise MissingError(
            f"{options.dataset} not found: {root / cls.base_folder} lacks its files "
            f"({error}); {ways}"
        ) from error
