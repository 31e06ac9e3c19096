"""Named pictures, read one by one: an unreadable one does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .idx import DataError
from .images import HANDWRITTEN, expanded, file_adaptation, in_shape, is_id, read_images
from .pictures import open_picture, quiet
from .reader import Digit, read_digit, read_digits


@dataclass(frozen=True)
class Source:
    """The data set of a trained network, its `root`, and the network's input `shape`."""

    dataset: str
    root: str | Path | None
    shape: tuple[int, ...]

    @property
    def is_handwritten(self) -> bool:
        """Whether pictures are read as handwriting of MNIST's form."""
        return self.dataset in HANDWRITTEN and self.shape[2] == 1


@dataclass(frozen=True)
class Reading:
    """`pixels` in the network's shape, and `label` (-1: unknown).

    `digit` is how a handwritten one was read from the grey `picture` (H, W); both are None for
    others. `line` counts a page's lines from 0; `adapted` describes the change of size.
    """

    name: str
    pixels: np.ndarray
    label: int = -1
    picture: np.ndarray | None = None
    digit: Digit | None = None
    line: int = 0
    adapted: str | None = None


@dataclass(frozen=True)
class Unread:
    """A picture that could not be read, and the `reason`, which names it."""

    name: str
    reason: str


def read_each(
    names: Sequence[str], source: Source, many: bool = False
) -> list[list[Reading] | Unread]:
    """Return a reading of each name, in order; with `many`, one for each digit of a file.

    `names` are ids (``test:19``), files and folders. Raises DataError for `many` with a network
    that does not read handwriting.
    """
    if many and not source.is_handwritten:
        raise DataError(
            f"--many: finds digits, this network takes pictures of {source.dataset}, "
            f"{source.shape}; accepted: a network of grey handwritten ones "
            f"({', '.join(HANDWRITTEN)})"
        )
    with quiet():
        return [_read(file, source, many) for name in names for file in _files(name)]


def _files(name: str) -> list[str]:
    try:
        return expanded(name)
    except DataError:  # raised again, in its place, when the picture is opened
        return [name]


def _read(name: str, source: Source, many: bool) -> list[Reading] | Unread:
    try:
        if is_id(name) or not source.is_handwritten:
            return [_whole(expanded(name)[0], source)]
        picture = np.asarray(open_picture(Path(expanded(name)[0]), "L"), float)
        lines = read_digits(picture) if many else [[read_digit(picture)]]
    except DataError as error:
        return Unread(name, str(error) if name in str(error) else f"image {name!r}: {error}")
    how = file_adaptation(source.shape, source.dataset)
    return [
        Reading(name, in_shape(digit.pixels, source.shape), -1, picture, digit, number, how)
        for number, line in enumerate(lines)
        for digit in line
    ]


def _whole(name: str, source: Source) -> Reading:
    images = read_images([name], source.dataset, source.root, source.shape)
    pixels = images.pixels[0]
    known = source.is_handwritten and pixels.shape == (28, 28)
    return Reading(
        name,
        pixels,
        int(images.labels[0]),
        pixels if known else None,
        read_digit(pixels) if known else None,
        adapted=images.adapted,
    )
