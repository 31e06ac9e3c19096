"""The kind of a file or folder, by its content rather than its name, and how to use it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from .hdf5 import SIGNATURE
from .network_file import keras_config

_HEAD = 4096  # bytes that are inspected
_ZIP = b"PK\x03\x04"
_STATE_DICT = (
    "its weights in torch: torch.save(model.state_dict(), FILE), and convert FILE OUT --config "
    "NETWORK"
)
_SAVED_AGAIN = "the same model saved by Keras: model.save('model.keras')"


def is_keras(path: Path) -> bool:
    """Return whether a file is a Keras archive, an HDF5 file, or a description in JSON or YAML."""
    head = _head(path)
    if head.startswith(_ZIP):
        return "data.pkl" not in {name.split("/")[-1] for name in _members(path)}
    return head.startswith(SIGNATURE) or keras_config(path) is not None


def what_it_is(path: Path) -> str | None:
    """Return the kind of file at `path` and what is accepted instead; None if it is unknown."""
    if path.is_dir():
        return _folder(path)
    head = _head(path)
    return _text_file(head) or _model_file(head, path) or _other_file(head)


def _head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with open(path, "rb") as file:
        return file.read(_HEAD)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[:1000]
    except (OSError, zipfile.BadZipFile):
        return []


def _folder(path: Path) -> str | None:
    if (path / "saved_model.pb").is_file() or (path / "keras_metadata.pb").is_file():
        return (
            "a SavedModel folder of TensorFlow, whose network is a program that is never run "
            f"here; accepted: {_SAVED_AGAIN}"
        )
    if (path / "model.weights.h5").is_file() and (path / "config.json").is_file():
        return (
            f"an unpacked .keras archive; accepted: {path / 'model.weights.h5'}, which is read "
            "with config.json"
        )
    return None


def _text_file(head: bytes) -> str | None:
    if head.startswith(b"version https://git-lfs"):
        return (
            "a Git LFS pointer, a few lines that stand for a file that was not fetched; accepted: "
            "the file itself (git lfs pull)"
        )
    if (
        head.lstrip()[:9].lower() in (b"<!doctype", b"<html")
        or head.lstrip()[:5].lower() == b"<html"
    ):
        return (
            "a web page, not the file that it offers; accepted: the file itself (a download link, "
            "not its page)"
        )
    if b'"modelTopology"' in head:
        return f"a network of TensorFlow.js; accepted: {_SAVED_AGAIN}"
    return None


def _model_file(head: bytes, path: Path) -> str | None:
    if head[4:8] == b"TFL3":
        return f"a TensorFlow Lite file, which holds no layers any more; accepted: {_SAVED_AGAIN}"
    if head.startswith(b"\x08") and (
        path.suffix.lower() == ".onnx" or b"onnx" in head[:200].lower()
    ):
        return (
            f"an ONNX file; accepted: the model that it was exported from ({_SAVED_AGAIN}), or "
            f"{_STATE_DICT}"
        )
    if head.startswith(b"\x80") and head[1:2] in b"\x02\x03\x04\x05":
        return f"a pickle, which can hold code and is never opened; accepted: {_STATE_DICT}"
    if head.startswith(_ZIP):
        members = _members(path)
        if "data.pkl" in {name.split("/")[-1] for name in members}:
            return "a file of torch.save"
        return (
            f"a zip archive without a Keras model ({', '.join(members[:5])}); accepted: "
            f"{_SAVED_AGAIN}"
        )
    if head[8:10] == b'{"':
        return f"a safetensors file; accepted: convert {path.name} OUT --config NETWORK"
    return None


def _other_file(head: bytes) -> str | None:
    kinds = {
        b"\x93NUMPY": "an array of NumPy",
        b"\x1f\x8b": "a gzip archive: unpack it first",
        b"\x89PNG": "a picture",
        b"\xff\xd8\xff": "a picture",
        b"Rar!": "a RAR archive: unpack it first",
        b"7z\xbc\xaf": "a 7z archive: unpack it first",
    }
    kind = next((kind for start, kind in kinds.items() if head.startswith(start)), None)
    return kind and f"{kind}; accepted: a Keras file (.h5, .hdf5, .keras), a checkpoint"
