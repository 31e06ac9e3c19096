"""What ``--ckpt_path`` names: the network to start from, and the settings that it fixes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import expand
from ..spec import NetworkSpec
from .checkpoint import CheckpointError, read_newest
from .folder import find_run
from .model import (
    KERAS_SUFFIXES,
    Model,
    ModelError,
    load_checkpoint,
    model_from_checkpoint,
)
from .model import run_checkpoint as _run_checkpoint
from .record import RECORD
from .resume import Unfinished

_NETWORK = "model.network"
_MAY_CHANGE = {
    "data.root",
    "data.download",
    "data.fallback",
    "data.batch_size",
    "data.eval_batch_size",
    "data.dataset",
    "data.mirror",
    "data.memory_fraction",
    "data.on_damaged",
    "model.initial_weights",
    "model.distillation.teachers",
    "model.cuda_graphs",
    "model.run_frozen_once",
}
_PRECISION = "trainer.precision"
_ABSENT = object()
_NOT_KEPT = ("default_root_dir", "logger")


@dataclass(frozen=True)
class Origin:
    """A network to start from, its configuration, and what options may not change."""

    path: Path
    model: Model
    config: dict[str, Any]
    fixed: tuple[str, ...]
    scaled: bool = True  # whether the file states the scaling of its images

    @property
    def run(self) -> Path | None:
        """The run folder of the checkpoint, or None."""
        return self.model.run

    @property
    def name(self) -> str:
        """Name for runs that start from here."""
        return self.config.get("name") or self.path.stem

    def refuse_contradictions(self, settings: Mapping[str, Any]) -> None:
        """Raise UserError where `settings` give a fixed key another value than the checkpoint's."""
        options = dict(_flat(settings))
        trained = dict(_flat(self.config))
        for key in trained:
            if not key.startswith(self.fixed) or key.startswith(tuple(_MAY_CHANGE)):
                continue
            option = _at(options, key)
            if option is not _ABSENT and _differ(key, option, trained[key]):
                given, stored = (
                    _first_difference(option, trained[key])
                    if key == _NETWORK
                    else (option, trained[key])
                )
                raise UserError(
                    f"--{key} = {given!r} contradicts the checkpoint {self.path}, which was "
                    f"trained with {stored!r}; leave the option out, or train a new network"
                )


def find_origin(
    command: str, ckpt_path: str | None, runs_dir: str, name: str | None
) -> Origin | None:
    """Open what ``--ckpt_path`` names: a run folder, a checkpoint, a Keras file, or ``last``.

    Raises ModelError, naming the path and what is accepted.
    """
    if ckpt_path is None:
        if command == "fit":
            return None
        raise ModelError(
            f"{command} needs --ckpt_path: a run folder, a checkpoint (.ckpt), a Keras file "
            f"({', '.join(KERAS_SUFFIXES)}), or last with --name or --config"
        )
    path = last_run(expand(runs_dir), name) if ckpt_path == "last" else find_run(ckpt_path)
    if command == "fit" and (path / "checkpoints").is_dir():
        return _newest(path / "checkpoints")
    if path.is_dir():
        path = _run_checkpoint(path)
    if path.suffix.lower() in KERAS_SUFFIXES:
        return _from_keras(path, command)
    if not path.exists():
        raise ModelError(
            f"{path}: no such checkpoint; accepted: a run folder, a checkpoint (.ckpt), a Keras "
            f"file ({', '.join(KERAS_SUFFIXES)}), or last"
        )
    return _from_checkpoint(load_checkpoint(path), path, command)


def unfinished_run(unfinished: Unfinished) -> Origin:
    """Return the origin of a run that the same command resumes."""
    return _from_checkpoint(unfinished.content, unfinished.checkpoint, "fit")


def _newest(folder: Path) -> Origin:
    try:
        path, content, damage = read_newest(folder)
    except CheckpointError as error:
        raise ModelError(str(error)) from error
    if damage:
        print(f"WARNING: {damage}; resuming from {path.name}, the state before it", file=sys.stderr)
    return _from_checkpoint(content, path, "fit")


def _from_checkpoint(content: dict[str, Any], path: Path, command: str) -> Origin:
    model = model_from_checkpoint(content, path)
    config = content[RECORD].get("config") or {}
    if "loops" in content and not config and command == "fit":
        raise ModelError(
            f"{path}: was trained from Python, so its optimiser and data are not known here; "
            f"accepted: lightning.Trainer.fit(module, data, ckpt_path={str(path)!r}) with the "
            "same module and data"
        )
    if (not config or "loops" not in content) and command == "fit":
        raise ModelError(
            f"{path}: holds a network, but no training to resume; accepted: a run's last.ckpt, "
            "or --model.initial_weights with a .safetensors file"
        )
    network = {"network": model.spec.to_dict()}
    kept = {
        key: config[key] for key in ("seed_everything", "name", "recipe", "data") if key in config
    }
    kept["model"] = config.get("model", {}) | network
    kept.setdefault(
        "data",
        {
            "dataset": model.dataset,
            "standardize": model.standardizer.kind,
            "clip": model.standardizer.clip,
            "validation_fraction": 0.0,
            "validate_on": "none",
        },
    )
    if "root" in kept["data"]:
        kept["data"] = {
            **kept["data"],
            "root": None if model.data_root is None else str(model.data_root),
        }
    if command == "fit":
        kept["trainer"] = {
            key: value
            for key, value in (config.get("trainer") or {}).items()
            if key not in _NOT_KEPT
        }
    return Origin(path, model, kept, ("model.", "data.", _PRECISION))


def last_run(runs_dir: Path, name: str | None) -> Path:
    """Return the newest run folder of configuration `name` that holds a checkpoint."""
    pattern = f"{name or '*'}/*/checkpoints/last.ckpt"
    checkpoints = sorted(runs_dir.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not checkpoints:
        raise ModelError(
            f"--ckpt_path last: no run with a checkpoint under {runs_dir / (name or '')}; "
            "accepted: a run folder or a checkpoint"
        )
    return checkpoints[-1].parent.parent


def _from_keras(path: Path, command: str) -> Origin:
    from ..keras_files import read_keras  # h5py is needed for Keras files only
    from .keras_models import keras_model

    if command == "fit":
        raise ModelError(
            f"{path}: a Keras file holds no training that fit can resume; "
            "convert it, or start anew with a configuration"
        )
    file = read_keras(path)
    model = keras_model(file.spec, file.weights, path, metadata=file.metadata)
    config = {
        "model": {"network": model.spec.to_dict()},
        "data": {
            "dataset": model.dataset,
            "standardize": model.standardizer.kind,
            "clip": model.standardizer.clip,
            "validation_fraction": 0.0,
            "validate_on": "none",
        },
    }
    fixed = (
        ("model.network", "data.standardize", "data.clip") if file.metadata else ("model.network",)
    )
    return Origin(path, model, config, fixed, scaled=bool(file.metadata))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their values; a network is compared as a whole."""
    for key, value in values.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and dotted != _NETWORK:
            yield from _flat(value, dotted + ".")
        else:
            yield dotted, value


def _at(options: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key; null where a key above it is, and a mapping of the keys
    below it. `_ABSENT` if there is none of these.
    """
    if key in options:
        return options[key]
    below = {name: value for name, value in options.items() if name.startswith(f"{key}.")}
    if below:
        return below
    parts = key.split(".")
    above = {".".join(parts[:count]) for count in range(1, len(parts))}
    return None if any(options.get(name, _ABSENT) is None for name in above) else _ABSENT


def _differ(key: str, option: Any, trained: Any) -> bool:
    """Return whether two values differ in meaning.

    Networks and precisions have several spellings.
    """
    if key == _NETWORK:
        return NetworkSpec.from_dict(option) != NetworkSpec.from_dict(trained)
    if key == _PRECISION:
        return _precision(option) != _precision(trained)
    return option != trained


def _precision(value: Any) -> str:
    """Return a precision in Lightning's long form: ``64`` is ``64-true``."""
    short = {
        "None": "32-true",
        "32": "32-true",
        "64": "64-true",
        "16": "16-mixed",
        "bf16": "bf16-mixed",
    }
    return short.get(str(value), str(value))


def _first_difference(option: Mapping[str, Any], trained: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the first layers in which two networks differ, else the networks' other values."""
    given, stored = (NetworkSpec.from_dict(network).to_dict() for network in (option, trained))
    for layer, stored_layer in zip_longest(given.pop("layers"), stored.pop("layers")):
        if layer != stored_layer:
            return layer, stored_layer
    return given, stored
