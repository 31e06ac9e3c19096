"""CSV tables of pixels: Kaggle's digits, MNIST as CSV, and others (a label, a column a pixel)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from ..dataset import Dataset
from ..idx import DataError
from ..options import DataOptions
from .tables import Shape, Table, as_labels, as_pictures, dataset_of


def load(options: DataOptions, shape: Shape | None) -> Dataset:
    """Return the tables of `options.root`, which is a file or a folder.

    A folder holds one ``*train*.csv`` and optionally one ``*test*.csv``. A first line of names is
    recognised; the label is the column called ``label``, else the first. A test table without
    labels (Kaggle's) is left out. Raises DataError naming file, line and what is accepted.
    """
    root = own_root(options)
    if root.is_file():
        return dataset_of(options, _read(root, shape), None)
    train, validation, test = (_table(root, words) for words in (("train",), ("val",), ("test",)))
    if train is None:
        raise DataError(
            f"{root}: holds no *train*.csv; accepted: a CSV file, or a folder with one, such as "
            "train.csv or mnist_train.csv, and maybe a *test*.csv"
        )
    parts = [
        None if path is None or not _has_labels(path, train) else _read(path, shape)
        for path in (validation, test)
    ]
    return dataset_of(options, _read(train, shape), parts[1], parts[0])


def own_root(options: DataOptions) -> Path:
    """Return the path of a user's data set.

    Raises DataError if it is not given or does not exist.
    """
    if not options.root:
        raise DataError(f"data.dataset = {options.dataset!r} needs --data.root, its folder or file")
    root = Path(options.root)
    if not root.exists():
        raise DataError(
            f"data.root = {str(root)!r}: no such file or folder; accepted: where the "
            f"{options.dataset} data set lies"
        )
    return root


def _table(folder: Path, words: tuple[str, ...]) -> Path | None:
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == ".csv" and any(word in path.stem.lower() for word in words)
    ]
    if len(files) > 1:
        raise DataError(
            f"{folder}: {', '.join(path.name for path in files)} may all be the {words[0]} table; "
            "accepted: one of them"
        )
    return files[0] if files else None


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [cell.strip().strip('"') for cell in file.readline().rstrip("\r\n").split(",")]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from error


def _has_labels(path: Path, train: Path) -> bool:
    return len(_header(path)) == len(_header(train))


def _read(path: Path, shape: Shape | None) -> Table:
    first = _header(path)
    named = not all(_is_number(cell) for cell in first)
    column = (
        next((i for i, name in enumerate(first) if name.lower() in ("label", "class")), 0)
        if named
        else 0
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a table without lines: an error below
            values = np.loadtxt(
                path, np.float32, delimiter=",", skiprows=int(named), ndmin=2, encoding="utf-8-sig"
            )
    except ValueError as error:
        raise DataError(
            f"{path}: {' '.join(str(error).split())[:200]}; accepted: a label and one number a "
            "pixel in every line"
        ) from error
    if values.size == 0 or values.shape[1] < 2:
        raise DataError(
            f"{path}: {len(values)} lines of numbers; accepted: a label and one number a pixel in "
            "each"
        )
    labels = as_labels(
        values[:, column], f"{path}, column {first[column] if named else column + 1}"
    )
    return as_pictures(np.delete(values, column, axis=1), shape, str(path)), labels


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
