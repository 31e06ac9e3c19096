"""Images named on a command line: ``test:19``, ``train:31727``, image files or folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import expand
from .adapt import Shape, adapt, adaptation
from .dataset import Dataset
from .datasets import load_dataset
from .idx import DataError
from .pictures import SUFFIXES, open_picture, picture, quiet

_ID = re.compile(r"(train|test):(\d+)\Z")
_MNIST = (28, 28, 1)
HANDWRITTEN = ("mnist", "emnist")  # one centred character a picture, as `read_digit` returns it


@dataclass(frozen=True)
class Images:
    """Pixels 0 to 255 as float32 (n, H, W) or (n, H, W, C), labels (-1: unknown), and names.

    `adapted` describes changes to the images; None if there were none.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    adapted: str | None = None

    def __len__(self) -> int:
        return len(self.names)


def read_images(
    names: Sequence[str],
    dataset: str = "mnist",
    root: str | Path | None = None,
    input_shape: Shape = _MNIST,
) -> Images:
    """Read images in order by id (``test:19`` of `dataset` under `root`), by file or by folder.

    A folder means all pictures in it. `image_file` reads files in the form of `dataset`, `adapt`
    resizes images of ids; `Images.adapted` describes the changes. Raises DataError naming the image
    and what is accepted.
    """
    if not names:
        raise DataError(
            "no image named; accepted: ids such as test:19 or train:31727, image files, or "
            "folders of them"
        )
    names = [file for name in names for file in expanded(name)]
    source = (
        load_dataset(dataset, root, shape=input_shape)
        if any(_ID.match(name) for name in names)
        else None
    )
    with quiet():
        read = [_read_one(name, source, input_shape, dataset) for name in names]
    return Images(
        np.stack([pixels for pixels, _ in read]).astype(np.float32),
        np.array([label for _, label in read], np.int64),
        tuple(names),
        _adapted(names, source, input_shape, dataset),
    )


def is_id(name: str) -> bool:
    """Return whether `name` is an image's id, such as ``test:19``."""
    return _ID.match(name) is not None


def is_flat_folder(place: str | Path) -> bool:
    """Return whether `place` is a folder of pictures without folders of classes."""
    folder = expand(place)
    return folder.is_dir() and not any(path.is_dir() for path in folder.iterdir())


def expanded(name: str) -> list[str]:
    """Return the pictures of a folder, else `name`.

    Raises DataError for a folder without pictures.
    """
    if not name:
        raise DataError(
            "image '' has no name; accepted: ids such as test:19, image files, or folders of them"
        )
    folder = expand(name)
    if _ID.match(name) or not folder.is_dir():
        return [name]
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(
            f"image {name!r}: a folder without pictures; accepted: files that end in "
            f"{', '.join(SUFFIXES)}"
        )
    return [str(path) for path in files]


def _adapted(
    names: Sequence[str], source: Dataset | None, shape: Shape, dataset: str
) -> str | None:
    parts = [adaptation(source.image_shape, shape)] if source is not None else []
    if not all(_ID.match(name) for name in names):
        parts.append(file_adaptation(shape, dataset))
    return "; ".join(filter(None, parts)) or None


def file_adaptation(shape: Shape, dataset: str) -> str:
    """Describe how image files are adapted to a network's input of `shape`."""
    if shape[2] != 1 or dataset == "folder":
        return f"image files resized to {shape[0]} x {shape[1]}"
    if dataset in HANDWRITTEN:
        resized = adaptation(_MNIST, shape)
        return "; ".join(
            filter(None, ["image files read as MNIST's: light on dark, centred", resized])
        )
    return f"image files laid light on dark into {shape[0]} x {shape[1]}, aspect kept"


def _read_one(
    name: str, source: Dataset | None, shape: Shape, dataset: str
) -> tuple[np.ndarray, int]:
    match = _ID.match(name)
    if match is None or source is None:
        return image_file(expand(name), shape, dataset), -1
    part = match[1]
    index = int(match[2])
    images, labels = (
        (source.train_images, source.train_labels)
        if part == "train"
        else (source.test_images, source.test_labels)
    )
    if index >= len(labels):
        raise DataError(
            f"image {name!r}: out of range; accepted for {source.name}: {part}:0 to "
            f"{part}:{len(labels) - 1}"
        )
    return adapt(images[index][None], shape)[0], int(labels[index])


def image_file(path: Path, shape: Shape = _MNIST, dataset: str = "mnist") -> np.ndarray:
    """Return an image file as pixels 0 to 255 in the form of `dataset`: (H, W), or (H, W, C).

    Colour pictures, and those for a ``folder``, are resized. For MNIST and its relatives the
    character is read and centred in 28 x 28 (`reader.read_digit`), then adapted to the network's
    size. For other grey data sets the picture is framed, light on dark. Raises DataError.
    """
    if shape[2] != 1 or dataset == "folder":
        return picture(path, shape)
    grey = np.asarray(open_picture(path, "L"), np.float64)
    if dataset not in HANDWRITTEN:
        return _framed(grey, shape)
    from .reader import read_digit  # imports scipy, which takes half a second

    try:
        digit = read_digit(grey).pixels
    except DataError as error:
        raise DataError(f"image {str(path)!r}: {error}") from None
    return in_shape(digit, shape)


def in_shape(digit: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a digit (28, 28) in a grey network's `shape`.

    MNIST's own shape keeps its fractions.
    """
    return digit if shape == _MNIST else adapt(np.rint(digit).astype(np.uint8)[None], shape)[0]


def _framed(grey: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a grey picture (H, W) centred in a black frame (rows, columns), light on dark.

    The aspect ratio is kept.
    """
    from PIL import Image

    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    light = 255 - grey if np.median(border) > 127 else grey
    scale = min(shape[0] / grey.shape[0], shape[1] / grey.shape[1])
    height, width = (max(1, round(scale * size)) for size in grey.shape)
    small = Image.fromarray(light.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    frame = np.zeros(shape[:2])
    top = (shape[0] - height) // 2
    left = (shape[1] - width) // 2
    frame[top : top + height, left : left + width] = np.asarray(small)
    return frame
