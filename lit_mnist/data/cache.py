"""Decoded pictures, in memory or, if they take too much of it, in a memory-mapped file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..environment import memory_bytes
from ..files import WriteError, write_json
from ..spec import Shape
from .dataset import cache_folder
from .idx import DataError

Pictures = Callable[[], Iterator[np.ndarray | DataError]]
_CHUNK = 2**24  # bytes hashed at a time


@dataclass(frozen=True)
class Decoded:
    """Pictures uint8 (n, H, W) or (n, H, W, 3), which files they are, and damaged files."""

    pictures: np.ndarray
    kept: list[int]
    damaged: list[str]


def decode_or_map(
    paths: Sequence[Path], shape: Shape, pictures: Pictures, fraction: float
) -> Decoded:
    """Return the `pictures` of the paths in memory, or mapped beyond `fraction` of the memory.

    A mapped file is kept in the cache folder with its SHA-256. Later runs on the same files (names,
    sizes, modification times) and shape reuse it; it is rebuilt if its SHA-256 differs.
    """
    whole = (len(paths), *shape[:2], *shape[2:][shape[2] == 1 :])
    if math.prod(whole) <= fraction * memory_bytes():
        return _filled(np.empty(whole, np.uint8), pictures)
    file = cache_folder() / "pictures" / f"{_key(paths, shape)}.npy"
    return _mapped(file) or _written(file, whole, pictures)


def _filled(array: np.ndarray, pictures: Pictures) -> Decoded:
    kept = []
    damaged = []
    for number, picture in enumerate(pictures()):
        if isinstance(picture, DataError):
            damaged.append(str(picture))
            continue
        array[len(kept)] = picture
        kept.append(number)
    return Decoded(array[: len(kept)], kept, damaged)


def _key(paths: Sequence[Path], shape: Shape) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for path in paths:
        status = path.stat()
        digest.update(
            f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(
                errors="surrogateescape"
            )
        )
    return digest.hexdigest()[:32]


def _written(file: Path, whole: tuple[int, ...], pictures: Pictures) -> Decoded:
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(beside, "w+", np.uint8, whole)
        decoded = _filled(array, pictures)
        array.flush()
        os.replace(beside, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise WriteError(
            f"{file}: cannot be written ({error.strerror or error}); it holds pictures that take "
            "more than data.memory_fraction of the memory"
        ) from error
    write_json(
        _record(file), {"sha256": _sha256(file), "kept": decoded.kept, "damaged": decoded.damaged}
    )
    return Decoded(np.load(file, "r")[: len(decoded.kept)], decoded.kept, decoded.damaged)


def _mapped(file: Path) -> Decoded | None:
    try:
        record = json.loads(_record(file).read_text())
        if record["sha256"] == _sha256(file):
            return Decoded(
                np.load(file, "r")[: len(record["kept"])], record["kept"], record["damaged"]
            )
    except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: made anew
        pass
    return None


def _record(file: Path) -> Path:
    return file.with_suffix(".json")


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
