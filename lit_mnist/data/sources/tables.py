"""What CSV tables and arrays share: pixels, labels, and a test part if none is given."""

from __future__ import annotations

import math

import numpy as np

from ...spec import Shape
from ..dataset import Dataset
from ..idx import DataError
from ..options import DataOptions

Table = tuple[np.ndarray, np.ndarray]  # images uint8, labels as they were written


def as_pictures(values: np.ndarray, shape: Shape | None, name: str) -> np.ndarray:
    """Return uint8 pictures (n, H, W) or (n, H, W, 3) from numbers.

    The numbers are (n, pixels), (n, H, W), (n, H, W, C) or (n, C, H, W) with one channel or three,
    from 0 to 255 or fractions 0 to 1. Rows of pixels take the network's `shape` if it fits, else
    they are square. Raises DataError naming `name` and what is accepted.
    """
    pictures = _as_bytes(values, name)
    if pictures.ndim == 2:
        pictures = pictures.reshape(len(pictures), *_shape_of_row(pictures.shape[1], shape, name))
    if pictures.ndim == 4 and pictures.shape[1] in (1, 3) and pictures.shape[3] not in (1, 3):
        pictures = np.moveaxis(pictures, 1, 3)
    if pictures.ndim == 4 and pictures.shape[3] == 1:
        pictures = pictures[..., 0]
    if pictures.ndim not in (3, 4) or (pictures.ndim == 4 and pictures.shape[3] != 3):
        raise DataError(
            f"{name}: images of shape {values.shape}; accepted: (n, pixels), (n, height, width), "
            "(n, height, width, 1 or 3), (n, 1 or 3, height, width)"
        )
    return np.ascontiguousarray(pictures)


def _as_bytes(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "fiub":
        raise DataError(
            f"{name}: images of type {values.dtype}; accepted: numbers 0 to 255, or 0 to 1"
        )
    low = float(values.min())
    high = float(values.max())
    if not (low >= 0 and high <= 255):  # NaN is neither
        raise DataError(
            f"{name}: pixels from {low:g} to {high:g}; accepted: 0 to 255, or fractions 0 to 1"
        )
    factor = 255 if values.dtype.kind in "fb" and high <= 1 else 1
    return np.rint(values.astype(np.float32) * factor).astype(np.uint8)


def _shape_of_row(pixels: int, shape: Shape | None, name: str) -> tuple[int, ...]:
    if shape is not None and math.prod(shape) == pixels:
        return shape
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if side * side * channels == pixels:
            return side, side, channels
    raise DataError(
        f"{name}: {pixels} pixels a row are no square picture, grey or of three colours"
        + (f", nor the network's {' x '.join(map(str, shape))}" if shape else "")
    )


def as_labels(values: np.ndarray, name: str) -> np.ndarray:
    """Return labels (n,), whole numbers or words, from (n,), (n, 1) or one-hot (n, classes)."""
    labels = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all():
        labels = labels.argmax(1)
    if labels.ndim != 1:
        raise DataError(
            f"{name}: labels of shape {values.shape}; accepted: (n,), (n, 1), or one-hot (n, "
            "classes)"
        )
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubUS":
        raise DataError(
            f"{name}: labels of type {values.dtype} such as {labels[0]!r}; "
            "accepted: whole numbers or words"
        )
    return labels.astype(str) if labels.dtype.kind == "S" else labels


def dataset_of(
    options: DataOptions, train: Table, test: Table | None, validation: Table | None = None
) -> Dataset:
    """Return the parts as a Dataset.

    Without `test`, `test_fraction` of each class is drawn by `split_seed`. Whole numbers from 0 are
    classes; other labels become classes in their sorted order.
    """
    parts = [part for part in (train, validation, test) if part is not None]
    for images, labels in parts:
        if len(images) != len(labels) or not len(labels):
            raise DataError(
                f"{options.root}: {len(images)} images and {len(labels)} labels; accepted: as "
                "many labels as images, at least one"
            )
    names, numbers = _classes([labels for _, labels in parts])
    images = [part[0] for part in parts]
    note = None
    if test is None:
        kept, drawn = draw_test(numbers[0], options)
        images = [images[0][kept], *images[1:], images[0][drawn]]
        numbers = [numbers[0][kept], *numbers[1:], numbers[0][drawn]]
        note = (
            f"{options.root} has no test part: {len(drawn)} images, drawn from each class, are "
            "its test images"
        )
    own = len(numbers[1]) if validation is not None else 0
    if own:
        images[:2], numbers[:2] = [np.concatenate(images[:2])], [np.concatenate(numbers[:2])]
    return Dataset(options.dataset, images[0], numbers[0], images[1], numbers[1], names, note, own)


def draw_test(labels: np.ndarray, options: DataOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted positions for training and for the test, stratified by class."""
    generator = np.random.default_rng(np.random.SeedSequence([options.split_seed, 2]))
    drawn = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        drawn.append(members[: max(1, round(len(members) * options.test_fraction))])
        if len(drawn[-1]) == len(members):
            raise DataError(
                f"{options.root}: one image of class {label}; accepted: at least two, one for the "
                "test"
            )
    chosen = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def _classes(parts: list[np.ndarray]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    values = np.unique(np.concatenate(parts))
    if values.dtype.kind in "iub" and values[0] >= 0 and values[-1] < 2 * len(values) + 8:
        return tuple(map(str, range(int(values[-1]) + 1))), [
            labels.astype(np.int64) for labels in parts
        ]
    return tuple(map(str, values)), [
        np.searchsorted(values, labels).astype(np.int64) for labels in parts
    ]
