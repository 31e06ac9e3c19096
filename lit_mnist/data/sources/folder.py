"""A folder of pictures: CLASS/*.jpg, optionally under train, validation and test."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import listed
from ..cache import Decoded, decode_or_map
from ..dataset import Dataset
from ..idx import DataError
from ..options import DataOptions
from ..pictures import SUFFIXES, picture, quiet
from .csv_tables import own_root
from .tables import Shape, draw_test

_PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
_ORDER = 0  # seed of the training files' order, which ids such as train:17 count through
_NAMED = 5  # damaged files that a message lists


@dataclass(frozen=True)
class Files:
    """Picture files and their classes, sorted by class, then by name."""

    paths: list[Path]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def at(self, positions: np.ndarray) -> Files:
        """Return the files at `positions`."""
        return Files([self.paths[i] for i in positions], self.labels[positions])

    def __add__(self, other: Files) -> Files:
        return Files(self.paths + other.paths, np.concatenate([self.labels, other.labels]))


def load(options: DataOptions, shape: Shape | None) -> Dataset:
    """Return the pictures under `options.root`, resized (not cropped) to `shape` with antialiasing.

    Classes are the sorted folders, as in Keras and torchvision. Without a test folder,
    `test_fraction` of each class is drawn by `split_seed`. Training files are always shuffled in
    the same way, so that the last ones can be set aside for validation. `Dataset.note` names files
    that cannot be read; with ``on_damaged="error"`` they are an error. Raises DataError naming
    folder and reason.
    """
    root = own_root(options)
    if shape is None or shape[2] not in (1, 3):
        raise DataError(
            f"{root}: the pictures of a folder take the size of a network's input, {shape}; "
            "accepted: height, width and 1 channel (grey) or 3 (colour)"
        )
    names, parts = _files_by_part(root)
    train = parts["train"]
    validation = parts.get("validation")
    test = parts.get("test")
    notes = []
    if test is None:
        kept, drawn = draw_test(train.labels, options)
        train, test = train.at(kept), train.at(drawn)
        notes.append(
            f"{root} has no test folder: {len(test)} pictures, drawn from each class, are its "
            "test images"
        )
    train = train.at(
        np.random.default_rng(_ORDER).permutation(len(train))
    )  # else the last ones are all of one class
    trained = train if validation is None else train + validation
    arrays = [_decoded(files, shape, options) for files in (trained, test)]
    read = [np.array(decoded.kept, np.int64) for decoded in arrays]
    if len(np.unique(trained.labels[read[0]])) < len(names):
        raise DataError(f"{root}: a class has no picture that can be read: {arrays[0].damaged[0]}")
    notes += _damaged([*arrays[0].damaged, *arrays[1].damaged], root)
    own = int((read[0] >= len(train)).sum())
    return Dataset(
        "folder",
        arrays[0].pictures,
        trained.labels[read[0]],
        arrays[1].pictures,
        test.labels[read[1]],
        names,
        "; ".join(notes) or None,
        own,
    )


def _files_by_part(root: Path) -> tuple[tuple[str, ...], dict[str, Files]]:
    folders = {
        part: next((root / name for name in names if (root / name).is_dir()), None)
        for part, names in _PARTS.items()
    }
    if folders["train"] is None:
        folders = {"train": root}
    present = {part: folder for part, folder in folders.items() if folder is not None}
    names = _classes(present["train"])
    for folder in present.values():
        if _classes(folder) != names:
            raise DataError(
                f"{folder}: holds the classes {listed(_classes(folder))}; accepted: those of "
                f"{present['train']}: {listed(names)}"
            )
    return names, {part: _files(folder, names) for part, folder in present.items()}


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(
        sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )
    )
    if len(names) < 2:
        raise DataError(
            f"{folder}: holds {len(names)} folders; accepted: one folder of pictures a class, at "
            "least two (or folders train and test that hold them)"
        )
    return names


def _files(folder: Path, names: tuple[str, ...]) -> Files:
    paths = []
    labels = []
    for label, name in enumerate(names):
        pictures = sorted(
            path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES
        )
        if not pictures:
            raise DataError(
                f"{folder / name}: holds no pictures; accepted: files that end in "
                f"{', '.join(SUFFIXES)}"
            )
        paths += pictures
        labels += [label] * len(pictures)
    return Files(paths, np.array(labels, np.int64))


def _decoded(files: Files, shape: Shape, options: DataOptions) -> Decoded:
    def decode(path: Path) -> np.ndarray | DataError:
        try:
            return picture(path, shape)
        except DataError as error:
            return error

    def decode_all() -> Iterator[np.ndarray | DataError]:
        with quiet(), ThreadPoolExecutor() as pool:
            yield from pool.map(decode, files.paths)

    decoded = decode_or_map(files.paths, shape, decode_all, options.memory_fraction)
    if decoded.damaged and options.on_damaged == "error":
        raise DataError(
            f"{decoded.damaged[0]} (data.on_damaged = 'error'; 'skip' leaves such files out)"
        )
    return decoded


def _damaged(messages: list[str], root: Path) -> list[str]:
    if not messages:
        return []
    count = "1 damaged file is" if len(messages) == 1 else f"{len(messages)} damaged files are"
    more = f" and {len(messages) - _NAMED} more" if len(messages) > _NAMED else ""
    return [f"{root}: {count} left out: {'; '.join(messages[:_NAMED])}{more}"]
