"""The two containers, told apart by content: zip with JSON and HDF5 (.keras), or HDF5."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from .content import is_keras, what_it_is
from .errors import KerasFileError
from .hdf5 import LARGEST_RATIO, SIGNATURE, open_hdf5, text

OWN = "lit_mnist"  # key of our own metadata: how images were scaled; Keras ignores it
CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
LARGEST_FILE = 2**31  # bytes
_LARGEST_TEXT = 2**24
_SMALL = 2**20  # a megabyte of zeros packs well and is harmless


@dataclass(frozen=True)
class Container:
    """An open file: its weights, its configuration (None: weights only), and its Keras release.

    `metadata` is what `write_keras` stored for this program.
    """

    weights: h5py.File
    config: dict[str, Any] | None
    training: dict[str, Any] | None
    keras_version: str | None
    zipped: bool
    metadata: dict[str, Any] | None = None


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a Keras file of any kind. Raises KerasFileError if it is none, or too large."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise KerasFileError(f"{size:,} bytes; accepted: up to {LARGEST_FILE:,}")
    with open(path, "rb") as file:
        start = file.read(4)
    if (what := what_it_is(path)) is not None and not is_keras(path):
        raise KerasFileError(what)
    if start == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive, open_hdf5(_members(archive)) as weights:
            yield _zipped(archive, weights)
        return
    if not start:
        raise KerasFileError("empty; accepted: a .keras archive, or an HDF5 file")
    if start != SIGNATURE[:4]:
        raise KerasFileError(
            f"neither a .keras archive (a zip file) nor an HDF5 file: it starts with {start!r}"
        )
    with open_hdf5(path) as weights:
        yield _legacy(weights)


def _members(archive: zipfile.ZipFile) -> bytes:
    names = archive.namelist()
    for name in names:
        if (
            name.startswith("/")
            or "\\" in name
            or ".." in name.split("/")
            or ":" in name
            or names.count(name) > 1
        ):
            raise KerasFileError(
                f"refused the archive member {name!r}: it leads outside, or is there twice; "
                f"accepted: {METADATA}, {CONFIG}, {WEIGHTS}"
            )
    return _read(archive, WEIGHTS, LARGEST_FILE)


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    if name not in archive.namelist():
        raise KerasFileError(
            f"no {name!r} in the archive; it holds: {', '.join(archive.namelist()[:10])}"
        )
    member = archive.getinfo(name)
    if member.flag_bits & 1 or member.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        raise KerasFileError(
            f"refused the archive member {name!r}: encrypted, or packed otherwise than plain zip"
        )
    if member.file_size > min(largest, max(_SMALL, LARGEST_RATIO * member.compress_size)):
        raise KerasFileError(
            f"refused the archive member {name!r}: {member.compress_size:,} bytes would become "
            f"{member.file_size:,}; accepted: {LARGEST_RATIO} times as many, at most {largest:,}"
        )
    with archive.open(name) as file:
        return file.read(member.file_size + 1)


def _zipped(archive: zipfile.ZipFile, weights: h5py.File) -> Container:
    config = parse(_read(archive, CONFIG, _LARGEST_TEXT), CONFIG)
    metadata = (
        parse(_read(archive, METADATA, _LARGEST_TEXT), METADATA)
        if METADATA in archive.namelist()
        else {}
    )
    own = metadata.get(OWN)
    return Container(
        weights,
        config,
        config.get("compile_config"),
        _version(metadata.get("keras_version")),
        True,
        own if isinstance(own, dict) else None,
    )


def _legacy(weights: h5py.File) -> Container:
    config, training, own = (
        None if (content := text(weights, name)) is None else parse(content, name)
        for name in ("model_config", "training_config", OWN)
    )
    version = _version(text(weights, "keras_version"))
    return Container(weights, config, training, version, False, own)


def _version(value: object) -> str | None:
    return value[:40] if isinstance(value, str) else None


def parse(content: str | bytes, what: str) -> dict[str, Any]:
    """Return a JSON object. Raises KerasFileError if `content` is none."""
    if len(content) > _LARGEST_TEXT:
        raise KerasFileError(
            f"{what} has {len(content):,} characters; accepted: up to {_LARGEST_TEXT:,}"
        )
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KerasFileError(f"{what} is not readable JSON ({str(error)[:100]})") from error
    if not isinstance(value, dict):
        raise KerasFileError(f"{what} holds a {type(value).__name__}; accepted: a JSON object")
    return value
