"""IDX files (LeCun's format for MNIST), read with every header field and the length checked."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np

from ..errors import UserError

IMAGES, LABELS = 2051, 2049  # the magic numbers


class DataError(UserError):
    """A data set, or an image, that is missing or not what it should be."""


def read_images(path: Path, count: int, sha256: str | None = None) -> np.ndarray:
    """Return uint8 images (count, 28, 28); raise DataError, naming the file, where anything differs."""
    return _read(path, IMAGES, (count, 28, 28), sha256)


def read_labels(path: Path, count: int, sha256: str | None = None) -> np.ndarray:
    """Return uint8 labels (count,); raise DataError, naming the file, where anything differs."""
    labels = _read(path, LABELS, (count,), sha256)
    if labels.max() > 9:
        raise DataError(f"{path}: label {labels.max()} found; accepted: 0 to 9")
    return labels


def _read(path: Path, magic: int, shape: tuple[int, ...], sha256: str | None) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    header = 4 * (1 + len(shape))
    if len(content) < header:
        raise DataError(f"{path}: {len(content)} bytes, too short for an IDX header of {header}")
    found = struct.unpack(f">{1 + len(shape)}i", content[:header])
    if found[0] != magic:
        raise DataError(f"{path}: magic number {found[0]}; accepted: {magic}")
    if found[1:] != shape:
        raise DataError(f"{path}: header says {found[1:]}; accepted: {shape}")
    wanted = header + int(np.prod(shape))
    if len(content) != wanted:
        raise DataError(f"{path}: {len(content)} bytes; accepted: {wanted} (truncated or altered file)")
    if sha256 and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(f"{path}: SHA-256 is {digest}; accepted: {sha256} (altered file)")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
