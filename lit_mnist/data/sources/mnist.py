"""MNIST, Fashion-MNIST and KMNIST: four IDX files, in torchvision's layout or in the root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..dataset import DIGITS, Dataset, default_root
from ..download import DownloadError, fetch_gzipped
from ..idx import DataError, find_idx, read_images, read_labels
from ..options import DataOptions

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Official:
    """Where a data set's files are, on the web and under the root, and the MD5 of each ``.gz``."""

    folder: str
    mirrors: tuple[str, ...]
    md5: tuple[str, str, str, str]
    class_names: tuple[str, ...] = DIGITS
    sha256: tuple[str | None, ...] = (None,) * 4  # of the uncompressed files


OFFICIAL = {
    "mnist": Official(
        "MNIST",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion_mnist": Official(
        "FashionMNIST",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    "kmnist": Official(
        "KMNIST",
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
}


class MissingError(DataError):
    """Files that are missing and could not be downloaded."""


def load(options: DataOptions) -> Dataset:
    """Return the data set in its official order; download it if it is missing and that is allowed.

    Raises MissingError naming the folder, the reason and the ways out; DataError for a damaged
    file.
    """
    official = OFFICIAL[options.dataset]
    paths = idx_paths(options, official)
    train, test = (
        (
            read_images(paths[i], count, official.sha256[i]),
            read_labels(paths[i + 1], count, official.sha256[i + 1]).astype(np.int64),
        )
        for i, count in ((0, 60_000), (2, 10_000))
    )
    return Dataset(options.dataset, *train, *test, official.class_names)


def idx_paths(options: DataOptions, official: Official) -> list[Path]:
    """Return the four files of an official data set, downloading missing ones.

    Raises MissingError.
    """
    root = Path(options.root) if options.root else default_root()
    folder = root / official.folder / "raw"
    for place in (folder, root):
        paths = [find_idx(place / file) for file in FILES]
        if all(paths):
            return [path for path in paths if path]
    absent = [file for file in FILES if not find_idx(folder / file)]
    if not options.download:
        raise MissingError(_missing(options, folder, absent, "download is off"))
    _download(options, official, folder, absent)
    return [find_idx(folder / file) or folder / file for file in FILES]


def _download(options: DataOptions, official: Official, folder: Path, absent: list[str]) -> None:
    mirrors = (options.mirror,) if options.mirror else official.mirrors
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for file in absent:
            fetch_gzipped(file, mirrors, official.md5[FILES.index(file)], folder / file)
    except DownloadError as error:
        for path in created:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise MissingError(
            _missing(options, folder, absent, f"download failed: {error}")
        ) from error


def _missing(options: DataOptions, folder: Path, absent: list[str], reason: str) -> str:
    return (
        f"{options.dataset} not found: {folder} lacks {', '.join(absent)} ({reason}); ways out: "
        "another address (--data.mirror ADDRESS), the files by hand, plain or .gz, under these "
        f"names in {folder}, another folder (--data.root, $LIT_MNIST_DATA)"
        + ("" if options.fallback else ", or the embedded digits (--data.fallback digits)")
    )
