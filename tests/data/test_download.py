"""Downloads from a server on this machine: whole files arrive, every failure is named, nothing
half-written stays.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lit_mnist.data import DataError, load_dataset
from lit_mnist.data.sources import mnist
from tests.data.files import idx_bytes
from tests.data.server import Server, serving

FILES = mnist.FILES


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that has one file, whose MD5 is taken for all four of MNIST."""
    Server.content = gzip.compress(
        idx_bytes(np.arange(12 * 784, dtype=np.uint32).astype(np.uint8).reshape(12, 28, 28))
    )
    md5 = hashlib.md5(Server.content).hexdigest()
    monkeypatch.setitem(mnist.OFFICIAL, "mnist", replace(mnist.OFFICIAL["mnist"], md5=(md5,) * 4))
    with serving() as address:
        yield address


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("403", "HTTP 403 Forbidden"),
        ("503", "HTTP 503 Service Unavailable"),
        ("page", "received a web page instead"),
        ("half", "received only"),
        ("other", "MD5"),
    ],
)
def test_a_failed_download_names_address_reason_and_ways_out(
    server: str, tmp_path: Path, way: str, reason: str
) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path / "root", mirror=f"{server}/{way}")
    words = (
        f"{server}/{way}/{FILES[0]}.gz",
        reason,
        "--data.mirror",
        "by hand",
        str(tmp_path / "root" / "MNIST"),
        FILES[3],
        "--data.fallback digits",
    )
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not list(tmp_path.iterdir())


def test_no_connection_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/.*no connection"):
        load_dataset("mnist", tmp_path, mirror="http://127.0.0.1:9")


def test_downloads_at_once_give_whole_files(server: str, tmp_path: Path) -> None:
    """Each of several first downloads moves whole files into place, whichever comes last."""
    options = mnist.DataOptions(root=tmp_path, mirror=f"{server}/whole")
    with ThreadPoolExecutor(4) as pool:
        places = list(
            pool.map(lambda _: mnist.idx_paths(options, mnist.OFFICIAL["mnist"]), range(4))
        )
    assert len({tuple(paths) for paths in places}) == 1
    assert [path.name for path in places[0]] == list(FILES)
    assert {path.read_bytes() for path in places[0]} == {gzip.decompress(Server.content)}
    assert sorted(path.name for path in places[0][0].parent.iterdir()) == sorted(
        FILES
    )  # nothing half-written stays


def test_addresses_and_sums_are_torchvisions() -> None:
    from torchvision import datasets

    for name, official in mnist.OFFICIAL.items():
        theirs = getattr(datasets, official.folder)
        assert tuple(theirs.mirrors) == official.mirrors, name
        assert tuple(theirs.resources) == tuple(
            (f"{file}.gz", md5) for file, md5 in zip(FILES, official.md5, strict=True)
        )
