"""Downloads: files are checked, written to a temporary file and moved into place."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import os
import secrets
import ssl
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..files import WriteError, write_bytes
from .idx import DataError

_SECONDS = 60  # without any byte
_GZIP = b"\x1f\x8b"
_CHUNK = 2**20  # bytes read at a time

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Digest:
    """What a file's digest must begin with, as hexadecimal digits."""

    kind: Literal["md5", "sha256"]
    value: str


class DownloadError(DataError):
    """A file that could not be fetched; the message names its address and the reason."""


def open_address(address: str) -> Any:
    """Return a server's open response."""
    request = urllib.request.Request(address, headers={"User-Agent": "lit_mnist"})
    return urllib.request.urlopen(request, timeout=_SECONDS)


def fetch_gzipped(name: str, mirrors: Sequence[str], md5: str, target: Path) -> None:
    """Fetch ``name.gz`` from the first of `mirrors` that has it, and write it unpacked to `target`.

    Several processes may do so at once, since each moves a complete file into place. Raises
    DownloadError naming every address and its reason.
    """
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{name}.gz"
        try:
            write_bytes(target, _unpacked(fetch(address, md5)))
            return
        except DownloadError as error:
            failures.append(str(error))
        except WriteError as error:
            raise DownloadError(str(error)) from error
    raise DownloadError("; ".join(failures))


def fetch(address: str, md5: str) -> bytes:
    """Return the content of `address`.

    Raises DownloadError if it is unavailable or has another MD5.
    """
    try:
        with open_address(address) as answer:
            length = answer.headers.get("Content-Length")
            content = answer.read()
    except Exception as error:
        raise DownloadError(f"{address}: {_reason(error)}") from error
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    _check_received(address, content, len(content), length, digest, Digest("md5", md5))
    return content


def fetch_file(
    address: str, digest: Digest, target: Path, progress: Progress | None = None
) -> Path:
    """Fetch a large file in chunks into `target` and return it; completely or not at all.

    `progress` is called with the bytes received and the total (0 if unknown). Raises DownloadError.
    """
    beside = target.with_name(f".{target.name[:40]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    created = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _stream(address, digest, beside, progress)
        os.replace(beside, target)
    except DownloadError:
        raise
    except Exception as error:
        raise DownloadError(f"{address}: {_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
            for folder in created:
                folder.rmdir()  # removes empty ones only
    return target


def _stream(address: str, digest: Digest, beside: Path, progress: Progress | None) -> None:
    with open_address(address) as answer, open(beside, "wb") as file:
        length = answer.headers.get("Content-Length")
        sums = hashlib.new(digest.kind, usedforsecurity=False)
        start = b""
        while chunk := answer.read(_CHUNK):
            start = start or chunk
            file.write(chunk)
            sums.update(chunk)
            if progress:
                progress(file.tell(), int(length or 0))
        size = file.tell()
    _check_received(address, start, size, length, sums.hexdigest(), digest)


def _check_received(
    address: str, start: bytes, size: int, length: str | None, digest: str, accepted: Digest
) -> None:
    """Raise DownloadError unless the complete and right file was received."""
    if length is not None and size < int(length):
        raise DownloadError(f"{address}: received only {size} of {length} bytes")
    if start[:2] != _GZIP and start.lstrip()[:1] == b"<":
        raise DownloadError(f"{address}: received a web page instead of the file")
    if not digest.startswith(accepted.value):
        raise DownloadError(
            f"{address}: received {size} bytes whose {accepted.kind.upper()} is {digest}; "
            f"accepted: {accepted.value}"
        )


def digest_of(path: Path, kind: Literal["md5", "sha256"]) -> str:
    """Return a file's digest as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DownloadError(f"not a whole gzip file ({error})") from error


def _reason(error: Exception) -> str:
    match error:
        case urllib.error.HTTPError():
            return f"HTTP {error.code} {error.reason}"
        case urllib.error.URLError(reason=ssl.SSLCertVerificationError()):
            return f"bad certificate ({error.reason})"
        case http.client.IncompleteRead():
            expected = "?" if error.expected is None else len(error.partial) + error.expected
            return f"received only {len(error.partial)} of {expected} bytes"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            return f"no answer within {_SECONDS} s"
        case urllib.error.URLError():
            return f"no connection ({error.reason})"
    return str(error).strip() or type(error).__name__
