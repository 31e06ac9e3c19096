"""A network's description in a file of its own: Keras' ``to_json`` and ``to_yaml``, old and new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .entries import MODELS
from .errors import KerasFileError

_LARGEST = 2**24  # bytes
_MOST_FILES = 200
SUFFIXES = (".json", ".yaml", ".yml")


def keras_config(path: Path) -> dict[str, Any] | None:
    """Return the model that a JSON or YAML file describes, or None."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    content = _parsed(path)
    if isinstance(content, str):  # json.dump(model.to_json()) writes a text of JSON
        content = _json(content)
    if isinstance(content, Mapping) and content.get("class_name") in MODELS and "config" in content:
        return dict(content)
    return None


def network_config(path: Path) -> dict[str, Any]:
    """Return the model that a file describes. Raises KerasFileError if there is none."""
    config = keras_config(path)
    if config is None:
        raise KerasFileError(
            f"{path}: describes no network of Keras; accepted: what model.to_json() gives (also as "
            "YAML), with class_name and config"
        )
    return config


def beside(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the networks described in a file's folder, those of its own name first."""
    files = [
        file
        for file in sorted(path.parent.iterdir())[:_MOST_FILES]
        if file.suffix.lower() in SUFFIXES
    ]
    for file in sorted(files, key=lambda file: not same_name(file, path)):
        config = keras_config(file)
        if config is not None:
            yield file, config


def same_name(network: Path, weights: Path) -> bool:
    """Return whether two names differ only in endings and the word weights."""
    return _stem(network) == _stem(weights)


def _stem(path: Path) -> str:
    name = path.name.lower().split(".")[0]
    return name.replace("weights", "").replace("config", "").replace("architecture", "").strip("_-")


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return _json(text) if path.suffix.lower() == ".json" else _yaml(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    """Return YAML as plain values; the tuples of Keras 2, a tag of Python's, become lists."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def sequence(loader: Any, node: Any) -> list[Any]:
        return loader.construct_sequence(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", sequence)
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError):
        return None
