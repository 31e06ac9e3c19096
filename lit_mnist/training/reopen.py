"""A checkpoint's network as a LitClassifier, with its optimiser and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, first_line
from ..runs.folder import find_run
from ..runs.model import load_checkpoint, model_from_checkpoint, run_checkpoint
from ..runs.record import RECORD

if TYPE_CHECKING:
    from .classifier import LitClassifier


def classifier_from_checkpoint(
    kind: type[LitClassifier],
    path: str | Path,
    device: Any,
    settings: Mapping[str, Any],
    strict: bool = True,
) -> LitClassifier:
    """Return a `kind` with a checkpoint's weights on `device`.

    `settings` override the checkpoint's own.
    """
    path = find_run(path)
    path = run_checkpoint(path) if path.is_dir() else path
    content = load_checkpoint(path)
    network = model_from_checkpoint(content, path, standardize="none").network
    record = content[RECORD]
    config: dict[str, Any] = {"seed": record.get("seed")} if record.get("seed") is not None else {}
    config |= _settings(kind, (record.get("config") or {}).get("model") or {}, path)
    module = kind(**{**config, "network": network.spec.to_dict(), **settings})
    module.network.to(next(iter(content["state_dict"].values())).dtype)
    module.load_state_dict(content["state_dict"], strict=strict)
    return module if device is None else module.to(device)


def refuse_options(**options: Any) -> None:
    """Raise UserError for an option of Lightning's `load_from_checkpoint` without meaning here."""
    for name, value in options.items():
        if value is not None and value is not True:
            raise UserError(
                f"load_from_checkpoint: {name} = {value!r} cannot work; accepted: settings by "
                "their names; the file's own are read, and nothing that carries code"
            )


def _settings(kind: type[LitClassifier], config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments in a configuration's ``model``, without files and network."""
    from jsonargparse import ArgumentError
    from lightning.pytorch.cli import LightningArgumentParser

    if not config:
        return {}
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "model", instantiate=False)
    try:
        parsed = parser.parse_object({"model": {**config, "initial_weights": None}})
    except ArgumentError as error:
        raise UserError(
            f"{path}: its training settings cannot be read ({first_line(error)})"
        ) from error
    arguments = parser.instantiate_classes(parsed)["model"].as_dict()
    return {
        key: value for key, value in arguments.items() if key not in ("network", "initial_weights")
    }
