"""Files from the network: each is checked, written beside its place and moved there whole."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import ssl
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import WriteError, write_bytes
from .idx import DataError

_SECONDS = 60  # without any byte
_GZIP = b"\x1f\x8b"


class DownloadError(DataError):
    """A file that could not be fetched; the message names its address and the reason."""


def open_address(address: str) -> Any:
    """Return the open answer of a server."""
    request = urllib.request.Request(address, headers={"User-Agent": "lit_mnist"})
    return urllib.request.urlopen(request, timeout=_SECONDS)


def fetch_gzipped(name: str, mirrors: Sequence[str], md5: str, target: Path) -> None:
    """Fetch ``name.gz`` from the first of `mirrors` that has it and write it, unpacked, to `target`.

    Several processes may do so at once: each moves a whole file into place. Raises DownloadError naming
    every address and its reason.
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
    """Return what lies at `address`; raise DownloadError where it cannot be had or its MD5 is another."""
    try:
        with open_address(address) as answer:
            length = answer.headers.get("Content-Length")
            content = answer.read()
    except Exception as error:
        raise DownloadError(f"{address}: {_reason(error)}") from error
    if length is not None and len(content) < int(length):
        raise DownloadError(f"{address}: only {len(content)} of {length} bytes came")
    if content[:2] != _GZIP and content.lstrip()[:1] == b"<":
        raise DownloadError(f"{address}: a web page came in the file's place")
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise DownloadError(
            f"{address}: {len(content)} bytes came whose MD5 is {digest}; accepted: {md5}"
        )
    return content


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
            return f"only {len(error.partial)} of {expected} bytes came"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            return f"no answer within {_SECONDS} s"
        case urllib.error.URLError():
            return f"no connection ({error.reason})"
    return str(error).strip() or type(error).__name__
