"""IDX files (LeCun's format for MNIST), plain or gzipped, with every header field checked."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import UserError

# the magic numbers
IMAGES = 2051
LABELS = 2049


class DataError(UserError):
    """A data set or image that is missing or invalid."""


def find_idx(path: Path) -> Path | None:
    """Return `path` or ``path.gz``, whichever exists, or None."""
    return next(
        (file for file in (path, path.with_name(f"{path.name}.gz")) if file.is_file()), None
    )


def read_images(path: Path, count: int | None, sha256: str | None = None) -> np.ndarray:
    """Return uint8 images (count, 28, 28); any count if None.

    Raises DataError naming the file if it differs.
    """
    return _read(path, IMAGES, (count, 28, 28), sha256)


def read_labels(
    path: Path, count: int | None, sha256: str | None = None, classes: int = 10
) -> np.ndarray:
    """Return uint8 labels (count,) below `classes`; as `read_images`."""
    labels = _read(path, LABELS, (count,), sha256)
    if labels.size and labels.max() >= classes:
        raise DataError(f"{path}: label {labels.max()} found; accepted: 0 to {classes - 1}")
    return labels


def _read(
    path: Path, magic: int, expected: tuple[int | None, ...], sha256: str | None
) -> np.ndarray:
    content = _content(path)
    header = 4 * (1 + len(expected))
    if len(content) < header:
        raise DataError(f"{path}: {len(content)} bytes, too short for an IDX header of {header}")
    stored_magic, *shape = struct.unpack(f">{1 + len(expected)}i", content[:header])
    if stored_magic != magic:
        raise DataError(f"{path}: magic number {stored_magic}; accepted: {magic}")
    if (
        any(size not in (None, actual) for size, actual in zip(expected, shape, strict=True))
        or min(shape) < 1
    ):
        accepted = tuple("any" if size is None else size for size in expected)
        raise DataError(f"{path}: header says {tuple(shape)}; accepted: {accepted}")
    length = header + int(np.prod(shape))
    if len(content) != length:
        raise DataError(
            f"{path}: {len(content)} bytes; accepted: {length} (truncated or altered file)"
        )
    if sha256 and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(f"{path}: SHA-256 is {digest}; accepted: {sha256} (altered file)")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
