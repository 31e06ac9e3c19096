"""Published weights, from the caches of Keras and torch or downloaded, and checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .dataset import cache_folder
from .download import Digest, DownloadError, Progress, digest_of, fetch_file

Library = Literal["keras", "torch"]


@dataclass(frozen=True)
class Published:
    """A file of weights: its address, its digest, and the library whose cache may hold it.

    The name is the last part of the address.
    """

    address: str
    digest: Digest
    library: Library

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.address.rsplit("/", 1)[-1]

    @property
    def places(self) -> tuple[Path, ...]:
        """Possible paths: in its library's cache, and in ours, which receives downloads."""
        return tuple(folder / self.name for folder in (_caches()[self.library], weights_folder()))


class WeightsError(DownloadError):
    """Published weights that are neither available nor downloadable, or damaged."""


def weights_folder() -> Path:
    """Return the folder of downloaded weights."""
    return cache_folder() / "weights"


def _caches() -> dict[str, Path]:
    """Return the cache folders of Keras and torch, by the rules of both."""
    home = Path.home()
    keras = Path(os.environ.get("KERAS_HOME") or home / ".keras")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    torch = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return {
        "keras": keras.expanduser() / "models",
        "torch": torch.expanduser() / "hub" / "checkpoints",
    }


def find_cached(files: Sequence[Published]) -> tuple[Published, Path] | None:
    """Return the first of `files` in a cache, and its path; None if there is none."""
    return next(((file, place) for file in files for place in file.places if place.is_file()), None)


def obtain(
    files: Sequence[Published], download: bool = True, progress: Progress | None = None
) -> tuple[Published, Path]:
    """Return the first of `files` that is cached, and its path; else download one.

    `files` are equivalent. `progress` is called with the bytes received and the total.
    Raises WeightsError naming every address, the reason and the ways out, or the damaged file.
    """
    cached = find_cached(files)
    if cached is not None:
        _check(*cached)
        return cached
    if not download:
        raise WeightsError(_missing(files, "download is off"))
    failures = []
    for file in files:
        target = weights_folder() / file.name
        try:
            return file, fetch_file(file.address, file.digest, target, progress)
        except DownloadError as error:
            failures.append(str(error))
    raise WeightsError(_missing(files, f"download failed: {'; '.join(failures)}"))


def _check(file: Published, place: Path) -> None:
    digest = digest_of(place, file.digest.kind)
    if not digest.startswith(file.digest.value):
        raise WeightsError(
            f"{place}: damaged, or not {file.address}: its {file.digest.kind.upper()} is {digest}; "
            f"accepted: {file.digest.value}; remove it to download it again"
        )


def _missing(files: Sequence[Published], reason: str) -> str:
    folders = {str(place.parent): None for file in files for place in file.places}
    return (
        f"weights {' or '.join(file.name for file in files)} not found ({reason}); ways out: a "
        "machine with a connection, or the file by hand from "
        f"{' or '.join(file.address for file in files)} into {' or '.join(folders)}"
    )
