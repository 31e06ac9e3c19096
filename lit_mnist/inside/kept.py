"""Results of long computations, kept in files and read when they are needed again.

The files are in ``inside/`` of the run folder. For a network without a run, or where that folder
cannot be written, they are in the user's cache, in a folder named after the network's hash. Each
file is JSON and names its network, checkpoint, settings and versions; where one of these differs,
the result is computed again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..environment import versions
from ..errors import UserError
from ..files import WriteError, write_text
from ..runs.model import Model

FOLDER = "inside"
_VERSIONS = ("python", "lit-mnist", "torch", "captum", "numpy")  # results depend on these


@dataclass(frozen=True)
class KeptResults:
    """The kept results of one network.

    `network` is the SHA-256 of its description, scaling and weights; `checkpoint` holds name and
    SHA-256 of its file. `folders` are tried in order. `say` receives the reason why a result is not
    kept or not used.
    """

    network: str
    checkpoint: dict[str, str]
    folders: tuple[Path, ...]
    say: Callable[[str], None] = field(default=lambda text: None, compare=False)

    def read(self, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the content kept under `name` and `settings`; None if it is missing or stale."""
        for path in self._paths(name, settings):
            if path.is_file():
                return self._content(path, settings)
        return None

    def all(self, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield settings and content of all results under `name` that are not stale."""
        seen = set()
        for path in [path for folder in self.folders for path in sorted(folder.glob(f"{name}-*"))]:
            settings = _settings(path)
            if settings is None or path.name in seen or path not in self._paths(name, settings):
                continue
            content = self._content(path, settings)
            if content is not None:
                seen.add(path.name)
                yield settings, content

    def write(
        self, name: str, settings: Mapping[str, Any], content: Mapping[str, Any]
    ) -> Path | None:
        """Write `content` (nested plain values and arrays); return its file, None if no folder is
        writable.
        """
        text = json.dumps(
            {
                "network": self.network,
                "checkpoint": self.checkpoint,
                "versions": _versions(),
                "settings": settings,
                "content": _encoded(content),
            },
            indent=1,
        )
        reason = ""
        for path in self._paths(name, settings):
            try:
                return write_text(path, text + "\n")
            except WriteError as error:
                reason = str(error)
        self.say(f"results of {self.checkpoint['file']} are not kept: {reason}")
        return None

    def _paths(self, name: str, settings: Mapping[str, Any]) -> list[Path]:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        stem = Path(self.checkpoint["file"]).stem[:60]
        return [folder / f"{name}-{stem}-{digest}.json" for folder in self.folders]

    def _content(self, path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            differences = {
                "its weights or its scaling": record["network"] != self.network,
                "the versions of the software": record["versions"] != _versions(),
                "the settings": record["settings"] != json.loads(json.dumps(settings)),
            }
            content = _decoded(record["content"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.say(f"{path}: cannot be read ({error}), computed again")
            return None
        changed = [name for name, differs in differences.items() if differs]
        if changed:
            self.say(f"{path}: stale, since {' and '.join(changed)} changed; computed again")
            return None
        return content


def computed_once(
    kept: KeptResults | None,
    name: str,
    settings: Mapping[str, Mapping[str, Any]],
    compute: Callable[[list[str]], Mapping[str, Mapping[str, Any]]],
    fits: Callable[[Mapping[str, Any]], bool] = lambda content: True,
) -> dict[str, Mapping[str, Any]]:
    """Return the content of each part, such as a layer; compute only what is not kept.

    `settings` holds, for each part, what its content depends on. Kept content is used where `fits`
    accepts it. `compute` is called once with all missing parts; its results are kept under `name`.
    """
    contents: dict[str, Mapping[str, Any]] = {}
    for part in settings:
        content = kept.read(name, settings[part]) if kept else None
        if content is not None and fits(content):
            contents[part] = content
    missing = [part for part in settings if part not in contents]
    for part, content in (compute(missing) if missing else {}).items():
        contents[part] = content
        if kept:
            kept.write(name, settings[part], content)
    return {part: contents[part] for part in settings}


def kept_results(
    model: Model, say: Callable[[str], None] = lambda text: None
) -> KeptResults | None:
    """Return the kept results of a model; None for a model that was not opened from a file."""
    if model.path is None or not model.path.is_file():
        return None
    network = network_hash(model)
    run = model.run
    checkpoint = {
        "file": model.path.name,
        "sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
    }
    folders = ([run / FOLDER] if run else []) + [cache_folder() / network[:32]]
    return KeptResults(network, checkpoint, tuple(folders), say)


def network_hash(model: Model) -> str:
    """Return the SHA-256 of a model's description, scaling and weights."""
    about = {
        "spec": model.spec.to_dict(),
        "standardizer": model.standardizer.to_dict(),
        "dataset": model.dataset,
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=_plain).encode())
    for name, array in sorted(model.network.named_weights().items()):
        digest.update(
            name.encode() + str(array.dtype).encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def arrays_hash(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays, such as the images of a result."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(
            f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return the folder in the user's cache for results of networks without a run folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lit_mnist" / FOLDER


def _settings(path: Path) -> dict[str, Any] | None:
    """Return the settings in a kept file; None if it cannot be read."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return settings if isinstance(settings, dict) else None


def _versions() -> dict[str, str]:
    return {name: version for name, version in versions().items() if name in _VERSIONS}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise UserError(f"{type(value).__name__} cannot be kept; accepted: plain values and arrays")


def _encoded(value: Any) -> Any:
    """Return arrays and infinite numbers in an exact form for JSON."""
    match value:
        case dict():
            return {str(key): _encoded(item) for key, item in value.items()}
        case list() | tuple():
            return [_encoded(item) for item in value]
        case np.ndarray():
            data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
            return {"dtype": value.dtype.str, "shape": list(value.shape), "base64": data}
        case np.generic():
            return _encoded(value.item())
        case float() if not math.isfinite(value):
            return {"float": str(value)}
    return value


def _decoded(value: Any) -> Any:
    match value:
        case {"dtype": dtype, "shape": shape, "base64": data}:
            return np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
        case {"float": text}:
            return float(text)
        case dict():
            return {key: _decoded(item) for key, item in value.items()}
        case list():
            return [_decoded(item) for item in value]
    return value
