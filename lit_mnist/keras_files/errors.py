"""The error of this package, and the context that adds the file's name to its message."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError
from ..spec import SpecError


class KerasFileError(UserError):
    """A Keras file that cannot be read or written: damaged, hostile, or with unsupported layers."""


# What h5py, zipfile and json raise on damaged bytes, beyond the checks that come first
_DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Add the file's name to every error inside; damage becomes a KerasFileError."""
    if not path.is_file():
        from .content import what_it_is  # which needs this module

        what = "a folder" if path.is_dir() else "no such file"
        raise KerasFileError(
            f"{path}: {what_it_is(path) or f'{what}; accepted: a Keras file (.h5, .hdf5, .keras)'}"
        )
    try:
        yield
    except (KerasFileError, SpecError) as error:
        raise KerasFileError(f"{path}: {error}") from error
    except _DAMAGE as error:
        reason = next(
            (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        kind = type(error).__name__
        raise KerasFileError(
            f"{path}: damaged, or not a Keras file ({kind}: {reason[:160]})"
        ) from error
