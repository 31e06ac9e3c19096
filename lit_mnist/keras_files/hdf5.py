"""HDF5 read safely: hard links and plain numbers only, sizes checked before reading.

An HDF5 file can point to other files (external links, external and virtual datasets), contain
cycles, declare arrays far larger than itself, or hold Python objects. All of these are refused.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import h5py
import numpy as np

from .errors import KerasFileError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_ARRAY = 2**29  # bytes; ImageNet networks of Keras' own zoo stay below
# declared over stored bytes; trained weights hardly compress, Keras writes them uncompressed
LARGEST_RATIO = 20
_LARGEST_ATTRIBUTE = 2**24  # bytes; a configuration has some 20,000
_MOST_NAMES = 100_000
_BACKSLASH = "\\"
_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)


def open_hdf5(source: Path | bytes) -> h5py.File:
    """Open a file, or a file's bytes, for reading. Raises KerasFileError if it is not HDF5.

    tf.keras 2.13 to 2.15 on Windows joins names with a backslash (one group called
    ``layers\\dense``): such files are read from a copy in memory whose groups have slashes.
    """
    start = source[: len(SIGNATURE)] if isinstance(source, bytes) else _first_bytes(source)
    if start != SIGNATURE:
        raise KerasFileError(f"not an HDF5 file (it starts with {start!r})")
    file = h5py.File(BytesIO(source) if isinstance(source, bytes) else source, "r")
    joined = [name for name in file.keys() if _BACKSLASH in name]  # noqa: SIM118
    if (
        not joined or "layer_names" in file.attrs or "model_weights" in file
    ):  # the old layout: a layer's own name
        return file
    file.close()
    file = h5py.File(BytesIO(source if isinstance(source, bytes) else source.read_bytes()), "r+")
    for name in sorted(joined):  # a parent before its children
        file.move(name, name.replace(_BACKSLASH, "/"))
    return file


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(SIGNATURE))


def find(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """Return the object at `path` below `group`, along hard links only; None if there is none."""
    item: h5py.Group | h5py.Dataset | h5py.Datatype = group
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise KerasFileError(
                f"refused the path {path!r} inside the file; accepted: names below their group"
            )
        if not isinstance(item, h5py.Group) or (link := item.get(part, getlink=True)) is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise KerasFileError(
                f"refused {path!r}: it is a {_kind(link)}, which may lead outside the file; "
                "accepted: data stored in the file itself"
            )
        item = item[part]
    return None if isinstance(item, h5py.Datatype) else item


def _kind(link: object) -> str:
    kinds = {"SoftLink": "soft link", "ExternalLink": "link to another file"}
    return kinds.get(type(link).__name__, "user-defined link")


def group_at(group: h5py.Group, path: str) -> h5py.Group:
    """Return the group at `path`. Raises KerasFileError if there is none."""
    item = find(group, path)
    if not isinstance(item, h5py.Group):
        raise KerasFileError(f"group {path!r} is {'missing' if item is None else 'not a group'}")
    return item


def array_at(group: h5py.Group, path: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the finite numbers at `path` in native byte order. Their `shape` is checked first."""
    data = find(group, path)
    if not isinstance(data, h5py.Dataset):
        raise KerasFileError(f"weight {path!r} is {'missing' if data is None else 'not an array'}")
    check_stored(data, path)
    if shape is not None and data.shape != shape:
        raise KerasFileError(
            f"weight {path!r} has shape {data.shape}; accepted, by the configuration: {shape}"
        )
    values = np.asarray(data[()]).astype(data.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(values).all():
        raise KerasFileError(f"weight {path!r} holds NaN or infinite values")
    return values


def check_stored(data: h5py.Dataset, path: str) -> None:
    """Raise KerasFileError unless a dataset holds plain numbers of sane size in this very file."""
    if data.is_virtual or data.external:
        kind = "a virtual" if data.is_virtual else "an external"
        raise KerasFileError(
            f"refused {path!r}: its numbers lie in another file ({kind} dataset); "
            "accepted: stored in the file itself"
        )
    if (
        data.dtype.kind not in "fiu"
        or data.dtype.itemsize not in (1, 2, 4, 8)
        or data.shape is None
    ):
        raise KerasFileError(
            f"refused {path!r}: its values are of type {data.dtype}; accepted: plain numbers"
        )
    settings = data.id.get_create_plist()
    unknown = [
        code
        for i in range(settings.get_nfilters())
        if (code := settings.get_filter(i)[0]) not in _FILTERS
    ]
    if unknown:
        raise KerasFileError(
            f"refused {path!r}: packed with HDF5 filter {unknown[0]}; accepted: unpacked, or gzip"
        )
    stored = data.id.get_storage_size()
    if data.nbytes > LARGEST_ARRAY or data.nbytes > (LARGEST_RATIO if data.chunks else 1) * stored:
        raise KerasFileError(
            f"refused {path!r}: it declares {data.nbytes:,} bytes (shape {data.shape}) where the "
            f"file stores {stored:,}; accepted: up to {LARGEST_ARRAY:,}, all of them stored"
        )


def text(group: h5py.Group, name: str) -> str | None:
    """Return a text attribute, stored as text or as bytes; None if there is none."""
    if name not in group.attrs:
        return None
    values = _strings(group, name)
    if len(values) != 1:
        raise KerasFileError(f"attribute {name!r} holds {len(values)} values; accepted: one text")
    return values[0]


def names(group: h5py.Group, name: str) -> list[str]:
    """Return a list of names, complete or in the numbered parts of long ones (``name0``, ...)."""
    if name in group.attrs:
        return _strings(group, name)
    pieces: list[str] = []
    for number in range(_MOST_NAMES):
        if f"{name}{number}" not in group.attrs:
            break
        pieces += _strings(group, f"{name}{number}")
    return pieces


def _strings(group: h5py.Group, name: str) -> list[str]:
    attribute = h5py.h5a.open(group.id, name.encode())
    count = attribute.get_space().get_simple_extent_npoints()
    if count == 0:
        return []  # written as an empty array of numbers
    kind = h5py.check_string_dtype(attribute.dtype)
    if kind is None:
        raise KerasFileError(f"attribute {name!r} is of type {attribute.dtype}; accepted: text")
    if attribute.get_storage_size() > _LARGEST_ATTRIBUTE or count > _MOST_NAMES:
        raise KerasFileError(
            f"attribute {name!r} declares {count:,} values, {attribute.get_storage_size():,} "
            f"bytes; accepted: up to {_MOST_NAMES:,} and {_LARGEST_ATTRIBUTE:,}"
        )
    values = np.atleast_1d(np.asarray(group.attrs[name], dtype=object)).ravel()
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]
