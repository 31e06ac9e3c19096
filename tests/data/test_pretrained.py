"""Published weights: the usual caches first, then one checked download; every failure names its
ways out.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lit_mnist.data.download import Digest
from lit_mnist.data.pretrained import Published, WeightsError, obtain
from tests.data.server import Server, serving

CONTENT = b"weights" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, folder in (("KERAS_HOME", "keras"), ("TORCH_HOME", "torch"), ("XDG_CACHE_HOME", "c")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    Server.content = CONTENT


def published(server: str, way: str, library="keras", name: str = "net.h5") -> Published:
    return Published(f"{server}/{way}/{name}", Digest("sha256", SHA[:8]), library)


def test_a_download_is_whole_kept_and_not_repeated(tmp_path: Path) -> None:
    seen = []
    with serving() as server:
        files = (published(server, "503", "torch", "net.pth"), published(server, "whole"))
        file, place = obtain(files, progress=lambda done, total: seen.append((done, total)))
    assert file is files[1] and place.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert obtain(files) == (file, place)  # the server is gone
    assert [path.name for path in place.parent.iterdir()] == ["net.h5"]


@pytest.mark.parametrize(("library", "folder"), [("keras", "models"), ("torch", "hub/checkpoints")])
def test_the_caches_of_keras_and_torch_come_first(
    tmp_path: Path, library: str, folder: str
) -> None:
    place = tmp_path / library / folder / "net.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    file = published("http://127.0.0.1:9", "whole", library)
    assert obtain([file]) == (file, place)
    place.write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"net\.h5: damaged.*SHA256 is .*accepted: .*remove it"):
        obtain([file])


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("403", "HTTP 403"),
        ("page", "received a web page"),
        ("half", "received only 3500 of 7000 bytes"),
        ("other", "SHA256 is"),
    ],
)
def test_a_failed_download_leaves_nothing_and_names_the_ways_out(
    tmp_path: Path, way: str, reason: str
) -> None:
    with serving() as server, pytest.raises(WeightsError) as caught:
        obtain([published(server, way)])
    words = (reason, f"{server}/{way}/net.h5", "by hand", str(tmp_path / "keras" / "models"))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_a_connection_or_leave_to_download_it_says_so() -> None:
    file = published("http://127.0.0.1:9", "whole")
    with pytest.raises(WeightsError, match="no connection.*ways out"):
        obtain([file])
    with pytest.raises(WeightsError, match="download is off"):
        obtain([file], download=False)
