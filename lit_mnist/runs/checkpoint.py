"""Checkpoint files with a checksum: torch's archive with its SHA-256 in the archive's comment.

Any tool that reads torch's files reads these too. They are written to a temporary file, synced and
moved into place; the previous file is kept under another name, so that one damaged file loses
nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError, first_line
from ..files import WriteError, write_bytes

LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
BEST = "best.ckpt"
_LABEL = b"sha256:"
_COMMENT = len(_LABEL) + 64  # the digest in hexadecimal
# an archive's end record: 22 bytes, of which the last two are the length of the comment after it
_END = b"PK\x05\x06"


class CheckpointError(UserError):
    """A checkpoint that cannot be read, or is refused."""


def write_checkpoint(path: str | Path, content: Mapping[str, Any], keep: str | None = None) -> Path:
    """Write `content` with its checksum, completely or not at all.

    The file's previous content is kept as `keep` in the same folder.

    Raises WriteError naming file and reason; `path` and `keep` are then as they were.
    """
    path = Path(path)
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    kept = _link(path, path.with_name(f".{keep}.{os.getpid()}.part")) if keep else None
    try:
        write_bytes(path, seal(buffer.getvalue()))
    except WriteError:
        if kept is not None:
            kept.unlink(missing_ok=True)
        raise
    if kept is not None and keep is not None:
        os.replace(kept, path.with_name(keep))
    return path


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint holds, checked and without executing anything in it.

    Files without a checksum (written by torch or Lightning) are read too. Raises CheckpointError
    naming file and reason.
    """
    content = read_tensors(path)
    if not isinstance(content.get("state_dict"), Mapping):
        raise CheckpointError(f"{path}: {_bare(content)}")
    return dict(content)


def read_tensors(path: str | Path) -> Mapping[Any, Any]:
    """Return the mapping in a file of torch.save. It is checked, and nothing in it is executed.

    Raises CheckpointError naming the kind of file if it is another one.
    """
    try:
        archive = Path(path).read_bytes()
        check_seal(archive)
        content = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refused(Path(path), error)}") from error
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or first_line(error)})"
        ) from error
    except Exception as error:  # torch's reader raises whatever the damage leads to
        kind = _kind_of(Path(path))
        raise CheckpointError(
            f"{path}: {kind or f'not a readable checkpoint ({first_line(error)})'}"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: not a checkpoint of this program (no 'state_dict')")
    return content


def _kind_of(path: Path) -> str | None:
    from ..keras_files.content import what_it_is  # h5py is needed for other files only

    kind = what_it_is(path)
    return None if kind == "a file of torch.save" else kind


def _refused(path: Path, error: Exception) -> str:
    """Return why a file is refused: its kind, or that its pickle holds more than weights."""
    kind = _kind_of(path)
    if kind and not kind.startswith("a pickle"):
        return kind
    return (
        f"refused, it carries code or objects beyond plain weights ({first_line(error)}), as a "
        "whole module does; accepted: torch.save(model.state_dict(), FILE), and convert FILE OUT "
        "--config NETWORK"
    )


def _bare(content: Mapping[Any, Any]) -> str:
    if content and all(isinstance(value, torch.Tensor) for value in content.values()):
        return (
            f"a bare state dict ({len(content)} arrays: {', '.join(map(str, list(content)[:3]))}, "
            "...) without its network; accepted: convert FILE OUT --config NETWORK, where "
            "NETWORK describes it in YAML"
        )
    return "not a checkpoint of this program (no 'state_dict')"


def read_newest(folder: Path) -> tuple[Path, dict[str, Any], CheckpointError | None]:
    """Return path and content of ``last.ckpt``, or of ``previous.ckpt`` if that is damaged.

    The third value is the error of a damaged ``last.ckpt``. Raises CheckpointError if neither can
    be read.
    """
    try:
        return folder / LAST, read_checkpoint(folder / LAST), None
    except CheckpointError as error:
        if not (folder / PREVIOUS).is_file():
            raise
        return folder / PREVIOUS, read_checkpoint(folder / PREVIOUS), error


def seal(archive: bytes) -> bytes:
    """Return a zip archive with the SHA-256 of its content as its comment.

    The archive must not have a comment.
    """
    if archive[-22:-18] != _END:
        raise ValueError("not a zip archive that ends without a comment")
    body = archive[:-2] + struct.pack("<H", _COMMENT)
    return body + _LABEL + hashlib.sha256(body).hexdigest().encode()


def check_seal(archive: bytes) -> None:
    """Raise BadZipFile if an archive does not match its checksum.

    Archives without a comment have none.
    """
    end = archive.rfind(_END, -2 * _COMMENT - 22)
    if end < 0 or len(archive) == end + 22:
        return
    body = archive[: end + 22]
    comment = archive[end + 22 :]
    if comment != _LABEL + hashlib.sha256(body).hexdigest().encode():
        raise zipfile.BadZipFile("its content does not match its SHA-256: damaged")


def _link(path: Path, link: Path) -> Path | None:
    """Give the content of `path` a second name, so that it survives its replacement."""
    if not path.is_file():
        return None
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:  # a file system without links
        return write_bytes(link, path.read_bytes())
    return link
