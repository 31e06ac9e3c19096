"""EMNIST, letters and digits of many writers: IDX files in torchvision's layout, turned upright."""

from __future__ import annotations

import io
import string
import zipfile
from pathlib import Path

import numpy as np

from ...files import write_bytes
from ..dataset import DIGITS, Dataset, default_root
from ..download import DownloadError, fetch
from ..idx import find_idx, read_images, read_labels
from ..options import DataOptions
from .mnist import MissingError

_ADDRESS = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
_MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
_MERGED = (
    *DIGITS,
    *string.ascii_uppercase,
    *"abdefghnqrt",
)  # letters whose cases look alike are one class
CLASS_NAMES = {
    "byclass": (*DIGITS, *string.ascii_uppercase, *string.ascii_lowercase),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": tuple(string.ascii_lowercase),
    "digits": DIGITS,
    "mnist": DIGITS,
}


def load(options: DataOptions) -> Dataset:
    """Return the split `options.emnist_split`.

    The files hold transposed pictures, and letters from 1. Raises MissingError if the files are
    neither there nor downloadable, DataError for a damaged file.
    """
    names = CLASS_NAMES[options.emnist_split]
    first = 1 if options.emnist_split == "letters" else 0
    images = []
    labels = []
    for image_file, label_file in _paths(options):
        images.append(np.ascontiguousarray(read_images(image_file, None).transpose(0, 2, 1)))
        numbers = read_labels(label_file, len(images[-1]), classes=len(names) + first)
        labels.append(numbers.astype(np.int64) - first)
    return Dataset("emnist", images[0], labels[0], images[1], labels[1], names)


def _paths(options: DataOptions) -> list[tuple[Path, Path]]:
    folder = (Path(options.root) if options.root else default_root()) / "EMNIST" / "raw"
    stems = [
        f"emnist-{options.emnist_split}-{part}-{content}-ubyte"
        for part in ("train", "test")
        for content in ("images-idx3", "labels-idx1")
    ]
    absent = [stem for stem in stems if not find_idx(folder / stem)]
    if absent:
        _fetch(options, folder, absent)
    files = [find_idx(folder / stem) or folder / stem for stem in stems]
    return [(files[0], files[1]), (files[2], files[3])]


def _fetch(options: DataOptions, folder: Path, absent: list[str]) -> None:
    address = options.mirror or _ADDRESS
    ways = (
        "ways out: another address (--data.mirror ADDRESS of gzip.zip), or the files by hand, "
        f"plain or .gz, under these names in {folder}"
    )
    lacking = f"emnist not found: {folder} lacks {', '.join(absent)}"
    if not options.download:
        raise MissingError(f"{lacking} (download is off); {ways}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(fetch(address, _MD5)))
    except (DownloadError, zipfile.BadZipFile) as error:
        raise MissingError(f"{lacking} (download failed: {error}); {ways}") from error
    for stem in absent:
        write_bytes(folder / f"{stem}.gz", archive.read(f"gzip/{stem}.gz"))
